package view

import "strings"

// A Language is a language that the texts exist in.
type Language string

const (
	English  Language = "en"
	Japanese Language = "ja"
)

// LanguageOf returns the language that the environment asks for (POSIX: LC_ALL,
// then LC_MESSAGES, then LANG); English where it names none that we have.
func LanguageOf(getenv func(string) string) Language {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			if v == "ja" || strings.HasPrefix(v, "ja_") || strings.HasPrefix(v, "ja-") || strings.HasPrefix(v, "ja.") {
				return Japanese
			}
			return English
		}
	}
	return English
}

// TextsIn returns the texts in a language, English if it is unknown.
func TextsIn(l Language) *Texts {
	if t, ok := texts[l]; ok {
		return t
	}
	return texts[English]
}

// Texts are the texts of the tray and the window in one language. Those with a verb (%s, %d) are
// formats; every language has the same verbs in the same order.
type Texts struct {
	// The first row; Title takes one of those below it.
	Title      string // %s
	Connecting string
	NoAgent    string
	Stopped    string
	PausedAll  string
	LockedAll  string
	NeedOne    string
	NeedMany   string // %d
	NeedAnswer string
	NoServers  string
	SigningIn  string
	AllReady   string

	// Rows that speak for the whole.
	AddHint     string // what to do when the list is empty
	UnlockVault string
	PauseAll    string
	ResumeAll   string
	StartAgent  string
	Quit        string
	AllServers  string
	OpenWindow  string

	// Rows of servers that need the user; each takes the server's name.
	SignInTo    string // %s
	WaitingFor  string // %s
	ApprovalFor string // %s
	BrokenRow   string // %s

	// What stands beside a server's name, and the first line of its submenu.
	Row           string // %s name, %s one of those below it or an identity
	ReadyWord     string
	Untried       string
	SignedOut     string
	SignedOutAgo  string // %s
	Waiting       string
	NeedsApproval string
	Locked        string
	PausedOne     string
	Unreachable   string
	Broken        string
	SignedInAs    string // %s
	SignedIn      string
	Uses          string // %s
	Also          string // %s, %s: two facts in one line
	WithKind      string // %s identity, %s kind
	KindKey       string
	KindClient    string
	KindStatic    string

	// Rows of a server's submenu.
	SignIn     string
	SwitchUser string // while somebody is signed in
	Cancel     string
	SignOut    string
	CopyConfig string
	ShowServer string

	// Times.
	LeftSoon string
	LeftFor  string // %s
	AgoNow   string
	AgoFor   string // %s
	Minutes  string // %d
	Hours    string // %d
	OneDay   string
	Days     string // %d

	// Notifications.
	NoticeTitle   string // %s server
	NoticeBy      string // %s program
	NoticeUnnamed string
	NoticeButton  string

	SignedOutTitle string // %s server
	SignedOutText  string

	AsksTitle   string // %s server, or VaultKey
	VaultKey    string
	AsksAs      string // %s program, %s identity
	Allow       string
	Deny        string
	FailedTitle string // %s server
	Copied      string
	CopiedBody  string // %s server

	// The window, by page; see text_window.go and its neighbours.
	Window   Window
	Servers  Servers
	Fields   Fields
	Accounts Accounts
	Add      Add
	Activity Activity
	Clients  Clients
	Settings Settings
	Team     Team
	Doctor   Doctor
	Keys     Keys
}

var texts = map[Language]*Texts{English: &english, Japanese: &japanese}

var english = Texts{
	Title:      "Keyporter — %s",
	Connecting: "starting…",
	NoAgent:    "not running",
	Stopped:    "stopped",
	PausedAll:  "paused",
	LockedAll:  "locked",
	NeedOne:    "1 server needs you",
	NeedMany:   "%d servers need you",
	NeedAnswer: "a program asks for approval",
	NoServers:  "no servers yet",
	SigningIn:  "waiting for the browser",
	AllReady:   "everything is ready",

	AddHint:     "Add a server…",
	UnlockVault: "Unlock…",
	PauseAll:    "Pause everything",
	ResumeAll:   "Resume",
	StartAgent:  "Start Keyporter",
	Quit:        "Quit (bridges keep running)",
	AllServers:  "All servers…",
	OpenWindow:  "Open Keyporter…",

	SignInTo:    "Sign in to %s…",
	WaitingFor:  "%s: waiting for the browser… (cancel)",
	ApprovalFor: "%s needs your approval",
	BrokenRow:   "%s does not work",

	Row:           "%s · %s",
	ReadyWord:     "ready",
	Untried:       "not used yet",
	SignedOut:     "signed out",
	SignedOutAgo:  "signed out %s",
	Waiting:       "waiting for the browser",
	NeedsApproval: "needs your approval",
	Locked:        "locked",
	PausedOne:     "paused",
	Unreachable:   "cannot be reached",
	Broken:        "does not work",
	SignedInAs:    "Signed in as %s",
	SignedIn:      "Signed in",
	Uses:          "Uses %s",
	Also:          "%s · %s",
	WithKind:      "%s (%s)",
	KindKey:       "key",
	KindClient:    "client credentials",
	KindStatic:    "fixed token",

	SignIn:     "Sign in…",
	SwitchUser: "Sign in as somebody else…",
	Cancel:     "Waiting for the browser… (cancel)",
	SignOut:    "Sign out",
	CopyConfig: "Copy config for Claude Desktop",
	ShowServer: "Show in window",

	LeftSoon: "less than a minute left",
	LeftFor:  "%s left",
	AgoNow:   "just now",
	AgoFor:   "%s ago",
	Minutes:  "%d min",
	Hours:    "%d h",
	OneDay:   "1 day",
	Days:     "%d days",

	NoticeTitle:   "Sign in to %s",
	NoticeBy:      "%s wants to use it.",
	NoticeUnnamed: "A program wants to use it.",
	NoticeButton:  "Sign in",

	SignedOutTitle: "%s signed you out",
	SignedOutText:  "The server ended the sign-in. Nothing was lost.",

	AsksTitle:   "A program asks for %s",
	VaultKey:    "the vault's key",
	AsksAs:      "%s wants to use it as %s.",
	Allow:       "Allow",
	Deny:        "Deny",
	FailedTitle: "That did not work: %s",
	Copied:      "Config copied",
	CopiedBody:  "Paste it into Claude Desktop's config file to use %s there.",

	Window: windowEN, Servers: serversEN, Fields: fieldsEN, Accounts: accountsEN, Add: addEN, Activity: activityEN, Clients: clientsEN, Settings: settingsEN, Team: teamEN, Doctor: doctorEN, Keys: keysEN,
}

var japanese = Texts{
	Title:      "Keyporter — %s",
	Connecting: "起動中…",
	NoAgent:    "動作していません",
	Stopped:    "停止中",
	PausedAll:  "一時停止中",
	LockedAll:  "ロック中",
	NeedOne:    "1 件のサーバーで操作が必要です",
	NeedMany:   "%d 件のサーバーで操作が必要です",
	NeedAnswer: "プログラムが承認を待っています",
	NoServers:  "サーバーがまだありません",
	SigningIn:  "ブラウザーを待っています",
	AllReady:   "すべて準備完了",

	AddHint:     "サーバーを追加…",
	UnlockVault: "ロック解除…",
	PauseAll:    "すべて一時停止",
	ResumeAll:   "再開",
	StartAgent:  "Keyporter を開始",
	Quit:        "終了(ブリッジは動作を続けます)",
	AllServers:  "すべてのサーバー…",
	OpenWindow:  "Keyporter を開く…",

	SignInTo:    "%s にサインイン…",
	WaitingFor:  "%s: ブラウザーを待っています…(キャンセル)",
	ApprovalFor: "%s には承認が必要です",
	BrokenRow:   "%s が動作していません",

	Row:           "%s · %s",
	ReadyWord:     "準備完了",
	Untried:       "未使用",
	SignedOut:     "サインアウト済み",
	SignedOutAgo:  "サインアウト済み(%s)",
	Waiting:       "ブラウザー待ち",
	NeedsApproval: "承認待ち",
	Locked:        "ロック中",
	PausedOne:     "一時停止中",
	Unreachable:   "接続できません",
	Broken:        "動作していません",
	SignedInAs:    "%s でサインイン中",
	SignedIn:      "サインイン中",
	Uses:          "%s を使用",
	Also:          "%s · %s",
	WithKind:      "%s(%s)",
	KindKey:       "キー",
	KindClient:    "クライアント資格情報",
	KindStatic:    "固定トークン",

	SignIn:     "サインイン…",
	SwitchUser: "別の人としてサインイン…",
	Cancel:     "ブラウザーを待っています…(キャンセル)",
	SignOut:    "サインアウト",
	CopyConfig: "Claude Desktop 用の設定をコピー",
	ShowServer: "ウィンドウに表示",

	LeftSoon: "残り 1 分未満",
	LeftFor:  "残り %s",
	AgoNow:   "たった今",
	AgoFor:   "%s前",
	Minutes:  "%d 分",
	Hours:    "%d 時間",
	OneDay:   "1 日",
	Days:     "%d 日",

	NoticeTitle:   "%s へのサインイン",
	NoticeBy:      "%s が使用しようとしています。",
	NoticeUnnamed: "プログラムが使用しようとしています。",
	NoticeButton:  "サインイン",

	SignedOutTitle: "%s からサインアウトされました",
	SignedOutText:  "サーバーがサインインを終了しました。失われたものはありません。",

	AsksTitle:   "プログラムが %s の使用を求めています",
	VaultKey:    "保管庫の鍵",
	AsksAs:      "%s が %s として使用しようとしています。",
	Allow:       "許可する",
	Deny:        "拒否する",
	FailedTitle: "うまくいきませんでした: %s",
	Copied:      "設定をコピーしました",
	CopiedBody:  "Claude Desktop の設定ファイルに貼り付けると %s を使えます。",

	Window: windowJA, Servers: serversJA, Fields: fieldsJA, Accounts: accountsJA, Add: addJA, Activity: activityJA, Clients: clientsJA, Settings: settingsJA, Team: teamJA, Doctor: doctorJA, Keys: keysJA,
}
