package local

import (
	"time"

	"keyporter/broker/account"
	"keyporter/internal/hint"
)

// ShareRequest is the argument of ShareProfile.
type ShareRequest struct {
	Name        string    `json:"name"` // what the profile is known by
	Description string    `json:"description,omitempty"`
	Servers     []string  `json:"servers,omitempty"`    // empty: all in the list
	ExpiresAt   time.Time `json:"expires_at,omitzero"`  // zero: never
	PublicApps  []string  `json:"public_apps,omitzero"` // Google sign-ins whose client secret the user says is not confidential
}

// A SharedProfile is a team profile that was made.
type SharedProfile struct {
	Profile  []byte   `json:"profile"`  // its text
	Servers  []string `json:"servers"`  // in it; never null
	Accounts []string `json:"accounts"` // in it; never null
	Left     []Left   `json:"left"`     // what it does not carry; never null
	Searched int      `json:"searched"` // for how many secrets of the vault it was searched, without finding one
}

// A Left is something that a profile does not carry.
type Left struct {
	Server  string `json:"server,omitempty"`
	Account string `json:"account,omitempty"`
	What    string `json:"what"` // a member's name; of a header: headers.NAME; or one of those below
}

// What of Left, where it is no member's name.
const (
	OwnAccount = "own_account" // colleagues need an account of their own
	OwnSecret  = "own_secret"  // colleagues need a key, secret or token of their own for it
)

// ReviewRequest is the argument of ReviewProfile: where a profile is.
type ReviewRequest struct {
	Profile []byte `json:"profile,omitempty"` // its text
	URL     string `json:"url,omitempty"`     // or where it is read: https; or a keyporter link
	Name    string `json:"name,omitempty"`    // or one that was joined from a URL: is there a new version
}

// A Review is all that joining a profile would do.
type Review struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	URL         string          `json:"url,omitempty"` // where it was read
	Update      bool            `json:"update"`        // one of this name was joined before
	Nothing     bool            `json:"nothing"`       // joining it changes nothing
	IssuedAt    time.Time       `json:"issued_at,omitzero"`
	ExpiresAt   time.Time       `json:"expires_at,omitzero"`
	Signer      Signer          `json:"signer"`
	Changes     []ProfileChange `json:"changes"`  // never null
	Concerns    []Concern       `json:"concerns"` // what has to be agreed to by itself; never null

	Profile []byte `json:"profile,omitempty"` // what was reviewed, for JoinRequest
	ETag    string `json:"etag,omitempty"`
	Digest  string `json:"digest"` // names this review, for JoinRequest
}

// A ChangeOp is what happens to an entry.
type ChangeOp string

// The operations. One that a reader does not know counts as Changed.
const (
	Added    ChangeOp = "add"
	Changed  ChangeOp = "change"
	Removed  ChangeOp = "remove"
	Released ChangeOp = "release" // no longer in the profile, but used by others: it stays, as the user's own
)

// A ProfileChange is what joining does to one server or account.
type ProfileChange struct {
	Op      ChangeOp       `json:"op"`
	Account bool           `json:"account,omitempty"` // it is an account, not a server
	Name    string         `json:"name"`              // here
	As      string         `json:"as,omitempty"`      // its name in the profile, which is taken here
	Members []MemberChange `json:"members,omitempty"`
	To      []string       `json:"to,omitempty"`    // of an account: where its tokens go that they did not go before
	Needs   string         `json:"needs,omitempty"` // what is left to do: OwnSecret, OwnAccount or NeedsSignIn
}

// NeedsSignIn is of ProfileChange.Needs.
const NeedsSignIn = "sign_in"

// A MemberChange is the change of one member; a new entry has no Old.
type MemberChange struct {
	Name string `json:"name"` // as in config.json
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// A Standing says what a profile's signature is worth here.
type Standing string

// The standings. A signature that is of another text, or cut off, is none of them:
// such a profile is not joined. One that a reader does not know counts as
// SignedUnknown.
const (
	Unsigned      Standing = "unsigned"
	SignedKnown   Standing = "known"   // by a key of the list of signers
	SignedUnknown Standing = "unknown" // by a key that is not in it
	SignedExpired Standing = "expired" // by a key that is in it, but not for this day
)

// A Signer is who signed a profile.
type Signer struct {
	Standing    Standing `json:"standing"`
	Name        string   `json:"name,omitempty"`        // as the list has it; of SignedKnown
	Fingerprint string   `json:"fingerprint,omitempty"` // of the key, SHA256:…
	Key         string   `json:"key,omitempty"`         // the public key, as in authorized_keys
}

// A ConcernCode says what a Concern is about. A code that a reader does not know
// is one to be careful about.
type ConcernCode string

// The concerns.
const (
	AudienceElsewhere ConcernCode = "audience"       // tokens for Value, which is not the server, are sent to the server
	ResourceElsewhere ConcernCode = "resource"       // the same, of a sign-in
	IssuerElsewhere   ConcernCode = "issuer"         // Value, another place than the server, signs in or gets the account's secret
	GoogleAccess      ConcernCode = "google_access"  // tokens that are good at Google's own APIs, for Value, are sent to the server
	SeveralServers    ConcernCode = "several"        // tokens of Account go to Origin and to Value
	NoResource        ConcernCode = "no_resource"    // a sign-in does not say which server its tokens are for
	SignInChanged     ConcernCode = "sign_in"        // Value changes how a sign-in is asked for
	SendsIDToken      ConcernCode = "id_token"       // the server gets the token that says who somebody is
	PrivateHost       ConcernCode = "private_host"   // the server may send a sign-in to Value, in a private network
	ThisComputer      ConcernCode = "this_computer"  // the server's address is on the computer that joins
	SecretElsewhere   ConcernCode = "secret_ref"     // the account's secret is read at Value, with the member's own login
	SignerChanged     ConcernCode = "signer_changed" // the profile was signed by another key before, that of Value
	NoLongerSigned    ConcernCode = "unsigned_now"   // the profile was signed by Value before
	SignerExpired     ConcernCode = "signer_expired" // the key that signed it is not valid on this day
	SourceChanged     ConcernCode = "source_changed" // the profile came from Value before
	OlderProfile      ConcernCode = "older"          // one that was made later, at Value, was joined before
)

// A Concern is something in a profile that could make somebody send a valid token
// to a stranger, and is therefore agreed to by itself.
type Concern struct {
	Code    ConcernCode `json:"code"`
	Server  string      `json:"server,omitempty"`  // the name of the server in the profile
	Account string      `json:"account,omitempty"` // and of the account
	Value   string      `json:"value,omitempty"`
	Origin  string      `json:"origin,omitempty"` // of the server: where the tokens go
}

// JoinRequest is the argument of JoinProfile: a review that somebody agreed to.
type JoinRequest struct {
	Profile []byte `json:"profile"`
	URL     string `json:"url,omitempty"` // where it was read: it is remembered for updates
	ETag    string `json:"etag,omitempty"`
	Digest  string `json:"digest"`
	Agreed  bool   `json:"agreed,omitempty"` // to the concerns, by themselves
	Trust   string `json:"trust,omitempty"`  // add the key that signed it to the list of signers, under this name
}

// A JoinedProfile says what joining did.
type JoinedProfile struct {
	Name    string          `json:"name"`
	Changes []ProfileChange `json:"changes"` // never null
}

// A ProfileState is one row of the list of profiles that were joined.
type ProfileState struct {
	Name     string    `json:"name"`
	URL      string    `json:"url,omitempty"`
	Signer   string    `json:"signer,omitempty"` // who signed it, as people say it; empty: nobody, or nobody known
	JoinedAt time.Time `json:"joined_at"`
	Servers  []string  `json:"servers"` // that came from it, as they are named here; never null
}

// A PolicyState is what one policy of an organisation has fixed on this computer.
type PolicyState struct {
	Source       string            `json:"source"` // where it stands
	Organisation string            `json:"organisation,omitempty"`
	Origins      []string          `json:"allowed_origins,omitempty"` // of servers; empty: any
	Kinds        []account.Kind    `json:"allowed_kinds,omitempty"`   // of accounts; empty: any
	Settings     map[string]string `json:"settings,omitempty"`        // that are fixed
	Unknown      []string          `json:"unknown,omitempty"`         // those of them that this version does not have
	Profile      string            `json:"profile,omitempty"`         // that everybody joins
	Signed       bool              `json:"signed,omitempty"`          // only profiles that it knows the signers of are joined
	Problem      *hint.Error       `json:"problem,omitempty"`         // it cannot be understood, so nothing is allowed; or its profile cannot be joined
}
