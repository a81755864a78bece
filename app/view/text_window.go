package view

// Window are the texts of the window that belong to no page, or to several.
type Window struct {
	Servers  string
	Accounts string
	Activity string
	Settings string
	Doctor   string

	AgentRuns     string
	AgentStarting string
	AgentStopped  string
	AgentAway     string
	AgentPaused   string

	OK      string
	Back    string
	Next    string
	Cancel  string
	Close   string
	Remove  string
	Save    string
	Copy    string
	Details string
	Done    string
	Again   string // try again
	Working string

	Unlock     string
	Passphrase string
	StartIt    string
	ResumeIt   string
	CopyError  string

	// What happened, by the error's code, where the sentence itself is in
	// another language.
	Failed         string
	Usage          string
	NotFound       string
	Exists         string
	SignInNeeded   string
	ApprovalNeeded string
	Locked         string
	Paused         string
	Stopped        string
	Refused        string
	Unreachable    string
}

// Servers are the texts of the page Servers and of a server's own page.
type Servers struct {
	Add       string
	Empty     string
	EmptyAdd  string
	EmptyDemo string
	Starting  string

	ReadyLine   string
	UntriedLine string
	SignedOut   string // what programs see meanwhile
	Approval    string
	PausedLine  string
	LockedLine  string
	AwayLine    string
	BrokenLine  string
	Joined      string // %s: that of the identity and the time left
	UsedByOne   string
	UsedByMany  string // %d
	SignIn      string
	CancelIt    string
	SignOut     string
	Approve     string
	Approved    string // %s: the account, %s: the origin; asks

	Status      string
	Address     string
	Account     string
	NoAccount   string
	Change      string
	ChangeTitle string
	ChangeText  string // %s: the server's origin
	Expires     string
	Renewed     string // the token is renewed by itself
	Never       string
	LastUsed    string
	NotUsed     string
	Programs    string

	Tools       string
	NoTools     string
	LookTools   string
	Calls       string
	NoCalls     string
	Config      string
	ConfigText  string
	Copied      string
	Install     string
	Installed   string
	Advanced    string
	AdvancedFor string
	Saved       string
	CopyToken   string
	TokenCopied string

	RemoveTitle string // %s
	RemoveText  string
	RemoveUsed  string // %d programs
}

// Fields are the labels of a server's advanced fields.
type Fields struct {
	ClientID          string
	ClientMetadataURL string
	Issuer            string
	Scope             string
	Audience          string
	Resource          string
	NoResource        string
	AssumePKCE        string
	AuthorizeParam    string
	RedirectURI       string
	Header            string
	TokenHeader       string
	AllowHost         string
	AllowHTTP         string
	SignInHow         string
	AllowTool         string
	DenyTool          string
	ReadOnly          string
	Era               string
	Transport         string
	DPoP              string
	UseIDToken        string
	Preset            string
	PresetFor         string
	AlsoAccount       string
	AlsoAccountFor    string // HEADER=ACCOUNT, one a line
	CA                string
	CAFor             string // a file
	Proxy             string
	ProxyFor          string // an example
	Globs             string // several patterns
	Several           string // several, separated by spaces
	Pairs             string // NAME=VALUE, one a line
}

var windowEN = Window{
	Servers:  "Servers",
	Accounts: "Accounts",
	Activity: "Activity",
	Settings: "Settings",
	Doctor:   "Doctor",

	AgentRuns:     "Agent runs",
	AgentStarting: "Agent starts…",
	AgentStopped:  "Agent is stopped",
	AgentAway:     "Agent is away",
	AgentPaused:   "Paused",

	OK:      "OK",
	Back:    "Back",
	Next:    "Next",
	Cancel:  "Cancel",
	Close:   "Close",
	Remove:  "Remove",
	Save:    "Save",
	Copy:    "Copy",
	Details: "Details",
	Done:    "Done",
	Again:   "Try again",
	Working: "Working…",

	Unlock:     "Unlock",
	Passphrase: "Passphrase",
	StartIt:    "Start Keyporter",
	ResumeIt:   "Resume",
	CopyError:  "Copy details",

	Failed:         "Something went wrong.",
	Usage:          "Something is not as it should be.",
	NotFound:       "There is no such server or account.",
	Exists:         "The name is taken.",
	SignInNeeded:   "A sign-in is needed.",
	ApprovalNeeded: "Your approval is needed.",
	Locked:         "The vault is locked.",
	Paused:         "Keyporter is paused.",
	Stopped:        "Keyporter is stopped.",
	Refused:        "It was refused.",
	Unreachable:    "It could not be reached.",
}

var windowJA = Window{
	Servers:  "サーバー",
	Accounts: "アカウント",
	Activity: "アクティビティ",
	Settings: "設定",
	Doctor:   "診断",

	AgentRuns:     "エージェント動作中",
	AgentStarting: "エージェント起動中…",
	AgentStopped:  "エージェント停止中",
	AgentAway:     "エージェントに接続できません",
	AgentPaused:   "一時停止中",

	OK:      "OK",
	Back:    "戻る",
	Next:    "次へ",
	Cancel:  "キャンセル",
	Close:   "閉じる",
	Remove:  "削除",
	Save:    "保存",
	Copy:    "コピー",
	Details: "詳細",
	Done:    "完了",
	Again:   "再試行",
	Working: "処理中…",

	Unlock:     "ロック解除",
	Passphrase: "パスフレーズ",
	StartIt:    "Keyporter を開始",
	ResumeIt:   "再開",
	CopyError:  "詳細をコピー",

	Failed:         "問題が発生しました。",
	Usage:          "入力内容に問題があります。",
	NotFound:       "該当するサーバーまたはアカウントがありません。",
	Exists:         "その名前は既に使われています。",
	SignInNeeded:   "サインインが必要です。",
	ApprovalNeeded: "承認が必要です。",
	Locked:         "保管庫がロックされています。",
	Paused:         "Keyporterは一時停止中です。",
	Stopped:        "Keyporterは停止しています。",
	Refused:        "拒否されました。",
	Unreachable:    "接続できませんでした。",
}

var serversEN = Servers{
	Add:       "Add server",
	Empty:     "Add the address of a remote MCP server, and Claude Desktop can use it without a key in its config.",
	EmptyAdd:  "Add a server",
	EmptyDemo: "Or try the demo server on this computer",
	Starting:  "Keyporter is starting…",

	ReadyLine:   "Ready",
	UntriedLine: "Not used yet.",
	SignedOut:   "Signed out. Programs see a sign_in tool meanwhile.",
	Approval:    "Its account may not go to this address yet. Look at it and approve.",
	PausedLine:  "Paused. Programs wait until you resume.",
	LockedLine:  "The vault is locked.",
	AwayLine:    "It cannot be reached now. Keyporter tries again by itself.",
	BrokenLine:  "It does not work. Open it to see why.",
	Joined:      "%s ‧ %s",
	UsedByOne:   "1 program uses it",
	UsedByMany:  "%d programs use it",
	SignIn:      "Sign in",
	CancelIt:    "Cancel sign-in",
	SignOut:     "Sign out",
	Approve:     "Approve…",
	Approved:    "Tokens of %s will go to %s from now on. Approve only if you know this address.",

	Status:      "State",
	Address:     "Address",
	Account:     "Account",
	NoAccount:   "None",
	Change:      "Change…",
	ChangeTitle: "Change the account",
	ChangeText:  "Tokens of the account that you choose go to %s from then on.",
	Expires:     "Token",
	Renewed:     "renewed by itself",
	Never:       "does not expire",
	LastUsed:    "Last used",
	NotUsed:     "not yet",
	Programs:    "Programs",

	Tools:       "Tools",
	NoTools:     "Not seen yet.",
	LookTools:   "Look now",
	Calls:       "Last calls",
	NoCalls:     "None yet.",
	Config:      "Config for Claude Desktop",
	ConfigText:  "There is no key in it: the bridge gets its token from Keyporter.",
	Copied:      "Copied",
	Install:     "Add to Claude Desktop",
	Installed:   "It is in Claude Desktop now. Restart Claude Desktop to use it.",
	Advanced:    "Advanced",
	AdvancedFor: "Empty fields follow what the server says about itself.",
	Saved:       "Saved.",
	CopyToken:   "Copy access token",
	TokenCopied: "Copied. The clipboard is cleared in 45 seconds.",

	RemoveTitle: "Remove %s?",
	RemoveText:  "Its sign-in and its secrets are deleted. Programs that use it get an error until you take it out of their config. The server itself is not changed.",
	RemoveUsed:  "%d programs are using it now.",
}

var serversJA = Servers{
	Add:       "サーバーを追加",
	Empty:     "リモートMCPサーバーのアドレスを追加すると、設定ファイルにキーを書かずにClaude Desktopから使えます。",
	EmptyAdd:  "サーバーを追加",
	EmptyDemo: "このコンピューターのデモサーバーを試す",
	Starting:  "Keyporter を起動しています…",

	ReadyLine:   "準備完了",
	UntriedLine: "まだ使われていません。",
	SignedOut:   "サインアウト済みです。今はsign_inツールだけが使えます。",
	Approval:    "アカウントの送信先としてまだ承認されていません。確認して承認してください。",
	PausedLine:  "一時停止中です。再開するまでプログラムは待機します。",
	LockedLine:  "保管庫がロックされています。",
	AwayLine:    "現在接続できません。自動的に再試行します。",
	BrokenLine:  "動作していません。開くと理由を確認できます。",
	Joined:      "%s ‧ %s",
	UsedByOne:   "1 個のプログラムが使用中",
	UsedByMany:  "%d 個のプログラムが使用中",
	SignIn:      "サインイン",
	CancelIt:    "サインインを中止",
	SignOut:     "サインアウト",
	Approve:     "承認…",
	Approved:    "今後、%sのトークンが%sに送られます。このアドレスを知っている場合だけ承認してください。",

	Status:      "状態",
	Address:     "アドレス",
	Account:     "アカウント",
	NoAccount:   "なし",
	Change:      "変更…",
	ChangeTitle: "アカウントの変更",
	ChangeText:  "選んだアカウントのトークンが、今後%sに送られます。",
	Expires:     "トークン",
	Renewed:     "自動的に更新されます",
	Never:       "期限はありません",
	LastUsed:    "最終使用",
	NotUsed:     "まだありません",
	Programs:    "プログラム",

	Tools:       "ツール",
	NoTools:     "まだ確認していません。",
	LookTools:   "今すぐ確認",
	Calls:       "最近の呼び出し",
	NoCalls:     "まだありません。",
	Config:      "Claude Desktop 用の設定",
	ConfigText:  "キーは含まれません。ブリッジがKeyporterからトークンを受け取ります。",
	Copied:      "コピーしました",
	Install:     "Claude Desktop に追加",
	Installed:   "Claude Desktopに追加しました。使うにはClaude Desktopを再起動してください。",
	Advanced:    "詳細設定",
	AdvancedFor: "空欄の項目は、サーバー自身の情報に従います。",
	Saved:       "保存しました。",
	CopyToken:   "アクセストークンをコピー",
	TokenCopied: "コピーしました。クリップボードは45秒後に消去されます。",

	RemoveTitle: "%s を削除しますか?",
	RemoveText:  "サインインと秘密情報は消去されます。使用しているプログラムは、その設定から取り除くまでエラーになります。サーバー自体は変更されません。",
	RemoveUsed:  "現在%d個のプログラムが使用しています。",
}

var fieldsEN = Fields{
	ClientID:          "Client id",
	ClientMetadataURL: "Client metadata address",
	Issuer:            "Issuer",
	Scope:             "Scopes",
	Audience:          "Audience",
	Resource:          "Resource",
	NoResource:        "Send no resource",
	AssumePKCE:        "The issuer does PKCE though it does not say so",
	AuthorizeParam:    "Parameters of the sign-in",
	RedirectURI:       "Redirect address",
	Header:            "Fixed headers",
	TokenHeader:       "Header of the token",
	AllowHost:         "Private hosts that are allowed",
	AllowHTTP:         "Allow a token over plain http",
	SignInHow:         "When a sign-in is missing",
	AllowTool:         "Only these tools",
	DenyTool:          "Not these tools",
	ReadOnly:          "Only tools that change nothing",
	Era:               "Protocol",
	Transport:         "Transport",
	DPoP:              "Bind tokens to a key (DPoP)",
	UseIDToken:        "Send the ID token instead",
	Preset:            "Preset of the provider",
	PresetFor:         "a name, or fields to change as JSON",
	AlsoAccount:       "Accounts for further headers",
	AlsoAccountFor:    "HEADER=ACCOUNT, one a line",
	CA:                "Certificate authority of its own",
	CAFor:             "path of a PEM file",
	Proxy:             "Proxy",
	ProxyFor:          "such as http://proxy.example.com:3128",
	Globs:             "patterns such as get_*",
	Several:           "several, separated by spaces",
	Pairs:             "NAME=VALUE, one a line",
}

var fieldsJA = Fields{
	ClientID:          "クライアント ID",
	ClientMetadataURL: "クライアントメタデータのアドレス",
	Issuer:            "発行者",
	Scope:             "スコープ",
	Audience:          "Audience",
	Resource:          "リソース",
	NoResource:        "リソースを送らない",
	AssumePKCE:        "発行者が明示しなくても PKCE を使う",
	AuthorizeParam:    "サインインのパラメーター",
	RedirectURI:       "リダイレクトのアドレス",
	Header:            "固定ヘッダー",
	TokenHeader:       "トークンのヘッダー",
	AllowHost:         "許可するプライベートホスト",
	AllowHTTP:         "http でのトークン送信を許可する",
	SignInHow:         "サインインがないとき",
	AllowTool:         "使えるツール",
	DenyTool:          "使えないツール",
	ReadOnly:          "何も変更しないツールだけを使う",
	Era:               "プロトコル",
	Transport:         "通信方式",
	DPoP:              "トークンを鍵に結び付ける(DPoP)",
	UseIDToken:        "代わりに ID トークンを送る",
	Preset:            "プロバイダーのプリセット",
	PresetFor:         "名前、または変更する項目の JSON",
	AlsoAccount:       "ほかのヘッダーに使うアカウント",
	AlsoAccountFor:    "ヘッダー=アカウント を 1 行に 1 つ",
	CA:                "独自の認証局",
	CAFor:             "PEM ファイルのパス",
	Proxy:             "プロキシ",
	ProxyFor:          "例: http://proxy.example.com:3128",
	Globs:             "get_* のようなパターン",
	Several:           "複数の場合は空白で区切ります",
	Pairs:             "名前=値 を 1 行に 1 つ",
}
