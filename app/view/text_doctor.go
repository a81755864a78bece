package view

// Doctor are the texts of the page Doctor.
type Doctor struct {
	Run        string
	CopyReport string
	Copied     string
	Looking    string
	Intro      string
	Clients    string // a group of checks
	Skipped    string // %s: the check that has to be mended first
	Fine       string
	Notes      string
	FailedOne  string
	FailedMany string // %d

	// The checks.
	Programs, Agent, Settings, Keyring, Vault, Log string
	Clock, DNS, Proxy, Connection, TLS, Answer     string
	Resource, AuthServer, Registration             string
	Grant, Claims, RoundTrip                       string
	Client, Processes, Autostart                   string
}

var doctorEN = Doctor{
	Run:        "Look again",
	CopyReport: "Copy report",
	Copied:     "The report is in the clipboard, without your name and without keys.",
	Looking:    "Looking…",
	Intro:      "Everything between your programs and their servers, one check after the other.",
	Clients:    "Programs that use Keyporter",
	Skipped:    "Not looked at. First mend: %s",
	Fine:       "Everything is in order.",
	Notes:      "Nothing failed; something is worth a look.",
	FailedOne:  "One check failed.",
	FailedMany: "%d checks failed.",

	Programs: "Programs", Agent: "Agent", Settings: "Settings", Keyring: "Keyring", Vault: "Vault", Log: "Audit log",
	Clock: "Clock", DNS: "Name (DNS)", Proxy: "Proxy", Connection: "Connection", TLS: "Certificate", Answer: "Answer",
	Resource: "Server metadata", AuthServer: "Sign-in metadata", Registration: "Registration",
	Grant: "Token", Claims: "Token's content", RoundTrip: "Session",
	Client: "Programs", Processes: "Processes", Autostart: "Start at login",
}

var doctorJA = Doctor{
	Run:        "もう一度調べる",
	CopyReport: "レポートをコピー",
	Copied:     "レポートをクリップボードに入れました。お名前とキーは含まれていません。",
	Looking:    "調べています…",
	Intro:      "プログラムとサーバーの間にあるすべてを、順番に調べます。",
	Clients:    "Keyporter を使うプログラム",
	Skipped:    "調べていません。先に直すもの: %s",
	Fine:       "すべて正常です。",
	Notes:      "失敗はありませんが、確認しておきたい点があります。",
	FailedOne:  "1 件の検査が失敗しました。",
	FailedMany: "%d 件の検査が失敗しました。",

	Programs: "プログラム", Agent: "エージェント", Settings: "設定", Keyring: "キーリング", Vault: "保管庫", Log: "監査ログ",
	Clock: "時計", DNS: "名前 (DNS)", Proxy: "プロキシ", Connection: "接続", TLS: "証明書", Answer: "応答",
	Resource: "サーバーの情報", AuthServer: "サインインの情報", Registration: "登録",
	Grant: "トークン", Claims: "トークンの内容", RoundTrip: "セッション",
	Client: "プログラム", Processes: "プロセス", Autostart: "ログイン時の起動",
}
