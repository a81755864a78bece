package view

// Activity are the texts of the page Activity.
type Activity struct {
	Hour  string
	Day   string
	Week  string
	Pause string
	Go    string // resume
	Find  string
	Empty string
	None  string // nothing fits the filter

	EachMinute  string
	EachQuarter string
	EachHour    string
	Bar         string // %s: when, %d calls, %s: median
	BarFailed   string // %s, %d failed
	Missed      string // %d new while paused

	From string // %s program, %s server
	OK   string

	// What an event is called.
	Call    string
	SignIn  string
	SignOut string
	Token   string
	Renew   string
	Add     string
	Set     string
	Remove  string
	Unlock  string
	Rename  string
	Rotate  string
	Stop    string
	Resume  string

	Install   string // a server, into a client's config
	Uninstall string
	Repair    string // of a client's config that lost servers
	Share     string
	Join      string
	Forget    string
	ScanFix   string
	ScanUndo  string
	Run       string
	UseVault  string // where the vault's key is kept
	Restored  string // the vault, from its copy
	Start     string // of the agent
	Dropped   string // the outcome is how many
	Lost      string // records that could not be written; the name says how many
	Waiting   string // records that are not written yet
	Broken    string // the log was found damaged
	Approvals string // whether programs are asked about
	Approve   string // a program
	Deny      string
	Revoke    string // what a program was allowed

	// Why it failed, by the code of the outcome.
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
	Cancelled      string
	ToolError      string
	ServerError    string
	Closed         string
	Ended          string
	NoAnswer       string // of a person who was asked about a program
}

// Settings are the texts of the page Settings.
type Settings struct {
	Language  string
	System    string // as the system
	General   string
	AtLogin   string
	Notify    string
	NotifyFor string

	Approvals    string
	ApprovalsFor string
	NeverAsk     string
	AskFirst     string
	AskSession   string
	May          string // %s: what; these say what a program may do
	MayNow       string // %s: what; until the program ends
	MayLater     string // %s: what; only where programs are asked about once
	MayNot       string // %s: what
	Wants        string // %s: what
	Revoke       string
	NobodyAsked  string

	Vault      string
	Keyring    string
	PassFile   string
	OpenNow    string
	LockedNow  string
	VaultOther string

	About    string
	App      string
	Agent    string
	NoAgent  string
	Files    string
	Config   string
	State    string
	Log      string
	Fixed    string // %s by whom
	CopyPath string
	Fonts    string
}

var activityEN = Activity{
	Hour:  "Hour",
	Day:   "Day",
	Week:  "Week",
	Pause: "Pause",
	Go:    "Resume",
	Find:  "Filter: program, server, method, outcome",
	Empty: "Calls appear here as soon as a program uses a server.",
	None:  "Nothing fits the filter.",

	EachMinute:  "Bars: calls each minute ‧ Line: median latency",
	EachQuarter: "Bars: calls each quarter of an hour ‧ Line: median latency",
	EachHour:    "Bars: calls each hour ‧ Line: median latency",
	Bar:         "%s ‧ calls: %d ‧ median %s",
	BarFailed:   "%s ‧ failed: %d",
	Missed:      "%d new",

	From: "%s → %s",
	OK:   "ok",

	Call:    "Call",
	SignIn:  "Sign-in",
	SignOut: "Sign-out",
	Token:   "Token",
	Renew:   "Renewal",
	Add:     "Added",
	Set:     "Changed",
	Remove:  "Removed",
	Unlock:  "Unlock",
	Rename:  "Renamed",
	Rotate:  "Key rotated",
	Stop:    "Paused",
	Resume:  "Resumed",

	Install:   "Put in",
	Uninstall: "Taken out",
	Repair:    "Restored",
	Share:     "Profile made",
	Join:      "Profile joined",
	Forget:    "Profile left",
	ScanFix:   "Keys moved to the vault",
	ScanUndo:  "Keys put back",
	Run:       "Program started",
	UseVault:  "Vault's key moved",
	Restored:  "Vault restored",
	Start:     "Agent started",
	Dropped:   "Records left out",
	Lost:      "Records lost",
	Waiting:   "Records not written yet",
	Broken:    "Log damaged",
	Approvals: "Approvals changed",
	Approve:   "Program allowed",
	Deny:      "Program denied",
	Revoke:    "Permission revoked",

	Failed:         "failed",
	Usage:          "wrong request",
	NotFound:       "not found",
	Exists:         "name taken",
	SignInNeeded:   "sign-in missing",
	ApprovalNeeded: "approval missing",
	Locked:         "vault locked",
	Paused:         "paused",
	Stopped:        "stopped",
	Refused:        "refused",
	Unreachable:    "not reachable",
	Cancelled:      "cancelled",
	ToolError:      "the tool reported an error",
	ServerError:    "error",
	Closed:         "closed",
	Ended:          "ended",
	NoAnswer:       "no answer",
}

var activityJA = Activity{
	Hour:  "1 時間",
	Day:   "1 日",
	Week:  "1 週間",
	Pause: "一時停止",
	Go:    "再開",
	Find:  "絞り込み: プログラム、サーバー、メソッド、結果",
	Empty: "プログラムがサーバーを使うと、ここに呼び出しが表示されます。",
	None:  "該当するものはありません。",

	EachMinute:  "棒: 1 分ごとの呼び出し ‧ 線: 応答時間の中央値",
	EachQuarter: "棒: 15 分ごとの呼び出し ‧ 線: 応答時間の中央値",
	EachHour:    "棒: 1 時間ごとの呼び出し ‧ 線: 応答時間の中央値",
	Bar:         "%s ‧ 呼び出し: %d ‧ 中央値 %s",
	BarFailed:   "%s ‧ 失敗: %d",
	Missed:      "新着 %d 件",

	From: "%s → %s",
	OK:   "成功",

	Call:    "呼び出し",
	SignIn:  "サインイン",
	SignOut: "サインアウト",
	Token:   "トークン",
	Renew:   "更新",
	Add:     "追加",
	Set:     "変更",
	Remove:  "削除",
	Unlock:  "ロック解除",
	Rename:  "名前の変更",
	Rotate:  "キーの交換",
	Stop:    "一時停止",
	Resume:  "再開",

	Install:   "設定に追加",
	Uninstall: "設定から削除",
	Repair:    "復元",
	Share:     "プロファイルを作成",
	Join:      "プロファイルに参加",
	Forget:    "プロファイルを解除",
	ScanFix:   "キーを保管庫へ移動",
	ScanUndo:  "キーを元に戻す",
	Run:       "プログラムを起動",
	UseVault:  "保管庫の鍵を移動",
	Restored:  "保管庫を復元",
	Start:     "エージェントを起動",
	Dropped:   "省略された記録",
	Lost:      "失われた記録",
	Waiting:   "未保存の記録",
	Broken:    "監査ログの破損",
	Approvals: "承認の設定を変更",
	Approve:   "プログラムを許可",
	Deny:      "プログラムを拒否",
	Revoke:    "許可を取り消し",

	Failed:         "失敗",
	Usage:          "不正な要求",
	NotFound:       "見つかりません",
	Exists:         "名前の重複",
	SignInNeeded:   "サインインが必要",
	ApprovalNeeded: "承認が必要",
	Locked:         "保管庫がロック中",
	Paused:         "一時停止中",
	Stopped:        "停止中",
	Refused:        "拒否",
	Unreachable:    "接続不可",
	Cancelled:      "キャンセル",
	ToolError:      "ツールがエラーを報告",
	ServerError:    "エラー",
	Closed:         "終了",
	Ended:          "サーバーが終了",
	NoAnswer:       "応答なし",
}

var settingsEN = Settings{
	Language:  "Language",
	System:    "As the system",
	General:   "General",
	AtLogin:   "Start at login",
	Notify:    "Show notifications",
	NotifyFor: "When a server needs a sign-in. The tray shows the same.",

	Approvals:    "Approvals",
	ApprovalsFor: "Whether a program that wants to use a server has to be allowed to.",
	NeverAsk:     "Never ask",
	AskFirst:     "Ask at first use",
	AskSession:   "Ask each time it starts",
	May:          "May use %s",
	MayNow:       "May use %s until it ends",
	MayLater:     "May use %s where programs are asked about at first use only",
	MayNot:       "May not use %s",
	Wants:        "Wants to use %s",
	Revoke:       "Revoke",
	NobodyAsked:  "No program has asked yet.",

	Vault:      "Vault",
	Keyring:    "Its key is in this system's keyring.",
	PassFile:   "Its key is protected by a passphrase.",
	OpenNow:    "open",
	LockedNow:  "locked",
	VaultOther: "To choose the other: keyporter vault use keyring|passphrase",

	About:    "Programs",
	App:      "Tray app",
	Agent:    "Agent",
	NoAgent:  "not running",
	Files:    "Files",
	Config:   "Servers and settings",
	State:    "Vault and state",
	Log:      "Activity log",
	CopyPath: "Copy path",
	Fixed:    "Fixed by your organisation (%s)",
	Fonts:    "Fonts: M PLUS 1, SIL Open Font License 1.1",
}

var settingsJA = Settings{
	Language:  "言語",
	System:    "システムに合わせる",
	General:   "全般",
	AtLogin:   "ログイン時に起動する",
	Notify:    "通知を表示する",
	NotifyFor: "サーバーにサインインが必要なときに表示します。トレイにも同じ内容が表示されます。",

	Approvals:    "承認",
	ApprovalsFor: "サーバーを使おうとするプログラムに許可を求めるかどうかです。",
	NeverAsk:     "確認しない",
	AskFirst:     "初回に確認する",
	AskSession:   "起動のたびに確認する",
	May:          "%s を使えます",
	MayNow:       "終了するまで %s を使えます",
	MayLater:     "「初回に確認する」の場合だけ %s を使えます",
	MayNot:       "%s を使えません",
	Wants:        "%s を使おうとしています",
	Revoke:       "取り消す",
	NobodyAsked:  "許可を求めたプログラムはまだありません。",

	Vault:      "保管庫",
	Keyring:    "鍵はこのシステムのキーリングにあります。",
	PassFile:   "鍵はパスフレーズで保護されています。",
	OpenNow:    "開いています",
	LockedNow:  "ロックされています",
	VaultOther: "切り替えるには: keyporter vault use keyring|passphrase",

	About:    "プログラム",
	App:      "トレイアプリ",
	Agent:    "エージェント",
	NoAgent:  "動作していません",
	Files:    "ファイル",
	Config:   "サーバーと設定",
	State:    "保管庫と状態",
	Log:      "アクティビティのログ",
	CopyPath: "パスをコピー",
	Fixed:    "組織によって固定されています (%s)",
	Fonts:    "フォント: M PLUS 1(SIL Open Font License 1.1)",
}
