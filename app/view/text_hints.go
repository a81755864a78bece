package view

// hintsJA are the sentences of the agent's hints in Japanese: what happened, and
// what to do.
var hintsJA = [][]phrase{hintsOfDoctorJA, hintsOfAccessJA, hintsOfTokensJA, hintsOfVaultJA, durationsJA}

// durationsJA are lengths of time inside a sentence.
var durationsJA = []phrase{
	{"%d s", "$1 秒"},
	{"%d min", "$1 分"},
	{"%d h", "$1 時間"},
	{"%d days", "$1 日"},
}

// hintsOfDoctorJA are what the checks say themselves, but for tokens.
var hintsOfDoctorJA = []phrase{
	// Keyporter itself.
	{"The agent that runs is version %s, and this program is version %s.", "動作中のエージェントのバージョンは $1、このプログラムのバージョンは $2 です。"},
	{"Run keyporter stop and then keyporter start; if it stays so, install all of Keyporter in one version.", "keyporter stop、続けて keyporter start を実行してください。変わらない場合は、Keyporter 全体を同じバージョンでインストールしてください。"},
	{"The program %s, which MCP clients launch, is no longer there.", "MCP クライアントが起動するプログラム $1 がなくなっています。"},
	{"Install Keyporter again, then run keyporter stop and keyporter start.", "Keyporter をもう一度インストールしてから、keyporter stop と keyporter start を実行してください。"},
	{"The audit log is not sealed, so nobody can tell whether it was changed.", "監査ログが封印されていないため、変更されたかどうかを確認できません。"},
	{"Check that the disk has room, then run keyporter stop and keyporter start.", "ディスクの空きを確認してから、keyporter stop と keyporter start を実行してください。"},
	{"The audit log cannot be read.", "監査ログを読み取れません。"},
	{"Check that the file is there and yours.", "ファイルがあること、所有者がご自身であることを確認してください。"},
	{"The audit log is not as it was written. %s, line %d: %s.", "監査ログが書かれたときのままではありません。$1 の $2 行目: $3。"},
	{"See all places with keyporter log --verify, and keep the files while you find out who changed them.", "すべての箇所を keyporter log --verify で確認し、誰が変更したかが分かるまでファイルを残してください。"},

	// The way to a server.
	{"This computer's clock is %s ahead of the server's.", "このコンピューターの時計は、サーバーの時計より $1 進んでいます。"},
	{"This computer's clock is %s behind the server's.", "このコンピューターの時計は、サーバーの時計より $1 遅れています。"},
	{"Switch on automatic time in the settings of this computer; if its time is right, tell the owner of the server.", "このコンピューターの設定で時刻の自動調整をオンにしてください。こちらの時刻が正しい場合は、サーバーの管理者に伝えてください。"},
	{"The name %s is not known to this computer's name service.", "このコンピューターのネームサービスでは、$1 という名前が見つかりません。"},
	{"Check the spelling of the address, and the network or VPN that knows the name.", "アドレスのつづりと、その名前を解決できるネットワークや VPN を確認してください。"},
	{"The proxy %s wants a password (407).", "プロキシ $1 はパスワードを求めています (407)。"},
	{"Set the proxy with its user name and password in the environment (HTTPS_PROXY), then keyporter stop and keyporter start.", "環境変数 HTTPS_PROXY に、プロキシをユーザー名とパスワードを付けて設定し、keyporter stop と keyporter start を実行してください。"},
	{"The proxy %s refuses connections to this server (%d).", "プロキシ $1 がこのサーバーへの接続を拒否しています ($2)。"},
	{"Ask your IT to allow it, or go around the proxy: %s", "社内の IT 部門に許可を依頼するか、プロキシを使わずに接続してください: $1"},
	{"The proxy %s cannot be reached.", "プロキシ $1 に接続できません。"},
	{"Check the address in HTTPS_PROXY or in the server's proxy setting; without a proxy: %s", "HTTPS_PROXY またはサーバーのプロキシ設定にあるアドレスを確認してください。プロキシを使わない場合: $1"},
	{"The proxy setting cannot be understood.", "プロキシの設定を解釈できません。"},
	{"Look at HTTPS_PROXY and at the server's proxy setting.", "HTTPS_PROXY とサーバーのプロキシ設定を確認してください。"},
	{"The proxy %s could not reach %s (%d).", "プロキシ $1 は $2 に接続できませんでした ($3)。"},
	{"Check the address; if only this computer can reach it, go around the proxy: %s", "アドレスを確認してください。このコンピューターからだけ接続できる場合は、プロキシを使わずに接続してください: $1"},
	{"Nothing answers at %s.", "$1 からの応答がありません。"},
	{"Check that the server runs, that the port is right, and that no firewall or missing VPN is in between.", "サーバーが動作していること、ポートが正しいこと、ファイアウォールに妨げられていないこと、必要な VPN につながっていることを確認してください。"},
	{"%s opens this connection on its way and looks into it; this computer trusts it.", "$1 がこの接続を途中で開き、内容を検査しています。このコンピューターは $1 を信頼しています。"},
	{"Nothing needs to be done while it works; if the server refuses requests, ask your IT to leave this host alone.", "動作している間は何もする必要はありません。サーバーに拒否される場合は、このホストを検査の対象から外すよう社内の IT 部門に依頼してください。"},
	{"%s opens the connection to %s and looks into it, and this computer does not trust its certificate.", "$1 が $2 への接続を途中で開いて検査していますが、その証明書をこのコンピューターは信頼していません。"},
	{"Ask your IT for the root certificate of %s as a PEM file, then: %s (for all servers: SSL_CERT_FILE).", "社内の IT 部門から $1 のルート証明書を PEM ファイルで受け取り、次を実行してください: $2(すべてのサーバーに使う場合: SSL_CERT_FILE)。"},
	{"%s does not speak TLS there.", "$1 のそのポートでは TLS を使えません。"},
	{"Check the port of the address; https:// usually has 443.", "アドレスのポートを確認してください。https:// では通常 443 です。"},
	{"The certificate at %s belongs to another host.", "$1 の証明書は別のホストのものです。"},
	{"Check the address; if it is right, ask the owner of the server to correct its certificate.", "アドレスを確認してください。正しい場合は、証明書を直すようサーバーの管理者に依頼してください。"},
	{"The certificate of %s is good only from %s to %s.", "$1 の証明書の有効期間は $2 から $3 までです。"},
	{"Ask the owner of the server to renew it.", "証明書を更新するようサーバーの管理者に依頼してください。"},
	{"The certificate of %s is issued by %s, which this computer does not trust.", "$1 の証明書の発行者($2)を、このコンピューターは信頼していません。"},
	{"somebody without a name", "名前なし"},
	{"If that is your organisation's own authority, give its certificate as a PEM file: %s (for all servers: SSL_CERT_FILE).", "組織の認証局である場合は、その証明書を PEM ファイルで指定してください: $1(すべてのサーバーに使う場合: SSL_CERT_FILE)。"},
	{"No safe connection to %s could be made.", "$1 に安全に接続できませんでした。"},
	{"Ask the owner of the server which TLS versions it speaks.", "使える TLS のバージョンをサーバーの管理者に確認してください。"},

	// What a server answers, and who signs people in.
	{"%s took the connection and gave no answer.", "$1 は接続を受け付けましたが、応答しませんでした。"},
	{"Try again later, or ask the owner of the server.", "後でもう一度試すか、サーバーの管理者に確認してください。"},
	{"%s refuses this computer (403).", "$1 はこのコンピューターからのアクセスを拒否しています (403)。"},
	{"Ask its owner who may use it.", "誰が使えるのかをサーバーの管理者に確認してください。"},
	{"An MCP server answers at %s: %s", "MCP サーバーは $1 で応答しています。次を実行してください: $2"},
	{"%s points to a place that is no web address.", "$1 が示す移動先は、ウェブのアドレスではありません。"},
	{"Ask the owner of the server for the right address.", "正しいアドレスをサーバーの管理者に確認してください。"},
	{"The server's address is %s: only the slash at the end differs, but a token for the one may be refused at the other.", "サーバーのアドレスは $1 です。末尾のスラッシュが違うだけですが、一方のためのトークンがもう一方で拒否されることがあります。"},
	{"Use that address: %s", "そのアドレスを使ってください: $1"},
	{"%s has no metadata, so the addresses of 2025-03-26 are used.", "$1 にはメタデータがないため、2025-03-26 の仕様で決められたアドレスを使います。"},
	{"Nothing needs to be done if signing in works; if it does not, ask the owner of the server for the issuer.", "サインインできていれば、何もする必要はありません。できない場合は、発行者をサーバーの管理者に確認してください。"},
	{"%s does not register programs by itself, and no client id is set.", "$1 はプログラムを自動で登録せず、クライアント ID も設定されていません。"},
	{"Ask the administrator for the client id of a public, native client with PKCE (S256), then: %s", "PKCE (S256) を使う公開のネイティブクライアントのクライアント ID を管理者から受け取り、次を実行してください: $1"},
	{"%s answered that there is nothing at this path (404).", "$1 は、このパスには何もないと応答しました (404)。"},
	{"Check the path; servers often use /mcp.", "パスを確認してください。多くのサーバーは /mcp を使います。"},
	{"%s points to another address.", "$1 は別のアドレスを示しています。"},
	{"Add the server with the address that it points to.", "示されたアドレスでサーバーを追加してください。"},
	{"%s points to %s.", "$1 は $2 を示しています。"},
	{"%s has a problem at the moment (HTTP %d).", "$1 に現在問題があります (HTTP $2)。"},
	{"Try again later.", "後でもう一度試してください。"},
	{"%s did not answer like an MCP server.", "$1 の応答は MCP サーバーのものではありません。"},
	{"Check the address; servers often use the path /mcp.", "アドレスを確認してください。多くのサーバーはパスに /mcp を使います。"},
	{"%s could not be asked what it wants.", "$1 に、何が必要かを問い合わせることができませんでした。"},
	{"Check its address if this computer should be able to reach it.", "このコンピューターから接続できるはずの場合は、アドレスを確認してください。"},

	// Sessions.
	{"%s did not finish the first exchange in %s.", "$1 との最初のやり取りが $2 以内に終わりませんでした。"},
	{"A session with %s does not work.", "$1 とのセッションが動作しません。"},
	{"Try again; if it stays so, give the details to the owner of the server.", "もう一度試してください。変わらない場合は、詳細をサーバーの管理者に伝えてください。"},

	// Programs that use Keyporter.
	{"%s has written its file anew, and lost %s.", "$1 が設定ファイルを書き換え、$2 が失われました。"},
	{"Put it back: %s", "元に戻してください: $1"},
	{"%s launches %s, which is no longer there.", "$1 が起動しようとする $2 は、なくなっています。"},
	{"Put in where Keyporter is now: %s", "現在の Keyporter の場所を設定し直してください: $1"},
	{"%s launches %s, which is not in the list of servers.", "$1 が起動しようとする $2 は、サーバーの一覧にありません。"},
	{"Take it out: %s", "取り除いてください: $1"},
	{"No MCP client was found on this computer.", "このコンピューターに MCP クライアントが見つかりませんでした。"},
	{"Start the one that you use once; keyporter clients lists those that are known.", "お使いのものを一度起動してください。対応しているものは keyporter clients で一覧表示されます。"},
	{"%s runs %d bridges of %s at the same time.", "$1 が $3 のブリッジを同時に $2 個動かしています。"},
	{"One program", "あるプログラム"},
	{"Nothing breaks, and one sign-in serves all; to end those that it has forgotten, quit it entirely and start it again.", "問題は起こらず、サインインも 1 回で済みます。使われなくなったブリッジを終わらせるには、そのプログラムを完全に終了し、起動し直してください。"},
	{"Whether Keyporter starts at login cannot be found out.", "ログイン時に Keyporter が起動するかどうかを確認できません。"},
	{"Look at the settings of your desktop.", "デスクトップの設定を確認してください。"},
	{"The program %s, which is to start at login, is no longer there.", "ログイン時に起動するはずのプログラム $1 がなくなっています。"},
	{"Install Keyporter again, or switch the start at login off and on in its settings.", "Keyporter をもう一度インストールするか、設定でログイン時の起動をオフにしてからオンにしてください。"},
}
