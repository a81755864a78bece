package view

// Team are the texts of the page Team. Those with a verb are formats.
type Team struct {
	Page string // in the rail

	Share     string
	ShareSays string
	NoServers string
	Name      string
	NameHint  string
	Preview   string
	Holds     string // title of the preview
	Checked   string // %d secrets
	OwnKey    string // %s whose
	OwnLogin  string // %s server
	LeftOut   string // %s server, %s member
	Save      string
	CopyLink  string
	Saved     string // %s file

	Join      string
	Drop      string
	Choose    string
	Paste     string
	Address   string
	Review    string
	FromLink  string
	TooBig    string
	Unread    string
	UnreadDo  string
	NothingIn string // the clipboard
	Profiles  string
	None      string
	Update    string
	UpToDate  string // %s profile
	Forget    string
	ForgetAsk string // %s profile
	ForgetSay string

	Joined   string // %s ago
	From     string // %s address
	Signed   string // %s who
	Unsigned string
	Unknown  string // %s fingerprint
	Expired  string // %s fingerprint
	MadeOn   string // %s day
	Until    string // %s day
	Nothing  string
	Server   string // %s name
	Account  string // %s name
	Released string // %s server or account
	NameUsed string // %s the name in the profile
	To       string // %s address
	NeedsKey string
	NeedsYou string
	Empty    string // in place of no value
	Careful  string
	Agree    string
	JoinIt   string
	Trust    string

	Fixed      string // title
	FixedBy    string // %s organisation, %s place
	FixedHere  string // %s place
	Origins    string // %s
	Kinds      string // %s
	Settings   string // %s
	NotHere    string // %s
	Everybody  string // %s
	SignedOnly string

	// What has to be agreed to by itself, by its code.
	Concerns Concerns
}

// Concerns are what has to be agreed to by itself. In each, {server}, {account},
// {value} and {origin} stand for those.
type Concerns struct {
	Audience      string
	Resource      string
	Issuer        string
	GoogleAccess  string
	Several       string
	NoResource    string
	SignInWay     string
	IDToken       string
	PrivateHost   string
	ThisComputer  string
	SecretRef     string
	SignerChanged string
	UnsignedNow   string
	SignerExpired string
	SourceChanged string
	Older         string
	Other         string // %s the code of one that is not known
}

var teamEN = Team{
	Page:      "Team",
	Share:     "Share",
	ShareSays: "Makes a file without secrets. Colleagues who join it sign in as themselves.",
	NoServers: "There are no servers to share yet.",
	Name:      "Name of the profile",
	NameHint:  "Data team",
	Preview:   "Show what it holds",
	Holds:     "What the file holds",
	Checked:   "No secrets: searched for the %d in the vault.",
	OwnKey:    "Everybody gives a key of their own to %s.",
	OwnLogin:  "Everybody adds an account of their own for %s.",
	LeftOut:   "Left out of %s: %s",
	Save:      "Save…",
	CopyLink:  "Copy link",
	Saved:     "Saved as %s.",

	Join:      "Join",
	Drop:      "Drop a profile here",
	Choose:    "Choose file…",
	Paste:     "Paste",
	Address:   "https://… or keyporter://…",
	Review:    "Show what it would do",
	FromLink:  "A link asks to join this. Nothing happens before you have seen what it would do.",
	TooBig:    "The file is too large for a profile.",
	Unread:    "The file cannot be read.",
	UnreadDo:  "Check that it is still there.",
	NothingIn: "There is no profile in the clipboard.",
	Profiles:  "Joined",
	None:      "No profile was joined yet.",
	Update:    "Look for a new version",
	UpToDate:  "%s: nothing new.",
	Forget:    "Forget",
	ForgetAsk: "Forget %s?",
	ForgetSay: "Its servers stay, as your own. Nothing looks for new versions any more.",

	Joined:   "joined %s",
	From:     "From %s",
	Signed:   "Signed by %s",
	Unsigned: "Not signed",
	Unknown:  "Signed with a key that is not known here: %s",
	Expired:  "Signed with a key that is not valid today: %s",
	MadeOn:   "Made on %s",
	Until:    "Good until %s",
	Nothing:  "No server and no account changes.",
	Server:   "server %s",
	Account:  "account %s",
	Released: "= %s stays: others use it",
	NameUsed: "called %s in the profile; that name is taken here",
	To:       "its tokens go to %s",
	NeedsKey: "needs a key or secret of yours",
	NeedsYou: "you sign in as yourself",
	Empty:    "nothing",
	Careful:  "Agree to each of these by itself, or do not join:",
	Agree:    "Agree",
	JoinIt:   "Join",
	Trust:    "I have compared the key; know it from now on as",

	Fixed:      "Fixed by your organisation",
	FixedBy:    "%s, in %s",
	FixedHere:  "In %s",
	Origins:    "Servers are at %s",
	Kinds:      "Accounts are of the kinds %s",
	Settings:   "Settings: %s",
	NotHere:    "This version does not have these settings, so they are not in force: %s",
	Everybody:  "Everybody joins %s",
	SignedOnly: "Only profiles that it knows the signers of are joined.",

	Concerns: Concerns{
		Audience:      "Tokens for {value} are sent to {origin}, which could use them there.",
		Resource:      "Tokens for {value} are sent to {origin}, which could use them there.",
		Issuer:        "Sign-in and tokens for {server} come from {value}, which is not the server's own address.",
		GoogleAccess:  "Tokens of {account} are good at Google's own services, and are sent to {origin}.",
		Several:       "Tokens of {account} go to two places, {value} and {origin}; each could use them at the other.",
		NoResource:    "A sign-in to {server} does not say which server its tokens are for; {origin} could use them elsewhere.",
		SignInWay:     "The sign-in to {server} is asked for in another way: {value}",
		IDToken:       "{server} gets the token that proves who you are.",
		PrivateHost:   "{server} may send your sign-in to {value}, in a private network.",
		ThisComputer:  "The address of {server} is on this computer: whatever program answers there gets its tokens.",
		SecretRef:     "The secret of {account} is read at {value}; your own login is sent there.",
		SignerChanged: "Before, the profile was signed by {value}; now it is signed with another key.",
		UnsignedNow:   "Before, the profile was signed by {value}; now it is not signed.",
		SignerExpired: "The key that signed the profile is not valid today.",
		SourceChanged: "Before, the profile came from {value}; now it comes from somewhere else.",
		Older:         "The profile is older than the one that you joined, of {value}.",
		Other:         "There is something to be careful about (%s). Update Keyporter to see what.",
	},
}

var teamJA = Team{
	Page:      "チーム",
	Share:     "共有",
	ShareSays: "秘密を含まないファイルを作ります。参加した人は、それぞれ自分でサインインします。",
	NoServers: "共有できるサーバーがまだありません。",
	Name:      "プロファイルの名前",
	NameHint:  "データチーム",
	Preview:   "内容を確認",
	Holds:     "ファイルの内容",
	Checked:   "秘密は含まれていません。保管庫の %d 件について確認しました。",
	OwnKey:    "%s には、各自の鍵が必要です。",
	OwnLogin:  "%s には、各自のアカウントが必要です。",
	LeftOut:   "%s から省いたもの: %s",
	Save:      "保存…",
	CopyLink:  "リンクをコピー",
	Saved:     "%s に保存しました。",

	Join:      "参加",
	Drop:      "プロファイルをここにドロップ",
	Choose:    "ファイルを選択…",
	Paste:     "貼り付け",
	Address:   "https://… または keyporter://…",
	Review:    "変更内容を確認",
	FromLink:  "リンクから参加を求められています。内容を確認するまで何も行われません。",
	TooBig:    "プロファイルとしてはファイルが大きすぎます。",
	Unread:    "ファイルを読み取れません。",
	UnreadDo:  "ファイルがまだあるか確認してください。",
	NothingIn: "クリップボードにプロファイルがありません。",
	Profiles:  "参加済み",
	None:      "まだどのプロファイルにも参加していません。",
	Update:    "新しい版を確認",
	UpToDate:  "%s: 変更はありません。",
	Forget:    "解除",
	ForgetAsk: "%s を解除しますか?",
	ForgetSay: "サーバーはあなた自身のものとして残ります。新しい版は確認されなくなります。",

	Joined:   "%sに参加",
	From:     "取得元: %s",
	Signed:   "署名: %s",
	Unsigned: "署名はありません",
	Unknown:  "登録されていない鍵による署名: %s",
	Expired:  "現在は有効でない鍵による署名: %s",
	MadeOn:   "作成日: %s",
	Until:    "有効期限: %s",
	Nothing:  "サーバーとアカウントに変更はありません。",
	Server:   "サーバー %s",
	Account:  "アカウント %s",
	Released: "= %s は他で使われているため残ります",
	NameUsed: "プロファイルでの名前は %s ですが、ここではすでに使われています",
	To:       "トークンの送り先: %s",
	NeedsKey: "あなたの鍵または秘密が必要です",
	NeedsYou: "あなた自身がサインインします",
	Empty:    "なし",
	Careful:  "次の項目は一つずつ承認してください。できない場合は参加しないでください。",
	Agree:    "承認する",
	JoinIt:   "参加する",
	Trust:    "鍵を照合しました。今後は次の名前で扱う",

	Fixed:      "組織による設定",
	FixedBy:    "%s (%s)",
	FixedHere:  "設定元: %s",
	Origins:    "サーバーの場所: %s",
	Kinds:      "アカウントの種類: %s",
	Settings:   "設定: %s",
	NotHere:    "このバージョンにない設定のため、適用されていません: %s",
	Everybody:  "全員が参加するプロファイル: %s",
	SignedOnly: "登録された署名者のプロファイルにだけ参加できます。",

	Concerns: Concerns{
		Audience:      "{value} 用のトークンが {origin} に送られ、そこから使われる可能性があります。",
		Resource:      "{value} 用のトークンが {origin} に送られ、そこから使われる可能性があります。",
		Issuer:        "{server} のサインインとトークンは、サーバー自身ではなく {value} が扱います。",
		GoogleAccess:  "{account} のトークンは Google のサービスで使えるもので、{origin} に送られます。",
		Several:       "{account} のトークンは {value} と {origin} の両方に送られ、互いに使われる可能性があります。",
		NoResource:    "{server} のサインインでは対象のサーバーが示されず、{origin} が他でトークンを使う可能性があります。",
		SignInWay:     "{server} のサインインの方法が変わります: {value}",
		IDToken:       "{server} は、あなたが誰であるかを証明するトークンを受け取ります。",
		PrivateHost:   "{server} は、プライベートネットワークの {value} にサインインを送ることがあります。",
		ThisComputer:  "{server} のアドレスはこのコンピューターです。そこで応答するプログラムがトークンを受け取ります。",
		SecretRef:     "{account} の秘密は {value} から読み取られ、その際あなた自身のログイン情報がそこへ送られます。",
		SignerChanged: "以前の署名は {value} でしたが、今回は別の鍵で署名されています。",
		UnsignedNow:   "以前の署名は {value} でしたが、今回は署名がありません。",
		SignerExpired: "プロファイルに署名した鍵は現在有効ではありません。",
		SourceChanged: "以前の取得元は {value} でしたが、今回は別の場所です。",
		Older:         "参加済みの版({value})より古いプロファイルです。",
		Other:         "注意が必要な項目(%s)があります。Keyporter を更新すると内容を確認できます。",
	},
}
