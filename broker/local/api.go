// Package local is the agent's local API: what the other programs of this user
// (bridge, tray, command line) may ask the agent, over a unix socket or a named
// pipe that only this user can open.
//
// Broker is the interface that the agent serves; Client has the same methods and
// crosses the socket. Each method is one POST of JSON to /v1/NAME; methods that
// take a function answer with a stream of JSON values, one a line. Errors cross
// as hint.Error. The package opens no vault and makes no tokens.
package local

import (
	"context"
	"encoding/json"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/claims"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
	"keyporter/internal/network"
)

// APIVersion is the version of the local API, the first part of each path. It
// changes only when an older program could misunderstand a newer one.
const APIVersion = "v1"

// A Broker is what the agent serves. Methods return errors with words
// (hint.Error) and return once ctx is done. They are safe for concurrent use.
type Broker interface {
	// State returns the state as it is now.
	State(ctx context.Context) (*State, error)
	// Watch calls show with the state now and after each change, until ctx is
	// done or show returns an error. Changes that come while show runs are
	// delivered as one. role is "tray" for a program that shows notices itself.
	Watch(ctx context.Context, w Watch, show func(*State) error) error

	// Probe asks a server that is not in the list what it wants (3 s at most)
	// and proposes how to add it. Nothing is stored. What is wrong with the
	// server is part of the answer; the error is for a call that failed.
	Probe(ctx context.Context, r ProbeRequest) (*Probed, error)
	// ShowServer returns a server's record.
	ShowServer(ctx context.Context, n Name) (*account.Server, error)
	// AddServer adds a server, after asking it (3 s at most) what it wants.
	AddServer(ctx context.Context, s PutServer) (*AddedServer, error)
	// SetServer replaces the record of a server that exists.
	SetServer(ctx context.Context, s PutServer) (*AddedServer, error)
	RenameServer(ctx context.Context, r Rename) error
	// RemoveServer removes the server, its secrets, and the account that its
	// sign-in made if nothing else uses it.
	RemoveServer(ctx context.Context, n Name) error

	// ShowAccount returns an account's record; its Name is set.
	ShowAccount(ctx context.Context, n Name) (*account.Account, error)
	AddAccount(ctx context.Context, a PutAccount) (*AccountState, error)
	// RotateAccount replaces the secret of an account and leaves where its
	// tokens may go as it is.
	RotateAccount(ctx context.Context, a PutAccount) (*AccountState, error)
	// RemoveAccount removes an account with its secret and its grants.
	RemoveAccount(ctx context.Context, n Name) (*RemovedAccount, error)

	// SignIn signs a server or an account in. tell hears each step. If a sign-in
	// for the same account is under way, it joins that one. When ctx ends and
	// nobody else waits, the sign-in ends.
	SignIn(ctx context.Context, r SignInRequest, tell func(*SignInEvent) error) error
	// PasteRedirect gives a waiting sign-in the address that the browser ended at.
	PasteRedirect(ctx context.Context, p PastedRedirect) error
	// CancelSignIn ends a sign-in that is under way.
	CancelSignIn(ctx context.Context, n Name) error
	SignOut(ctx context.Context, r SignOutRequest) error

	// Token returns a token for a server or an account, fresh enough to use.
	Token(ctx context.Context, r TokenRequest) (*Token, error)

	// Inspect says what is in the token of a server or an account, and what about
	// it keeps the server from accepting it. The token stays in the agent.
	Inspect(ctx context.Context, r InspectRequest) (*Inspection, error)

	// Prove signs a DPoP proof for one request of a bridge (RFC 9449 section 4): the
	// key stays in the agent. It signs for the address that the grant's tokens may
	// go to and for nothing else.
	Prove(ctx context.Context, r ProveRequest) (*Proof, error)
	// Sign signs a bridge's TLS handshake with the key of the server's client
	// certificate, which stays in the agent.
	Sign(ctx context.Context, r SignRequest) (*Signature, error)

	// Bridge joins a bridge to its server: it calls show with what the bridge
	// needs now and after each change, until ctx is done.
	Bridge(ctx context.Context, r BridgeRequest, show func(*BridgeState) error) error
	// AwaitReady is called by a bridge that holds a call for a server which is
	// not ready. It raises one notice, waits until the server is ready or
	// r.Wait is over, and returns nil or what is still missing.
	AwaitReady(ctx context.Context, r AwaitRequest) error
	// RequestSignIn is the sign_in tool. A model may call it, so it is no proof
	// of a person: see DESIGN section 7 for when it opens a browser. It waits as
	// AwaitReady does.
	RequestSignIn(ctx context.Context, r AwaitRequest) (*RequestedSignIn, error)
	// StepUp is called by a bridge whose server answered 403 and wants more
	// permissions than the token has (MCP authorization, scope challenge handling).
	// It asks the user to sign in for all of them, as the server's way of signing in
	// says, waits r.Wait at most, and returns the new token. A permission that was
	// asked for before is not asked for again: more scopes cannot mend that.
	StepUp(ctx context.Context, r StepUpRequest) (*Token, error)
	// Answers returns the last known answers of a server, for its present account.
	Answers(ctx context.Context, n Name) (*Answers, error)
	// KeepAnswers stores answers beside those that are already known.
	KeepAnswers(ctx context.Context, a Answers) error
	// Record adds calls of a bridge to the audit log, with the program that makes the
	// call and the time at which it does. Other events are refused.
	Record(ctx context.Context, r []AuditRecord) error
	// Log calls show with the records of the audit log, oldest first; with
	// Follow it goes on with new ones until ctx is done.
	Log(ctx context.Context, r LogRequest, show func(*AuditRecord) error) error
	// VerifyLog checks that nothing was taken out of the audit log, changed, moved
	// or added. What is wrong is part of the answer.
	VerifyLog(ctx context.Context) (*VerifiedLog, error)

	// AskApproval says whether the program behind the caller may use a server or an
	// account. If nobody has decided that yet, it waits in State from now on; with
	// q.Wait the user is asked with a notification too, and no answer in time is a no.
	AskApproval(ctx context.Context, q ApprovalQuestion) (*Approval, error)
	// Approve allows what an approval is about. A program that it is about cannot do
	// that for itself.
	Approve(ctx context.Context, a Answer) error
	// Revoke takes an approval back, at once, or denies one that waits.
	Revoke(ctx context.Context, n Name) error

	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	// Stop ends the agent, after renewals in flight, and keeps bridges from
	// starting it again. Bridges hear of it first (Stopping), and have a moment to
	// hand over what they hold.
	Stop(ctx context.Context) error

	// SetSettings changes settings by name and returns all of them. State has
	// them too, so that everybody who watches learns of the change.
	SetSettings(ctx context.Context, s SetSettings) (*account.Choices, error)

	// Clients lists the MCP clients whose configuration can be edited, with what
	// stands in it. It reads their files each time.
	Clients(ctx context.Context) (*Clients, error)
	// InstallClient puts servers into a client's configuration, as entries that
	// launch the bridge. What stands there already in that form is left alone.
	InstallClient(ctx context.Context, r InstallRequest) (*Installed, error)
	// UninstallClient takes our entries out again; without a folder, out of the
	// projects too that they were put into.
	UninstallClient(ctx context.Context, r InstallRequest) (*Installed, error)
	// RepairClients puts back the entries that clients have lost since they were
	// put in. Nothing else is changed.
	RepairClients(ctx context.Context, r RepairRequest) (*Repaired, error)

	// Doctor makes the checks of this computer, of the servers and of the MCP
	// clients, and calls show with each when it is done, in their order. What is
	// wrong is part of a check; the error is for a call that failed.
	Doctor(ctx context.Context, r DoctorRequest, show func(*Check) error) error
	// ShareProfile makes a team profile of servers in the list. It holds no secret.
	ShareProfile(ctx context.Context, r ShareRequest) (*SharedProfile, error)
	// ReviewProfile reads a team profile and says all that joining it would do.
	// Nothing is changed.
	ReviewProfile(ctx context.Context, r ReviewRequest) (*Review, error)
	// JoinProfile does what a review said, if that is still what it would do. A
	// user has agreed to it.
	JoinProfile(ctx context.Context, r JoinRequest) (*JoinedProfile, error)
	// ForgetProfile leaves what came from a profile to the user.
	ForgetProfile(ctx context.Context, n Name) error

	// Scan looks for secrets in the clear in MCP clients' files, and moves them into
	// the vault or back.
	Scan(ctx context.Context, r ScanRequest) (*Scanned, error)
	// Program returns a program whose secrets a scan moved into the vault, for the one
	// who starts it.
	Program(ctx context.Context, n Name) (*Program, error)
	// Programs lists those programs by name.
	Programs(ctx context.Context) (*Programs, error)

	// UseVault moves the vault's identity to the other back end.
	UseVault(ctx context.Context, r UseVault) error
	// Unlock opens a vault that is locked.
	Unlock(ctx context.Context, r Unlock) error
	// RestoreVault puts the previous generation in place of a damaged vault.
	RestoreVault(ctx context.Context) (*RestoredVault, error)
}

// A Name names one server or one account.
type Name struct {
	Name string `json:"name"`
}

// An Answer names the approval that a person has allowed.
type Answer struct {
	Name string `json:"name"` // its ID

	// AtTerminal says that Keyporter's own command has asked at the terminal in which
	// it runs.
	AtTerminal bool `json:"at_terminal,omitempty"`
}

// Rename is the argument of RenameServer.
type Rename struct {
	Old string `json:"old"`
	New string `json:"new"`
}

// Watch is the argument of Broker.Watch.
type Watch struct {
	Tray bool `json:"tray,omitempty"` // the caller shows notices and sign-ins to the user
}

// A Status is the condition of a server or an account.
type Status string

// The statuses. A status that a reader does not know counts as Failed.
const (
	Ready          Status = "ready"
	Unknown        Status = "unknown" // never tried
	SignInNeeded   Status = "sign_in_needed"
	SigningIn      Status = "signing_in"
	ApprovalNeeded Status = "approval_needed" // its binding does not cover its address
	Locked         Status = "locked"          // the vault is not open
	Paused         Status = "paused"
	Stopping       Status = "stopping" // the user stops Keyporter: the agent is about to end
	Failed         Status = "failed"   // the last attempt to get a token failed; Problem says why
)

// A State is everything that a window, a tray or a listing shows. It holds no
// secret. It is also the output of keyporter status --json.
type State struct {
	Seq       uint64          `json:"seq"` // grows with each change
	Agent     Agent           `json:"agent"`
	Paused    bool            `json:"paused"`
	Stopped   bool            `json:"stopped"`
	Vault     VaultState      `json:"vault"`
	Servers   []ServerState   `json:"servers"`             // by name; never null
	Accounts  []AccountState  `json:"accounts"`            // by name; never null
	Notices   []Notice        `json:"notices"`             // what waits for the user; never null
	Bridges   int             `json:"bridges"`             // how many are connected
	Profiles  []ProfileState  `json:"profiles"`            // team profiles that were joined, by name; never null
	Policies  []PolicyState   `json:"policies,omitempty"`  // what the organisation has fixed
	Approvals []Approval      `json:"approvals,omitempty"` // which programs may use what; those that wait first
	Settings  account.Choices `json:"settings"`
	Problem   *hint.Error     `json:"problem,omitempty"` // config.json cannot be read, say
}

// An Agent is the running agent.
type Agent struct {
	PID       int       `json:"pid"`
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	Command   string    `json:"command"` // absolute path of keyporter, as MCP clients' configs name it
}

// VaultState is the condition of the vault.
type VaultState struct {
	Backend string      `json:"backend"` // "keyring" or "passphrase"
	Open    bool        `json:"open"`
	Problem *hint.Error `json:"problem,omitempty"` // why it is not open
}

// A ServerState is one row of the list of servers.
type ServerState struct {
	Name      string            `json:"name"`
	URL       string            `json:"url"`
	Account   string            `json:"account,omitempty"`
	Also      map[string]string `json:"also_accounts,omitempty"` // further accounts by the header of their tokens
	Kind      account.Kind      `json:"kind,omitempty"`          // of the account, or what the server was seen to want
	State     Status            `json:"state"`
	Identity  string            `json:"identity,omitempty"`  // who is signed in, as people say it
	ExpiresAt time.Time         `json:"expires_at,omitzero"` // of the token now in use
	Renews    bool              `json:"renews,omitempty"`    // it is renewed without the user
	Problem   *hint.Error       `json:"problem,omitempty"`
	Bridges   int               `json:"bridges,omitempty"`
	LastUsed  time.Time         `json:"last_used,omitzero"`
	Tools     int               `json:"tools,omitempty"` // as last seen
}

// An AccountState is one row of the list of accounts.
type AccountState struct {
	Name      string       `json:"name"`
	Kind      account.Kind `json:"kind"`
	Identity  string       `json:"identity,omitempty"`
	State     Status       `json:"state"`
	UsedBy    []string     `json:"used_by,omitempty"`
	Origins   []string     `json:"origins,omitempty"` // where its tokens may go
	ExpiresAt time.Time    `json:"expires_at,omitzero"`
	AddedAt   time.Time    `json:"added_at,omitzero"` // when its secret came
	KeyID     string       `json:"key_id,omitempty"`  // of a Google key: the last four characters
	Problem   *hint.Error  `json:"problem,omitempty"`

	// Verified is set in the answers of AddAccount and RotateAccount: the secret
	// was read back from the vault's file, so the file it came from may go.
	Verified bool `json:"verified,omitempty"`
}

// A NoticeKind says what a notice is about.
type NoticeKind string

// The kinds. A reader leaves out notices of a kind that it does not know.
const (
	NoticeSignIn     NoticeKind = "sign_in"     // asks the user to sign in to Server
	NoticeClientLost NoticeKind = "client_lost" // Client's file was rewritten, and Servers are gone from it
	NoticeApproval   NoticeKind = "approval"    // Program, a path, wants to use Server; Approval is its ID
)

// NoticeKinds are all kinds.
func NoticeKinds() []NoticeKind { return []NoticeKind{NoticeSignIn, NoticeClientLost, NoticeApproval} }

// A Notice is something that waits for the user. However many bridges ask, there
// is one for each event.
type Notice struct {
	ID      string     `json:"id"`
	Kind    NoticeKind `json:"kind"`
	Server  string     `json:"server,omitempty"`
	Client  string     `json:"client,omitempty"`  // of NoticeClientLost: its ID; Program is its name
	Servers []string   `json:"servers,omitempty"` // of NoticeClientLost
	Program string     `json:"program,omitempty"` // who wants it, if known
	Scopes  []string   `json:"scopes,omitempty"`  // somebody is signed in; these permissions are missing

	SignedOut bool `json:"signed_out,omitempty"` // of NoticeSignIn: the server has just ended the sign-in

	Approval string    `json:"approval,omitempty"` // of NoticeApproval
	Identity string    `json:"identity,omitempty"` // of NoticeApproval: as whom, if known
	At       time.Time `json:"at"`
}

// An ApprovalState says what was decided.
type ApprovalState string

// The states.
const (
	ApprovalWaiting ApprovalState = "waiting" // for the user
	ApprovalAllowed ApprovalState = "allowed"
	ApprovalDenied  ApprovalState = "denied" // by the user, or because nobody answered in time
)

// An Approval is about one program and one server with its account, or one account
// that was asked for by itself.
type Approval struct {
	ID       string        `json:"id"`
	State    ApprovalState `json:"state"`
	Program  string        `json:"program"`       // path of the program that asks
	PID      int           `json:"pid,omitempty"` // of the process that asked, or that alone is allowed
	Server   string        `json:"server,omitempty"`
	Account  string        `json:"account,omitempty"`
	Identity string        `json:"identity,omitempty"`
	At       time.Time     `json:"at"`
}

// ApprovalQuestion is the argument of AskApproval.
type ApprovalQuestion struct {
	Name string        `json:"name"`           // of a server or an account
	Wait time.Duration `json:"wait,omitempty"` // how long at most for an answer, in nanoseconds; zero: not at all
}

// ProbeRequest is the argument of Probe.
type ProbeRequest struct {
	URL       string `json:"url"`
	AllowHTTP bool   `json:"allow_http,omitempty"`
}

// A Want is what a server asks of those who connect. One that a reader does not
// know counts as WantsKey.
type Want string

// The wants.
const (
	WantsNothing Want = "nothing"         // it is open
	WantsSignIn  Want = "sign_in"         // a person's sign-in
	WantsClient  Want = "client_id"       // a sign-in, with a client id from the administrator
	WantsIDToken Want = "google_id_token" // a Google service account's ID token
	WantsKey     Want = "key"             // a key or token from the administrator
)

// A Trouble is what is wrong with an address. One that a reader does not know
// counts as TroubleNotMCP.
type Trouble string

// The troubles.
const (
	TroubleAddress     Trouble = "address"     // it cannot be the address of a server
	TroubleUnreachable Trouble = "unreachable" // no answer: name, network, certificate, 3 s
	TroubleNotFound    Trouble = "not_found"   // 404: the path is probably wrong
	TroubleMoved       Trouble = "moved"       // it points to another address: Try
	TroubleServer      Trouble = "server"      // the server has a problem (5xx)
	TroubleRefused     Trouble = "refused"     // 403 without a word on how to get in
	TroubleNotMCP      Trouble = "not_mcp"     // something answers that is no MCP server
	TroubleSignIn      Trouble = "sign_in"     // how it signs people in cannot be found out, or is not safe
)

// Probed is what a server that is not in the list was seen to be. Either Wants
// or Trouble is set; with TroubleSignIn both may be.
type Probed struct {
	URL      string       `json:"url"`                // as it was asked
	Wants    Want         `json:"wants,omitempty"`    // a code for Says
	Says     string       `json:"says,omitempty"`     // "It signs people in with Google."
	Provider string       `json:"provider,omitempty"` // who signs people in, as people say it: "Google", "auth.example.com"
	Issuer   string       `json:"issuer,omitempty"`   // the same as an address
	Guessed  bool         `json:"guessed,omitempty"`  // it asks for a token and says nothing of where from: a sign-in may be missing there
	Trouble  Trouble      `json:"trouble,omitempty"`  // a code for Problem
	Problem  *hint.Error  `json:"problem,omitempty"`  // what is wrong and what to do
	Try      string       `json:"try,omitempty"`      // another address that is likely the right one
	Version  string       `json:"version,omitempty"`  // newest protocol version it said it speaks; empty before a sign-in
	Title    string       `json:"title,omitempty"`    // what it calls itself; a claim, not to be trusted
	Name     string       `json:"name"`               // proposed, free
	Kind     account.Kind `json:"kind,omitempty"`     // proposed for the account; empty: none is needed
	Audience string       `json:"audience,omitempty"` // proposed for an account that makes ID tokens
	Accounts []string     `json:"accounts"`           // existing ones that fit, best first; never null
	Known    string       `json:"known,omitempty"`    // the server in the list that has this address already
}

// SetSettings is the argument of SetSettings: values by name, as on the command
// line. An empty value puts the default back.
type SetSettings struct {
	Values map[string]string `json:"values"`
}

// Clients is the answer of Clients.
type Clients struct {
	Clients []MCPClient `json:"clients"` // never null
}

// An MCPClient is a program on this computer that can launch bridges.
type MCPClient struct {
	ID      string      `json:"id"`                // "claude-desktop"
	Name    string      `json:"name"`              // "Claude Desktop"
	Found   bool        `json:"found"`             // it is on this computer
	Configs []string    `json:"configs"`           // its files, those that are there or would be made; never null
	Servers []string    `json:"servers"`           // ours that stand in it, as named there; never null
	Lost    []string    `json:"lost,omitempty"`    // those that were put in and are gone
	Project string      `json:"project,omitempty"` // its file in a project's folder, if it reads one
	Problem *hint.Error `json:"problem,omitempty"` // its file cannot be read, say
}

// InstallRequest is the argument of InstallClient and UninstallClient.
type InstallRequest struct {
	Client  string   `json:"client"`            // an MCPClient's ID
	Servers []string `json:"servers,omitempty"` // empty: all in the list, or all of ours that stand there
	Folder  string   `json:"folder,omitempty"`  // a project's folder, absolute: for that project only
}

// RepairRequest is the argument of RepairClients.
type RepairRequest struct {
	Client string `json:"client,omitempty"` // an MCPClient's ID; empty: all
}

// Repaired says what RepairClients did.
type Repaired struct {
	Clients []Installed `json:"clients"` // those that had lost something; never null
}

// Installed says what became of a client's configuration.
type Installed struct {
	Client  MCPClient `json:"client"`            // as it is now
	Changed []string  `json:"changed"`           // servers that were put in or taken out; never null
	Backups []string  `json:"backups,omitempty"` // copies of the files as they were before
	SignIn  []string  `json:"sign_in,omitempty"` // servers put in that still need a sign-in
	Next    string    `json:"next,omitempty"`    // what is left to do, a sentence: "Quit Claude Desktop …"
}

// PutServer is the argument of AddServer and SetServer.
type PutServer struct {
	Name          string                  `json:"name"`
	Server        account.Server          `json:"server"`
	ClientSecret  *secret.Plain           `json:"client_secret,omitempty"`  // nil leaves it as it is
	SecretHeaders map[string]secret.Plain `json:"secret_headers,omitempty"` // values of those named in the record; absent ones stay
	SecretQuery   map[string]secret.Plain `json:"secret_query,omitempty"`   // the same for parameters of the address
	ClientCert    *ClientCert             `json:"client_cert,omitempty"`    // nil leaves it as the record says
	ProxyLogin    *secret.Plain           `json:"proxy_login,omitempty"`    // user:password for the proxy that the server is reached by
	Bind          bool                    `json:"bind,omitempty"`           // the user agreed that the account's tokens go to this address
	Offline       bool                    `json:"offline,omitempty"`        // ask the server nothing
}

// A ClientCert is a client certificate on its way into the vault, both parts PEM.
type ClientCert struct {
	Chain string       `json:"chain"`
	Key   secret.Plain `json:"key"`
}

// AddedServer says what became of a server.
type AddedServer struct {
	Server  ServerState `json:"server"`
	Found   string      `json:"found,omitempty"`   // what the server said it wants, a sentence
	Warning *hint.Error `json:"warning,omitempty"` // it was added, but something is odd
}

// PutAccount is the argument of AddAccount and RotateAccount.
type PutAccount struct {
	Name          string          `json:"name"`
	Account       account.Account `json:"account"`
	Secret        secret.Plain    `json:"secret"`                    // key file, client secret, private key (PEM) or token
	AllowTokenURI string          `json:"allow_token_uri,omitempty"` // a google-key's token_uri beyond Google's domains that the user agreed to
}

// RemovedAccount says what a removal left behind.
type RemovedAccount struct {
	UsedBy []string `json:"used_by,omitempty"` // servers that now have no account
}

// SignInRequest is the argument of SignIn.
type SignInRequest struct {
	Name      string `json:"name"`
	AgentOpen bool   `json:"agent_open,omitempty"` // the agent opens the browser; else the caller does, on hearing Open
	Switch    bool   `json:"switch,omitempty"`     // another person, though somebody is signed in
	Device    bool   `json:"device,omitempty"`     // with a code that is typed on another device (RFC 8628)
	Bind      bool   `json:"bind,omitempty"`
}

// A SignInEvent is one step of a sign-in. The last one has Done set, unless the
// sign-in failed.
type SignInEvent struct {
	Open     string `json:"open,omitempty"`      // the address to open in a browser
	Issuer   string `json:"issuer,omitempty"`    // with Open: who signs the user in
	UserCode string `json:"user_code,omitempty"` // with Open: the code to type there, on any device
	Preset   string `json:"preset,omitempty"`    // with Open: the provider whose ways are known, and by what it was recognised
	Private  bool   `json:"private,omitempty"`   // with Open: in a private window where the browser has one, so that another person can sign in
	Joined   bool   `json:"joined,omitempty"`    // with Open: another program has opened it already
	Message  string `json:"message,omitempty"`   // a sentence
	Done     bool   `json:"done,omitempty"`
	Already  bool   `json:"already,omitempty"`  // with Done: was signed in before
	Identity string `json:"identity,omitempty"` // with Done: who is signed in, if known
}

// PastedRedirect is the argument of PasteRedirect.
type PastedRedirect struct {
	Name string       `json:"name"`
	URL  secret.Plain `json:"url"` // holds the authorization code
}

// SignOutRequest is the argument of SignOut.
type SignOutRequest struct {
	Name   string `json:"name"`
	Revoke bool   `json:"revoke,omitempty"` // also at the authorization server (RFC 7009)
}

// TokenRequest is the argument of Token.
type TokenRequest struct {
	Name      string   `json:"name"`                // a server or an account
	Header    string   `json:"header,omitempty"`    // of a server with further accounts: the token of that one; empty is the server's own account
	Refused   string   `json:"refused,omitempty"`   // the hash of a token that the server answered with 401
	Challenge []string `json:"challenge,omitempty"` // the WWW-Authenticate fields of that answer
}

// A Token is a token on its way to a request.
type Token struct {
	Header  string       `json:"header"` // the header field's name
	Scheme  string       `json:"scheme,omitempty"`
	Value   secret.Plain `json:"value"`
	Hash    string       `json:"hash"`                // names it in TokenRequest.Refused
	Expiry  time.Time    `json:"expires_at,omitzero"` // zero: unknown or never
	RenewAt time.Time    `json:"renew_at,omitzero"`   // from when to ask again; zero: never
	Who     string       `json:"who,omitempty"`       // whose it is: the identity if known, else the account's name
}

// FieldValue returns the header field's value, a secret in the clear.
func (t *Token) FieldValue() string {
	if t.Scheme == "" {
		return t.Value.Reveal()
	}
	return t.Scheme + " " + t.Value.Reveal()
}

// InspectRequest is the argument of Inspect.
type InspectRequest struct {
	Name string `json:"name"` // a server or an account
	// Refused is the hash of a token that the server answered with 401 although it
	// was just renewed, and Challenge the WWW-Authenticate fields of that answer.
	// Another token is not asked for then.
	Refused   string   `json:"refused,omitempty"`
	Challenge []string `json:"challenge,omitempty"`
	Header    string   `json:"header,omitempty"` // as in TokenRequest
}

// An Inspection is what can be said of a token. It holds nothing with which the
// token could be used. It is also the output of keyporter token --claims.
type Inspection struct {
	claims.Token
	Findings []claims.Finding `json:"findings,omitempty"` // what is certain first
}

// ProveRequest is the argument of Prove.
type ProveRequest struct {
	Server string       `json:"server"`
	Token  secret.Plain `json:"token"` // that travels with the proof
	Method string       `json:"method"`
	URL    string       `json:"url"`
	Nonce  string       `json:"nonce,omitempty"` // the last that the server gave
}

// A Proof is the value of a DPoP header field. It is good for one request.
type Proof struct {
	Proof string `json:"proof"`
}

// SignRequest is the argument of Sign.
type SignRequest struct {
	Server string `json:"server"`
	network.Signing
}

// A Signature is what a handshake wanted.
type Signature struct {
	Signature []byte `json:"signature"`
}

// BridgeRequest is the argument of Bridge.
type BridgeRequest struct {
	Server string `json:"server"` // a name, or the URL of a server that was added
}

// A BridgeState is what a bridge needs for its one server, complete each time.
type BridgeState struct {
	Server        string                  `json:"server"`
	URL           string                  `json:"url"`
	Headers       map[string]string       `json:"headers,omitempty"`
	SecretHeaders map[string]secret.Plain `json:"secret_headers,omitempty"`
	SecretQuery   map[string]secret.Plain `json:"secret_query,omitempty"` // parameters that the address gets
	SignIn        account.SignIn          `json:"sign_in"`
	Proxy         string                  `json:"proxy,omitempty"` // as in the server's record
	CA            string                  `json:"ca,omitempty"`
	Desktop       network.Desktop         `json:"desktop,omitzero"`       // the desktop's proxies
	ProxyLogins   map[string]secret.Plain `json:"proxy_logins,omitempty"` // as in network.Settings
	ClientCert    string                  `json:"client_cert,omitempty"`  // a client certificate and its chain, PEM; its key signs by Sign
	Transport     account.Transport       `json:"transport,omitempty"`
	Era           account.Era             `json:"era,omitempty"`         // as set, or else as remembered; empty: not known
	Tools         account.ToolPolicy      `json:"tools,omitzero"`        // what clients see of the server
	Status        Status                  `json:"status"`                // Ready, Unknown (try without a token), or why not
	Token         *Token                  `json:"token,omitempty"`       // nil if none is needed or none is there
	NeedsToken    bool                    `json:"needs_token,omitempty"` // requests go with a token: where Token is nil, ask for one
	Further       []Token                 `json:"further,omitempty"`     // of further accounts; where Hash is empty, ask for one with its Header
	Problem       *hint.Error             `json:"problem,omitempty"`     // with a status other than Ready and Unknown
}

// AwaitRequest is the argument of AwaitReady and RequestSignIn.
type AwaitRequest struct {
	Server string        `json:"server"`
	Wait   time.Duration `json:"wait"` // how long at most, in nanoseconds
}

// StepUpRequest is the argument of StepUp.
type StepUpRequest struct {
	Server    string        `json:"server"`
	Refused   string        `json:"refused"`   // the hash of the token that the server answered with 403
	Challenge []string      `json:"challenge"` // the WWW-Authenticate fields of that answer
	Wait      time.Duration `json:"wait"`      // how long at most, in nanoseconds
}

// RequestedSignIn says what RequestSignIn did.
type RequestedSignIn struct {
	Ready   bool   `json:"ready"`
	Message string `json:"message"` // for the model and its user, one or two sentences
}

// Answers are results of a server by method ("initialize", "server/discover",
// "tools/list" …), as they came.
type Answers struct {
	Server  string                     `json:"server"`
	Results map[string]json.RawMessage `json:"results"`
	Era     account.Era                `json:"era,omitempty"` // for KeepAnswers: what the server was found to speak
}

// An AuditRecord is one line of audit.jsonl. Names and sizes, never arguments.
type AuditRecord struct {
	Time     time.Time     `json:"time"`
	Event    string        `json:"event"` // "call", "sign_in", "sign_out", "token", "renew", "add" …
	Program  string        `json:"program,omitempty"`
	Server   string        `json:"server,omitempty"`
	Account  string        `json:"account,omitempty"`
	Method   string        `json:"method,omitempty"`
	Name     string        `json:"name,omitempty"` // the tool, prompt or resource
	Outcome  string        `json:"outcome"`        // "ok", or the code of the error
	Latency  time.Duration `json:"latency_ns,omitempty"`
	BytesOut int64         `json:"bytes_out,omitempty"` // to the server
	BytesIn  int64         `json:"bytes_in,omitempty"`  // from the server
}

// LogRequest is the argument of Log.
type LogRequest struct {
	Follow bool `json:"follow,omitempty"`
	// Since leaves out records of an earlier time. Those of calls have the time at which
	// their bridge handed them over, a little late.
	Since time.Time `json:"since,omitzero"`
}

// VerifiedLog says whether the audit log is whole. It is also the output of
// keyporter log --verify --json.
type VerifiedLog struct {
	Records int         `json:"records"`          // that are there
	Files   int         `json:"files"`            // that they are in
	Before  int         `json:"before,omitempty"` // of them, from before the log was sealed with the vault's key: nothing vouches for them
	Late    int         `json:"late,omitempty"`   // of them, written while the vault was locked: later ones vouch for them
	Broken  []BrokenLog `json:"broken"`           // never null
	More    int         `json:"more,omitempty"`   // further places that are broken
}

// A BrokenLog is a place in the audit log that is not as it was written.
type BrokenLog struct {
	File string `json:"file"`          // its name
	Line int    `json:"line"`          // counted from 1; the last one if the end is missing
	Seq  uint64 `json:"seq,omitempty"` // the record's number, if it is about one
	What string `json:"what"`          // "record 7 was changed"
}

// UseVault is the argument of UseVault.
type UseVault struct {
	Backend    string        `json:"backend"`              // "keyring" or "passphrase"
	Passphrase *secret.Plain `json:"passphrase,omitempty"` // of the passphrase back end that is moved to or from
	// PassphraseFile is remembered, so that the agent can open the vault
	// unattended; a systemd credential, say.
	PassphraseFile string `json:"passphrase_file,omitempty"`
}

// Unlock is the argument of Unlock.
type Unlock struct {
	Passphrase *secret.Plain `json:"passphrase,omitempty"` // nil for the keyring back end, which asks by itself
}

// RestoredVault says what a restore brought back.
type RestoredVault struct {
	SignedOut []string `json:"signed_out,omitempty"` // accounts whose refresh token has rotated since
}
