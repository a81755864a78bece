package view

// Keys are the texts on secrets in the clear, on the page Clients.
type Keys struct {
	Title    string
	About    string
	None     string
	One      string
	Many     string // %d
	Ends     string // %s: the last characters
	Move     string
	PutBack  string
	MovedAt  string // %s: how long ago
	AskTitle string
	Ask      string
	Moved    string // %d
	Restored string // %d
	Left     string // %d
	SignIn   string // %s: servers
	Again    string

	Bearer, APIKey, Password, KeyFile, Tokens string
}

var keysEN = Keys{
	Title:    "Raw keys",
	About:    "Keys that stand in the clear in the config files of programs, and in what other bridges keep.",
	None:     "No raw keys were found.",
	One:      "One key stands in the clear.",
	Many:     "%d keys stand in the clear.",
	Ends:     "ends with %s",
	Move:     "Move into the vault",
	PutBack:  "Put back",
	MovedAt:  "Moved into the vault %s",
	AskTitle: "Move the keys into the vault?",
	Ask:      "The entries are replaced: a server elsewhere is reached through Keyporter, and a program is started by Keyporter with its keys. What stood in the files is kept in the vault alone, so that it can be put back.",
	Moved:    "Entries and files whose keys are in the vault now: %d.",
	Restored: "Files that are as they were before: %d.",
	Left:     "Keys that still stand in the clear: %d.",
	SignIn:   "These need a sign-in: %s",
	Again:    "Quit the programs and start them again, so that they read their config files.",

	Bearer: "Token", APIKey: "API key", Password: "Password", KeyFile: "Service-account key file", Tokens: "Tokens of another bridge",
}

var keysJA = Keys{
	Title:    "平文のキー",
	About:    "プログラムの設定ファイルや、ほかのブリッジが保存したファイルに、そのまま書かれているキーです。",
	None:     "平文のキーは見つかりませんでした。",
	One:      "1 件のキーが平文で書かれています。",
	Many:     "%d 件のキーが平文で書かれています。",
	Ends:     "末尾 %s",
	Move:     "保管庫に移す",
	PutBack:  "元に戻す",
	MovedAt:  "保管庫に移動: %s",
	AskTitle: "キーを保管庫に移しますか?",
	Ask:      "設定を書き換えます。外部のサーバーには Keyporter 経由で接続し、プログラムは Keyporter がキーを渡して起動します。元の内容は保管庫にだけ残り、元に戻すことができます。",
	Moved:    "キーを保管庫に移した項目とファイル: %d 件",
	Restored: "元に戻したファイル: %d 件",
	Left:     "平文のまま残っているキー: %d 件",
	SignIn:   "サインインが必要なサーバー: %s",
	Again:    "設定ファイルを読み直すため、プログラムを終了して起動し直してください。",

	Bearer: "トークン", APIKey: "API キー", Password: "パスワード", KeyFile: "サービスアカウントのキーファイル", Tokens: "ほかのブリッジのトークン",
}
