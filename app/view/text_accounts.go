package view

// Accounts are the texts of the page Accounts and of the import of a key.
type Accounts struct {
	Import     string
	Empty      string
	EmptyAdd   string
	EmptyDrop  string
	KindOAuth  string
	KindKey    string
	KindGoogle string
	KindActAs  string
	KindADC    string
	KindClient string
	KindStatic string
	KindOther  string

	GoesTo    string // %s
	GoesNone  string
	UsedBy    string // %s
	UsedNone  string
	KeyEnds   string // %s: four characters, %s: its age
	Added     string // %s: its age
	Old       string
	OldHow    string
	Expires   string // %s: time left
	Comma     string
	Rotate    string
	Remove    string
	SignOut   string
	CopyIt    string
	RotateDo  string // %s: the e-mail, %s: the account
	RotateOne string
	RotateTwo string

	RemoveTitle string // %s
	RemoveText  string
	RemoveStops string // %s: servers
	RemoveNone  string
	OutTitle    string // %s
	OutText     string
	Revoke      string

	// Import of a key file.
	ImportTitle string
	RotateTitle string // %s
	Drop        string
	Choose      string
	KeyOf       string // %s: the e-mail
	NoKey       string
	NotAKey     string
	NotAKeyDo   string
	TooBig      string
	Unread      string
	UnreadDo    string
	Name        string
	Token       string
	TokenID     string
	TokenAccess string
	TokenSelf   string
	Audience    string
	AudienceFor string
	Scopes      string
	ImportDo    string
	RotateKeyDo string

	InVault    string
	DeleteFile string // asks
	Delete     string
	Keep       string
	Deleted    string
	NotDeleted string
}

// Add are the texts of the sheet that adds a server.
type Add struct {
	Title    string
	Step     string // %d of %d
	Address  string
	Example  string
	Name     string
	NameTake string // the name is taken
	NameBad  string
	Asking   string
	Demo     string
	DemoRuns string

	Found       string // %s: protocol version
	FoundPlain  string
	Open        string
	SignsIn     string // %s: who
	SignsInSelf string
	WantsKey    string
	WantsClient string
	WantsEither string
	WantsToken  string
	Anyway      string
	Known       string // %s: the server that has this address
	UseTry      string // %s: another address

	// What is wrong with an address.
	BadAddress string
	NotSecure  string
	NotReached string
	NotFound   string
	Moved      string
	ServerDown string
	Refused    string
	NotMCP     string
	SignInOdd  string

	How         string
	UseAccount  string // %s: account
	WithSignIn  string // %s: who
	WithSelf    string
	WithKey     string
	WithActAs   string
	ActAs       string
	Through     string
	ThroughNew  string
	ActAsNote   string
	WithToken   string
	WithClient  string
	WithNothing string
	FitsBest    string
	TokenEntry  string
	TokenHeader string
	ClientID    string
	Secret      string
	SecretNote  string
	BindText    string // %s account, %s origin

	AddIt       string
	SignInIt    string
	Adding      string
	Waiting     string
	OpenAgain   string
	CopyAddress string
	Added       string // %s
	ToolsOne    string // %s
	ToolsMany   string // %d, %s
	ToolsNone   string
	ToolsLook   string
	Install     string
	CopyConfig  string
	Finish      string
}

var accountsEN = Accounts{
	Import:     "Import a key",
	Empty:      "Accounts appear here when you sign in to a server or import a service-account key.",
	EmptyAdd:   "Import a key",
	EmptyDrop:  "A key file can also be dropped onto this window.",
	KindOAuth:  "Sign-in",
	KindKey:    "Google service-account key",
	KindGoogle: "Google sign-in",
	KindActAs:  "Google service account without a key",
	KindADC:    "Google credentials of this computer",
	KindClient: "Client credentials",
	KindStatic: "Fixed token",
	KindOther:  "Account",

	GoesTo:    "Its tokens may go to %s",
	GoesNone:  "Its tokens may go nowhere yet",
	UsedBy:    "Used by %s",
	UsedNone:  "Not used",
	KeyEnds:   "Key …%s, added %s",
	Added:     "Added %s",
	Old:       "This key is older than 90 days. Make a new one and rotate.",
	OldHow:    "How to rotate",
	Expires:   "Token: %s",
	Comma:     ", ",
	Rotate:    "Rotate…",
	Remove:    "Remove…",
	SignOut:   "Sign out…",
	CopyIt:    "Copy command",
	RotateDo:  "gcloud iam service-accounts keys create key.json --iam-account=%s\nkeyporter account rotate %s --key-file key.json",
	RotateOne: "1. Make a new key with these commands, or in the Google Cloud console.",
	RotateTwo: "2. Choose the new key file here. Servers go on without a break.",

	RemoveTitle: "Remove the account %s?",
	RemoveText:  "Its secret and its sign-ins are deleted from the vault. This cannot be undone here.",
	RemoveStops: "These servers stop working: %s.",
	RemoveNone:  "No server uses it.",
	OutTitle:    "Sign out of %s?",
	OutText:     "Servers that use it need a sign-in again. Nothing else is lost.",
	Revoke:      "Also end it at the provider",

	ImportTitle: "Import a service-account key",
	RotateTitle: "Rotate the key of %s",
	Drop:        "Drop the key file (.json) here",
	Choose:      "Choose a file…",
	KeyOf:       "Key of %s",
	NoKey:       "There is no key file yet.",
	NotAKey:     "This file is not a service-account key.",
	NotAKeyDo:   "Choose the JSON file that Google Cloud gave you when the key was made.",
	TooBig:      "This file is too large for a key.",
	Unread:      "The file cannot be read.",
	UnreadDo:    "Check that it is yours and readable.",
	Name:        "Name",
	Token:       "Token",
	TokenID:     "ID token (Cloud Run and most servers)",
	TokenAccess: "Access token (Google's own APIs)",
	TokenSelf:   "Signed by the key itself",
	Audience:    "Audience",
	AudienceFor: "Usually the server's address without a path, such as https://sales-mcp.a.run.app",
	Scopes:      "Scopes",
	ImportDo:    "Import",
	RotateKeyDo: "Rotate",

	InVault:    "The key is in the vault now.",
	DeleteFile: "Delete the file it came from?",
	Delete:     "Delete file",
	Keep:       "Keep",
	Deleted:    "The file is deleted.",
	NotDeleted: "The file could not be deleted.",
}

var accountsJA = Accounts{
	Import:     "キーを取り込む",
	Empty:      "サーバーにサインインするか、サービスアカウントのキーを取り込むと、ここにアカウントが表示されます。",
	EmptyAdd:   "キーを取り込む",
	EmptyDrop:  "キーファイルをこのウィンドウにドロップすることもできます。",
	KindOAuth:  "サインイン",
	KindKey:    "Google サービスアカウントキー",
	KindGoogle: "Google サインイン",
	KindActAs:  "Google サービスアカウント（キーなし）",
	KindADC:    "このコンピューターの Google 認証情報",
	KindClient: "クライアント資格情報",
	KindStatic: "固定トークン",
	KindOther:  "アカウント",

	GoesTo:    "トークンの送信先: %s",
	GoesNone:  "トークンの送信先はまだありません",
	UsedBy:    "使用: %s",
	UsedNone:  "使用されていません",
	KeyEnds:   "キー …%s、%sに追加",
	Added:     "%sに追加",
	Old:       "90日を過ぎたキーです。新しいキーに交換してください。",
	OldHow:    "交換の方法",
	Expires:   "トークン: %s",
	Comma:     "、",
	Rotate:    "交換…",
	Remove:    "削除…",
	SignOut:   "サインアウト…",
	CopyIt:    "コマンドをコピー",
	RotateDo:  "gcloud iam service-accounts keys create key.json --iam-account=%s\nkeyporter account rotate %s --key-file key.json",
	RotateOne: "1. 次のコマンドまたはGoogle Cloudコンソールで新しいキーを作成します。",
	RotateTwo: "2. 新しいキーファイルをここで選びます。サーバーは中断せずに動作します。",

	RemoveTitle: "アカウント %s を削除しますか?",
	RemoveText:  "秘密情報とサインインが保管庫から消去されます。ここでは元に戻せません。",
	RemoveStops: "次のサーバーが動作しなくなります: %s",
	RemoveNone:  "使用しているサーバーはありません。",
	OutTitle:    "%s からサインアウトしますか?",
	OutText:     "使用しているサーバーでは再びサインインが必要になります。ほかには何も失われません。",
	Revoke:      "プロバイダー側でも終了する",

	ImportTitle: "サービスアカウントキーの取り込み",
	RotateTitle: "%s のキーの交換",
	Drop:        "キーファイル(.json)をここにドロップします",
	Choose:      "ファイルを選択…",
	KeyOf:       "%s のキー",
	NoKey:       "キーファイルがまだありません。",
	NotAKey:     "このファイルはサービスアカウントキーではありません。",
	NotAKeyDo:   "キーの作成時にGoogle Cloudから受け取ったJSONファイルを選んでください。",
	TooBig:      "このファイルはキーとしては大きすぎます。",
	Unread:      "ファイルを読み込めません。",
	UnreadDo:    "ファイルの所有者と権限を確認してください。",
	Name:        "名前",
	Token:       "トークン",
	TokenID:     "ID トークン(Cloud Run と多くのサーバー)",
	TokenAccess: "アクセストークン(Google の API)",
	TokenSelf:   "キー自身による署名",
	Audience:    "Audience",
	AudienceFor: "通常はサーバーのアドレスからパスを除いたものです。例: https://sales-mcp.a.run.app",
	Scopes:      "スコープ",
	ImportDo:    "取り込む",
	RotateKeyDo: "交換する",

	InVault:    "キーは保管庫に入りました。",
	DeleteFile: "元のファイルを削除しますか?",
	Delete:     "ファイルを削除",
	Keep:       "残す",
	Deleted:    "ファイルを削除しました。",
	NotDeleted: "ファイルを削除できませんでした。",
}

var addEN = Add{
	Title:    "Add a server",
	Step:     "Step %d of %d",
	Address:  "Address of the MCP server",
	Example:  "https://mcp.example.com/mcp",
	Name:     "Name",
	NameTake: "A server has this name already. Choose another one.",
	NameBad:  "Use 1 to 64 letters and digits; spaces, dots, dashes and underscores may stand inside.",
	Asking:   "Asking the server…",
	Demo:     "Try the demo server",
	DemoRuns: "The demo server runs on this computer until you quit the app. Sign in as alice.",

	Found:       "Found an MCP server (%s).",
	FoundPlain:  "Found an MCP server.",
	Open:        "It asks for no sign-in.",
	SignsIn:     "It signs people in with %s.",
	SignsInSelf: "It signs people in.",
	WantsKey:    "It wants a Google service account's ID token.",
	WantsEither: "It wants a sign-in or a key, and does not say which.",
	WantsClient: "It signs people in, but wants a client id from your administrator.",
	WantsToken:  "It wants a token, and does not say how to get one.",
	Anyway:      "You can add it anyway.",
	Known:       "It is in the list already, as %s.",
	UseTry:      "Use %s",

	NotSecure:  "This address begins with http://, so others on the way could read the key. Use https://.",
	BadAddress: "This is not the address of an MCP server yet. Use the whole address, such as https://mcp.example.com/mcp.",
	NotReached: "The server could not be reached. Check the address and the network.",
	NotFound:   "It answered 404: is the path right? Servers often use /mcp.",
	Moved:      "The server points to another address.",
	ServerDown: "The server has a problem of its own. Try again later.",
	Refused:    "The server refuses and does not say how to get in. Ask its owner.",
	NotMCP:     "Something answers there, but it is no MCP server.",
	SignInOdd:  "How it signs people in could not be found out.",

	How:         "How do you get in?",
	UseAccount:  "Use the account %s",
	WithSignIn:  "Sign in with %s",
	WithSelf:    "Sign in with the browser",
	WithKey:     "Use a service-account key",
	WithActAs:   "Act as a service account, without its key",
	ActAs:       "Service account",
	Through:     "Through",
	ThroughNew:  "A Google sign-in that is new here",
	ActAsNote:   "Google makes the tokens for your own account, which needs the role Service Account Token Creator there. The client is one of the type Desktop app, from your administrator.",
	WithToken:   "Paste a token",
	WithClient:  "My administrator gave me a client id",
	WithNothing: "It needs no sign-in",
	FitsBest:    "%s (fits best)",
	TokenEntry:  "Token",
	TokenHeader: "Header, if not Authorization",
	ClientID:    "Client id",
	Secret:      "Client secret, if there is one",
	SecretNote:  "It goes into the vault and is not shown again.",
	BindText:    "Tokens of %s will go to %s as well. Choose this only if you know the address.",

	AddIt:       "Add",
	SignInIt:    "Add and sign in",
	Adding:      "Adding…",
	Waiting:     "Waiting for the browser. Sign in there, then come back.",
	OpenAgain:   "Open the browser again",
	CopyAddress: "Copy address",
	Added:       "%s is ready.",
	ToolsOne:    "1 tool found: %s",
	ToolsMany:   "%d tools found: %s",
	ToolsNone:   "The server has no tools.",
	ToolsLook:   "Looking at its tools…",
	Install:     "Add to Claude Desktop",
	CopyConfig:  "Copy config",
	Finish:      "Done",
}

var addJA = Add{
	Title:    "サーバーの追加",
	Step:     "ステップ %d / %d",
	Address:  "MCP サーバーのアドレス",
	Example:  "https://mcp.example.com/mcp",
	Name:     "名前",
	NameTake: "同じ名前のサーバーがあります。別の名前を付けてください。",
	NameBad:  "1〜64文字の文字と数字を使ってください。途中に空白、ピリオド、ハイフン、下線を入れられます。",
	Asking:   "サーバーに問い合わせています…",
	Demo:     "デモサーバーを試す",
	DemoRuns: "デモサーバーは、アプリを終了するまでこのコンピューターで動作します。aliceとしてサインインしてください。",

	Found:       "MCPサーバー(%s)が見つかりました。",
	FoundPlain:  "MCPサーバーが見つかりました。",
	Open:        "サインインは不要です。",
	SignsIn:     "%sでサインインします。",
	SignsInSelf: "サインインが必要です。",
	WantsKey:    "GoogleサービスアカウントのIDトークンが必要です。",
	WantsEither: "サインインかキーが必要ですが、どちらかはサーバーが示していません。",
	WantsClient: "サインインには、管理者から受け取ったクライアントIDが必要です。",
	WantsToken:  "トークンが必要ですが、取得方法は示されていません。",
	Anyway:      "このまま追加することもできます。",
	Known:       "既に%sとして一覧にあります。",
	UseTry:      "%s を使う",

	NotSecure:  "http://で始まるアドレスでは、キーが途中で読み取られるおそれがあります。https://を使ってください。",
	BadAddress: "まだMCPサーバーのアドレスではありません。https://mcp.example.com/mcpのように全体を入力してください。",
	NotReached: "サーバーに接続できません。アドレスとネットワークを確認してください。",
	NotFound:   "404が返されました。パスは正しいですか。多くのサーバーは /mcp を使います。",
	Moved:      "サーバーが別のアドレスを示しています。",
	ServerDown: "サーバー側に問題があります。後でもう一度試してください。",
	Refused:    "サーバーに拒否され、アクセス方法も示されていません。管理者に確認してください。",
	NotMCP:     "応答はありますが、MCPサーバーではありません。",
	SignInOdd:  "サインインの方法を確認できませんでした。",

	How:         "アクセスの方法を選んでください",
	UseAccount:  "アカウント %s を使う",
	WithSignIn:  "%s でサインインする",
	WithSelf:    "ブラウザーでサインインする",
	WithKey:     "サービスアカウントキーを使う",
	WithActAs:   "キーなしでサービスアカウントとして使う",
	ActAs:       "サービスアカウント",
	Through:     "経由するアカウント",
	ThroughNew:  "新しい Google サインイン",
	ActAsNote:   "トークンはご自身のアカウントに対して Google が発行します。そのサービスアカウントの「サービス アカウント トークン作成者」ロールが必要です。クライアントは管理者から受け取ったデスクトップアプリ用のものです。",
	WithToken:   "トークンを貼り付ける",
	WithClient:  "管理者からクライアント ID を受け取った",
	WithNothing: "サインインは不要",
	FitsBest:    "%s(最適)",
	TokenEntry:  "トークン",
	TokenHeader: "ヘッダー(Authorization 以外の場合)",
	ClientID:    "クライアント ID",
	Secret:      "クライアントシークレット(ある場合)",
	SecretNote:  "保管庫に入り、再び表示されることはありません。",
	BindText:    "%sのトークンが%sにも送られるようになります。このアドレスを知っている場合だけ選んでください。",

	AddIt:       "追加",
	SignInIt:    "追加してサインイン",
	Adding:      "追加しています…",
	Waiting:     "ブラウザーを待っています。サインインしてから戻ってください。",
	OpenAgain:   "ブラウザーをもう一度開く",
	CopyAddress: "アドレスをコピー",
	Added:       "%sの準備ができました。",
	ToolsOne:    "1 個のツールが見つかりました: %s",
	ToolsMany:   "%d 個のツールが見つかりました: %s",
	ToolsNone:   "このサーバーにはツールがありません。",
	ToolsLook:   "ツールを確認しています…",
	Install:     "Claude Desktop に追加",
	CopyConfig:  "設定をコピー",
	Finish:      "完了",
}
