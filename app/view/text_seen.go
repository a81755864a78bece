package view

// phrasesJA are the phrases of the agent's doctor in Japanese; the first that fits
// counts.
var phrasesJA = []phrase{
	// Keyporter itself.
	{"keyporter %s, agent %s, %s/%s|; MCP clients launch %s", "keyporter $1、エージェント $2、$3/$4|。MCP クライアントが起動するもの: $1"},
	{"process %d, since %s|, %d bridge|s", "プロセス $1、開始 $2|、ブリッジ $1 件|"},
	{"%s: %d server|s|, %d account|s", "$1: サーバー $2 件||、アカウント $1 件|"},
	{"the vault's key is in the keyring", "保管庫のキーはキーリングにあります"},
	{"not used: the vault's key is under a passphrase", "使っていません。保管庫のキーはパスフレーズで守られています"},
	{"%s is open and can be written", "$1 は開いていて、書き込めます"},
	{"as it was written: %s", "書かれたときのままです: $1"},
	{"%d record|s", "記録 $1 件|"},

	// The way to a server.
	{"the server does not say what time it has", "サーバーは時刻を知らせません"},
	{"%s from the server's", "サーバーとの差は $1"},
	{"%d s", "$1 秒"},
	{"%d min", "$1 分"},
	{"%d h", "$1 時間"},
	{"%d days", "$1 日"},
	{"left to the proxy", "プロキシに任せています"},
	{"not needed", "不要です"},
	{"none", "なし"},
	{"there is one", "つながりました"},
	{"through the proxy at %s, after %d ms", "プロキシ $1 経由、$2 ミリ秒"},
	{"%s, after %d ms", "$1、$2 ミリ秒"},
	{"not used: the address begins with http://", "使っていません。アドレスが http:// で始まります"},
	{"the certificate is trusted", "証明書は信頼されています"},
	{"%s, issued by %s, good until %s", "$1、発行者 $2、有効期限 $3"},
	{"somebody without a name", "名前なし"},

	// What it answers, and who signs people in.
	{"HTTP %d|, with the place of its metadata|, without a word on how to get in|, protocol of the %s era|, protocol %s|; its protocol shows after the sign-in",
		"HTTP $1|、メタデータの場所あり|、サインイン方法の案内なし|、プロトコルは$1世代|、プロトコル $1|。プロトコルはサインイン後に分かります"},
	{"legacy", "従来の"},
	{"modern", "新しい"},
	{"not needed for an account of the kind %s", "種類が $1 のアカウントには不要です"},
	{"not needed: the server has secrets of its own", "不要です。サーバー専用の秘密情報があります"},
	{"not needed: the server answers everybody", "不要です。サーバーは誰にでも応答します"},
	{"none; the server wants a key", "なし。サーバーはキーを求めています"},
	{"none, as servers of 2025-03-26 have none", "なし。2025-03-26 のサーバーにはありません"},
	{"%s, people sign in at %s|, scopes %s", "$1、サインイン先 $2|、スコープ $1"},
	{"%v (%s, the issuer %s)", "$1($2、発行者 $3)"},
	{"%v (%s, set for this server)", "$1($2、このサーバーの設定)"},
	{"client id %s, of the account", "クライアント ID $1(アカウントのもの)"},
	{"client id %s, %s", "クライアント ID $1($2)"},
	{"as the administrator gave it", "管理者が発行"},
	{"a metadata document", "メタデータ文書"},
	{"registered by itself", "自動で登録"},
	{"by itself, at the sign-in", "サインイン時に自動で登録します"},

	// Tokens and sessions.
	{"secrets of the server's own: %s", "サーバー専用の秘密情報: $1"},
	{"a token of %s|, good for %s|, renewed by itself", "$1 のトークン|、残り $1|、自動で更新"},
	{"account %s", "アカウント $1"},
	{"there is no token to look into", "調べるトークンがありません"},
	{"encrypted (JWE)", "暗号化されています (JWE)"},
	{"opaque: only its issuer can read it", "不透明です。発行者だけが読めます"},
	{"JWT| of %s| for %s|, scope %s", "JWT|、発行者 $1|、宛先 $1|、スコープ $1"},
	{"%d tool|s| after %d ms, protocol %s|; the server calls itself %s", "ツール $1 件||、$1 ミリ秒、プロトコル $2|。サーバーの名乗り: $1"},

	// Programs that use Keyporter.
	{"%s: no servers of Keyporter", "$1: Keyporter のサーバーはありません"},
	{"bridges that run: %d", "動作中のブリッジ $1 件"},
	{"off; bridges start the agent when they need it", "オフ。ブリッジが必要なときにエージェントを起動します"},
	{"on: %s", "オン: $1"},

	{"%v is %s", "$1 は $2"},
}
