package view

// Clients are the texts of the page Clients, and of what concerns MCP clients in
// the tray.
type Clients struct {
	Title     string
	About     string
	Has       string // %s: servers
	None      string
	In        string // %s: clients
	Lost      string // %s: servers
	Unread    string
	Away      string // %s: clients
	NoneHere  string
	MoreFiles string // %d
	Change    string
	Restore   string
	Looking   string

	ChooseTitle string // %s: the client
	ChooseText  string
	NoServers   string
	Done        string // %s: the client
	Kept        string

	Forgot     string // %s: the client
	ForgotText string // %s: servers
	ForgotRow  string // %s: the client
}

var clientsEN = Clients{
	Title:     "Clients",
	About:     "Programs on this computer that can use your servers. Their config files get the path of keyporter and a server's name, and no secret.",
	Has:       "Uses %s",
	In:        "In %s",
	None:      "Uses none of your servers",
	Lost:      "Its config file was rewritten. Gone from it: %s",
	Unread:    "Its config file cannot be understood, so it is left alone",
	Away:      "Not on this computer: %s",
	NoneHere:  "No known MCP client is on this computer. Install Claude Desktop or another one and start it once.",
	MoreFiles: "and %d more",
	Change:    "Choose servers",
	Restore:   "Restore",
	Looking:   "Looking at this computer…",

	ChooseTitle: "Servers in %s",
	ChooseText:  "A copy of the config file as it was is kept beside it.",
	NoServers:   "There are no servers yet. Add one first.",
	Done:        "Done. Quit %s and start it again, so that it reads its config file.",
	Kept:        "Copy of the file as it was:",

	Forgot:     "%s forgot its servers",
	ForgotText: "Its config file was rewritten. Gone from it: %s",
	ForgotRow:  "Restore the servers of %s",
}

var clientsJA = Clients{
	Title:     "クライアント",
	About:     "このコンピューターでサーバーを利用できるプログラムです。設定ファイルには keyporter のパスとサーバー名だけが書き込まれ、秘密情報は入りません。",
	Has:       "%s を使用",
	In:        "%s に追加済み",
	None:      "どのサーバーも使用していません",
	Lost:      "設定ファイルが書き換えられ、次のサーバーがなくなりました: %s",
	Unread:    "設定ファイルを読み取れないため、変更しません",
	Away:      "このコンピューターにないもの: %s",
	NoneHere:  "対応する MCP クライアントがこのコンピューターにありません。Claude Desktop などをインストールし、一度起動してください。",
	MoreFiles: "ほか %d 件",
	Change:    "サーバーを選択",
	Restore:   "元に戻す",
	Looking:   "このコンピューターを調べています…",

	ChooseTitle: "%s のサーバー",
	ChooseText:  "変更前の設定ファイルのコピーが同じ場所に残ります。",
	NoServers:   "サーバーがまだありません。先に追加してください。",
	Done:        "完了しました。設定ファイルを読み直すため、%s を終了して起動し直してください。",
	Kept:        "変更前のファイルのコピー:",

	Forgot:     "%s からサーバーが失われました",
	ForgotText: "設定ファイルが書き換えられ、次のサーバーがなくなりました: %s",
	ForgotRow:  "%s のサーバーを元に戻す",
}
