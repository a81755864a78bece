package broker

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/secret"
	"keyporter/broker/source/authcode"
	"keyporter/broker/team"
	"keyporter/internal/hint"
)

// The vault's records. They hold the secrets, and they decide where a secret may
// go: what config.json says about the same things is for people, and a
// difference between the two is an error, never a new destination.
//
// An older program neither heeds nor keeps a field that it does not know. Which new
// ones raise the version stands at the vault's documentVersion.

// A target is where a secret may be sent: an origin and a path with everything
// below it.
type target struct {
	Origin string `json:"origin"`
	Path   string `json:"path"` // without the slash at its end; empty: the whole origin
}

// targetOf returns the target of a server's URL.
func targetOf(rawURL string) (target, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return target{}, fmt.Errorf("server URL has no origin")
	}
	return target{Origin: account.Origin(u), Path: strings.TrimRight(u.EscapedPath(), "/")}, nil
}

// covers reports whether what may go to t may go to other: the same origin, and
// the same path or one below it. Paths are compared as written, so that no
// server's idea of "..", case or escapes matters; one with dot segments is
// covered only by itself.
func (t target) covers(other target) bool {
	if t.Origin != other.Origin {
		return false
	}
	if t.Path == other.Path {
		return true
	}
	return strings.HasPrefix(other.Path, t.Path+"/") && !strings.Contains(other.Path+"/", "/./") &&
		!strings.Contains(other.Path+"/", "/../") && !strings.Contains(strings.ToLower(other.Path), "%2e")
}

func (t target) String() string { return t.Origin + t.Path }

// An accountRecord is an account's secret with everything that decides where
// its tokens may go and whom they are asked from.
type accountRecord struct {
	Kind          account.Kind `json:"kind"`
	Secret        secret.Plain `json:"secret"`
	Issuer        string       `json:"issuer,omitempty"`
	TokenEndpoint string       `json:"token_endpoint,omitempty"`
	ClientID      string       `json:"client_id,omitempty"`
	Audience      string       `json:"audience,omitempty"`
	SelfSigned    bool         `json:"self_signed,omitempty"`
	Header        string       `json:"header,omitempty"`
	AllowTokenURI string       `json:"allow_token_uri,omitempty"`
	FoundIssuer   string       `json:"found_issuer,omitempty"` // without Issuer: the one that the first server named
	Targets       []target     `json:"targets"`
	AddedAt       time.Time    `json:"added_at"`

	IDPTokenEndpoint string `json:"idp_token_endpoint,omitempty"`
	IDPClientID      string `json:"idp_client_id,omitempty"`
	TokenFile        string `json:"token_file,omitempty"`
	Through          string `json:"through,omitempty"`

	Scopes          []string `json:"scopes,omitempty"` // of the kinds whose tokens are Google's, where they are a key to much
	TargetPrincipal string   `json:"target_principal,omitempty"`
	Delegates       []string `json:"delegates,omitempty"`
	Credentials     string   `json:"credentials,omitempty"` // GoogleADC: google.Credentials.Binding of the file
	SecretRef       string   `json:"secret_ref,omitempty"`
	SecretThrough   string   `json:"secret_through,omitempty"`
}

// recordOf returns the vault's record of a new account, without its secret.
func recordOf(a *account.Account) accountRecord {
	rec := accountRecord{
		Kind: a.Kind, Issuer: a.Issuer, TokenEndpoint: a.TokenEndpoint, ClientID: a.ClientID,
		Audience: a.Audience, SelfSigned: a.SelfSigned, Header: a.Header, Targets: []target{},
		IDPTokenEndpoint: a.IDPTokenEndpoint, IDPClientID: a.IDPClientID, TokenFile: a.TokenFile, Through: a.Through,
		TargetPrincipal: a.TargetPrincipal, Delegates: a.Delegates, SecretRef: a.SecretRef, SecretThrough: a.SecretThrough,
	}
	if bindsScopes(a.Kind) {
		rec.Scopes = a.Scopes
	}
	if keyToGoogle(a) {
		rec.Targets = []target{googleTarget}
	}
	return rec
}

// bindsScopes reports whether the scopes of a kind of account are in the vault too.
func bindsScopes(k account.Kind) bool {
	return k == account.Google || k == account.GoogleImpersonate || k == account.GoogleADC
}

// boundFields are the fields of config.json that are also in the vault, with the
// vault's value and config.json's.
func (r *accountRecord) boundFields(a *account.Account) [][3]string {
	return [][3]string{
		{"kind", string(r.Kind), string(a.Kind)},
		{"issuer", r.Issuer, a.Issuer},
		{"token_endpoint", r.TokenEndpoint, a.TokenEndpoint},
		{"client_id", r.ClientID, a.ClientID},
		{"audience", r.Audience, a.Audience},
		{"self_signed", fmt.Sprint(r.SelfSigned), fmt.Sprint(a.SelfSigned)},
		{"header", r.Header, a.Header},
		{"idp_token_endpoint", r.IDPTokenEndpoint, a.IDPTokenEndpoint},
		{"idp_client_id", r.IDPClientID, a.IDPClientID},
		{"token_file", r.TokenFile, a.TokenFile},
		{"through", r.Through, a.Through},
		{"target_principal", r.TargetPrincipal, a.TargetPrincipal},
		{"delegates", strings.Join(r.Delegates, " "), strings.Join(a.Delegates, " ")},
		{"scopes", strings.Join(r.Scopes, " "), strings.Join(boundScopes(a), " ")},
		{"secret_ref", r.SecretRef, a.SecretRef},
		{"secret_through", r.SecretThrough, a.SecretThrough},
	}
}

func boundScopes(a *account.Account) []string {
	if bindsScopes(a.Kind) {
		return a.Scopes
	}
	return nil
}

// agrees returns an error when config.json says something else about the account
// than the vault.
func (r *accountRecord) agrees(a *account.Account) error {
	for _, f := range r.boundFields(a) {
		if f[1] != f[2] {
			return hint.New(hint.ApprovalNeeded,
				fmt.Sprintf("The account %q was changed in config.json: %s is %q there and %q in the vault, so no token is made.", a.Name, f[0], clip(f[2]), clip(f[1])),
				"Put it back as it was, or remove the account and add it again.")
		}
	}
	return nil
}

// missing returns an error when the account's secret is still to be given: one that
// came from a team profile brought none.
func (r *accountRecord) missing(a *account.Account) error {
	if !r.Secret.IsZero() || a.Team == nil || !team.NeedsSecret(a) {
		return nil
	}
	return hint.New(hint.SignInNeeded, fmt.Sprintf("The account %q came from the team profile %q and has no key or secret here yet.", a.Name, a.Team.Profile),
		fmt.Sprintf("Give it yours: keyporter account rotate %s --key-file FILE", quoteArg(a.Name)))
}

// mayGoTo returns an error when the account's tokens may not go to the server.
func (r *accountRecord) mayGoTo(accountName string, s *account.Server) error {
	to, err := targetOf(s.URL)
	if err != nil {
		return err
	}
	if r.covers(to) {
		return nil
	}
	return needsBinding(accountName, s.Name, to)
}

// covers reports whether the account's tokens may go there.
func (r *accountRecord) covers(to target) bool {
	return slices.ContainsFunc(r.Targets, func(t target) bool { return t.covers(to) })
}

// otherOrigin returns an origin that tokens of the account go to, if that of the
// target is none of them, or "".
func (r *accountRecord) otherOrigin(to target) string {
	other := ""
	for _, t := range r.Targets {
		switch {
		case t.Origin == to.Origin:
			return ""
		case other == "" && t != googleTarget:
			other = t.Origin
		}
	}
	return other
}

// elsewhere reports whether the record is of an account whose secret and sign-ins
// are for another place than the one that config.json is to name.
func (r *accountRecord) elsewhere(a *account.Account) bool {
	return r.Kind != a.Kind || r.Issuer != a.Issuer || r.TokenEndpoint != a.TokenEndpoint || r.ClientID != a.ClientID ||
		r.IDPTokenEndpoint != a.IDPTokenEndpoint || r.IDPClientID != a.IDPClientID
}

func needsBinding(accountName, server string, to target) error {
	return hint.New(hint.ApprovalNeeded,
		fmt.Sprintf("Tokens of the account %q have not been allowed to go to %s.", accountName, to),
		fmt.Sprintf("If the server %q should get them, run: keyporter set %s account=%s --bind", server, quoteArg(server), quoteArg(accountName)))
}

// bind adds the target unless it is covered already.
func (r *accountRecord) bind(to target) {
	if !r.covers(to) {
		r.Targets = append(r.Targets, to)
	}
}

// A serverRecord is a server's own secrets and where they may go.
type serverRecord struct {
	Target        target                  `json:"target"`
	SecretHeaders map[string]secret.Plain `json:"secret_headers,omitempty"`
	SecretQuery   map[string]secret.Plain `json:"secret_query,omitempty"`
	ClientID      string                  `json:"client_id,omitempty"` // of the pre-registered client that ClientSecret belongs to
	ClientSecret  secret.Plain            `json:"client_secret,omitzero"`
	Issuer        string                  `json:"issuer,omitempty"`      // the one that ClientSecret was first used at
	ClientCert    string                  `json:"client_cert,omitempty"` // PEM, with its chain
	ClientKey     secret.Plain            `json:"client_key,omitzero"`
	Proxy         string                  `json:"proxy,omitempty"` // as the user set them; see ownSecrets
	CA            string                  `json:"ca,omitempty"`
}

// mayUseSecret returns an error when the client secret may not be used for the
// sign-in that config.json now describes: at another server, or at an issuer that
// was put in by hand. The issuer that a server names by itself is checked when it
// is known, against the one that the secret was first used at.
func (r *serverRecord) mayUseSecret(s *account.Server) error {
	to, err := targetOf(s.URL)
	if err != nil || r.ClientSecret.IsZero() {
		return err
	}
	if r.Target.covers(to) && (s.Issuer == "" || s.Issuer == r.Issuer) {
		return nil
	}
	return hint.New(hint.ApprovalNeeded,
		fmt.Sprintf("The address or the issuer of %s was changed in config.json, and its client secret has not been allowed to go there.", s.Name),
		fmt.Sprintf("If that is right, give the secret again: keyporter set %s client-secret-file=FILE", quoteArg(s.Name)))
}

// A grantRecord is what an authorization server gave one account for one server.
type grantRecord struct {
	authcode.Grant
	Registration string       `json:"registration"`           // how the client came to its id, as in oauth.ClientRegistration.Kind
	ClientSecret secret.Plain `json:"client_secret,omitzero"` // of a client that was registered for this grant
	Target       target       `json:"target"`                 // where its tokens may go
	Asked        []string     `json:"asked,omitempty"`        // the scopes that the sign-in asked for
	Lineage      string       `json:"lineage"`                // names the refresh token's family in state.json
	Rotation     int          `json:"rotation,omitempty"`     // how many of the family had been redeemed when this was written
	SignedOut    string       `json:"signed_out,omitempty"`   // a sentence on why it has ended; empty while it lives
}

// clip shortens a text that came from outside for a sentence.
func clip(s string) string {
	if r := []rune(s); len(r) > 80 {
		return string(r[:80]) + "…"
	}
	return s
}

// quoteArg writes a name as one argument of a command line, for sentences.
func quoteArg(s string) string { return hint.Arg(s) }
