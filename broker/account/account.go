// Package account is the records of accounts and servers as they stand in
// config.json: their kinds, their checks, their stored form. No field of a
// record can hold a secret, and nothing here decides where a token may go: the
// bindings in the vault do (see broker), so that editing config.json by hand
// can never send a token somewhere new.
package account

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"

	"keyporter/internal/hint"
	"keyporter/internal/lazy"
)

// A Kind is a way to tokens.
type Kind string

// The kinds of account. The words are those of the command line.
const (
	OAuth             Kind = "oauth"              // MCP authorization: a person's sign-in
	Google            Kind = "google"             // a person's Google sign-in, with the organisation's desktop client
	GoogleKey         Kind = "google-key"         // a Google service account's key file
	GoogleImpersonate Kind = "google-impersonate" // a Google service account, through another Google account
	GoogleADC         Kind = "google-adc"         // the computer's own Google credentials
	ClientCredentials Kind = "client-credentials" // RFC 6749 section 4.4
	Enterprise        Kind = "enterprise"         // single sign-on: ID-JAG (RFC 8693, RFC 7523)
	Workload          Kind = "workload"           // a JWT that the platform gives to a program (RFC 7523 section 2.1)
	Static            Kind = "static"             // a fixed bearer token or API-key header
)

// Words says the kind in plain words, in English.
func (k Kind) Words() string {
	switch k {
	case OAuth:
		return "sign-in"
	case Google:
		return "Google sign-in"
	case GoogleKey:
		return "Google service-account key"
	case GoogleImpersonate:
		return "Google impersonation"
	case GoogleADC:
		return "Google credentials of this computer"
	case ClientCredentials:
		return "client credentials"
	case Enterprise:
		return "enterprise sign-in"
	case Workload:
		return "workload identity"
	case Static:
		return "fixed token"
	}
	return string(k)
}

// An Account is a way to get tokens that the user added. Which fields matter
// depends on the kind; Check says so. Everything that decides where a token
// goes (Issuer, TokenEndpoint, TokenURI, Audience, Header) is also in the
// vault's record of the account, and the vault's word counts.
type Account struct {
	Name string `json:"-"`
	Kind Kind   `json:"kind"`

	Issuer        string   `json:"issuer,omitempty"`         // OAuth, ClientCredentials, Enterprise, Workload: the authorization server
	TokenEndpoint string   `json:"token_endpoint,omitempty"` // ClientCredentials: instead of an issuer
	ClientID      string   `json:"client_id,omitempty"`      // OAuth (pre-registered or as registered), ClientCredentials, Enterprise, Workload
	AuthMethod    string   `json:"auth_method,omitempty"`    // ClientCredentials: token_endpoint_auth_method of RFC 7591
	Alg           string   `json:"alg,omitempty"`            // ClientCredentials with a key: JWS algorithm; empty follows the key
	Scopes        []string `json:"scopes,omitempty"`         // ClientCredentials, Enterprise, Workload, Google…: of access tokens
	Audience      string   `json:"audience,omitempty"`       // Google…: aud of an ID token, or of a self-signed JWT
	SelfSigned    bool     `json:"self_signed,omitzero"`     // GoogleKey: sign the token with the key itself
	TokenURI      string   `json:"token_uri,omitempty"`      // GoogleKey: of the key file, when not Google's default
	Email         string   `json:"email,omitempty"`          // GoogleKey: client_email of the key file
	KeyID         string   `json:"key_id,omitempty"`         // GoogleKey: the last four characters of private_key_id
	Header        string   `json:"header,omitempty"`         // Static: the header field; empty is Authorization with Bearer

	IDPTokenEndpoint string `json:"idp_token_endpoint,omitempty"` // Enterprise: of the company's identity provider
	IDPClientID      string `json:"idp_client_id,omitempty"`      // Enterprise: our client there
	TokenFile        string `json:"token_file,omitempty"`         // Workload: absolute path of the JWT; Enterprise: of the ID token; GoogleADC: of the credentials, empty for the metadata server; read anew each time
	Through          string `json:"through,omitempty"`            // Enterprise: the account whose sign-in brings the ID token; GoogleImpersonate: whose access token impersonates

	TargetPrincipal string   `json:"target_principal,omitempty"` // GoogleImpersonate: e-mail address of the service account
	Delegates       []string `json:"delegates,omitempty"`        // GoogleImpersonate: service accounts in between, in their order
	Lifetime        int      `json:"lifetime,omitzero"`          // GoogleImpersonate: of access tokens, in seconds; zero is Google's default, an hour

	// SecretRef says where the secret rests, for an account whose secret is not in
	// the vault: a reference of broker/reference. SecretThrough is the Google
	// account that reads a gcpsm reference.
	SecretRef     string `json:"secret_ref,omitempty"`
	SecretThrough string `json:"secret_through,omitempty"`

	Team *TeamMark `json:"team,omitempty"` // it came from a team profile

	// Unknown keeps fields that this version does not know.
	Unknown map[string]json.RawMessage `json:",embed"`
}

// A TeamMark says which entry of which team profile an entry is, and what of it
// the profile says: that is what a new version of the profile may change.
type TeamMark struct {
	Profile string   `json:"profile"`
	Name    string   `json:"name"`    // in the profile
	Members []string `json:"members"` // as in config.json, sorted
}

// A SignIn says what a bridge may do when a sign-in is missing.
type SignIn string

const (
	SignInNotify  SignIn = "notify"  // the default: one notification, and the sign_in tool
	SignInBrowser SignIn = "browser" // open the browser at once
	SignInNever   SignIn = "never"   // answer with an error
)

// A DPoP says whether the tokens of a sign-in are bound to a key (RFC 9449).
type DPoP string

const (
	DPoPAuto   DPoP = "auto"   // the default: where the server wants it
	DPoPAlways DPoP = "always" // refuse an authorization server that cannot
	DPoPNever  DPoP = "never"
)

// A Server is an MCP server in the list: a name that the user chose, a URL, and
// the account it uses.
type Server struct {
	Name    string `json:"-"`
	URL     string `json:"url"`
	Account string `json:"account,omitempty"` // empty: none, or none yet

	// What the user fixed for the sign-in (kind oauth). Empty means: as the
	// server's metadata says.
	ClientID          string            `json:"client_id,omitempty"`           // a pre-registered client; its secret is in the vault
	ClientMetadataURL string            `json:"client_metadata_url,omitempty"` // a client ID metadata document
	Issuer            string            `json:"issuer,omitempty"`
	Scopes            []string          `json:"scopes,omitempty"`
	Audience          string            `json:"audience,omitempty"` // the audience parameter that Auth0 wants
	Resource          string            `json:"resource,omitempty"` // instead of the server's own (RFC 8707)
	NoResource        bool              `json:"no_resource,omitzero"`
	AssumePKCE        bool              `json:"assume_pkce,omitzero"`  // the issuer does S256 though its metadata does not say so
	DPoP              DPoP              `json:"dpop,omitempty"`        // empty is auto
	UseIDToken        bool              `json:"use_id_token,omitzero"` // the server wants the ID token as bearer token
	AuthorizeParams   map[string]string `json:"authorize_params,omitempty"`
	RedirectURI       string            `json:"redirect_uri,omitempty"`
	Preset            json.RawMessage   `json:"preset,omitempty"` // what is known about the provider: a name, or fields to change; see oauth.FindPreset

	Headers       map[string]string `json:"headers,omitempty"`        // fixed header fields of every request
	SecretHeaders []string          `json:"secret_headers,omitempty"` // names only; the values are in the vault
	SecretQuery   []string          `json:"secret_query,omitempty"`   // names of parameters of the address; the values are in the vault
	TokenHeader   string            `json:"token_header,omitempty"`   // where the token goes; empty is Authorization
	Further       bool              `json:"-"`                        // set in what Layers returns beyond the first
	AlsoAccounts  map[string]string `json:"also_accounts,omitempty"`  // further accounts by the header in which their tokens go
	AllowHosts    []string          `json:"allow_hosts,omitempty"`    // hosts that metadata may name although they are private
	AllowHTTP     bool              `json:"allow_http,omitzero"`      // a bearer over plain http beyond loopback
	SignIn        SignIn            `json:"sign_in,omitempty"`        // empty is notify
	Proxy         string            `json:"proxy,omitempty"`          // instead of the environment's; "direct" is none
	CA            string            `json:"ca,omitempty"`             // path of a PEM file with certificate authorities beside the system's
	ClientCert    string            `json:"client_cert,omitempty"`    // the SHA-256, in hex, of a client certificate; it and its key are in the vault
	Transport     Transport         `json:"transport,omitempty"`      // empty is auto
	Era           Era               `json:"era,omitempty"`            // empty is auto

	ToolPolicy

	Team *TeamMark `json:"team,omitempty"` // it came from a team profile

	// Unknown keeps fields that this version does not know.
	Unknown map[string]json.RawMessage `json:",embed"`
}

var (
	nameForm   = lazy.Regexp(`^[\pL\pN][\pL\pN ._-]{0,62}[\pL\pN]$|^[\pL\pN]$`)
	headerForm = lazy.Regexp("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$")
)

// CheckName reports whether s can name a server or an account: 1 to 64 letters
// and digits of any script, with spaces, dots, dashes and underscores inside.
// A name is a key of config.json, an argument of a command and a part of file
// names.
func CheckName(s string) error {
	if !nameForm().MatchString(s) {
		return hint.New(hint.Usage, fmt.Sprintf("%q cannot be a name.", clip(s)),
			"Use 1 to 64 letters and digits; spaces, dots, dashes and underscores may stand inside.")
	}
	return nil
}

// CheckHeader reports whether s is a header field name (RFC 9110 section 5.1)
// that Keyporter does not set itself.
func CheckHeader(s string) error {
	if !headerForm().MatchString(s) {
		return hint.New(hint.Usage, fmt.Sprintf("%q is not a header name.", clip(s)), "Use the name alone, such as X-API-Key.")
	}
	switch l := strings.ToLower(s); {
	case strings.HasPrefix(l, "mcp-"), l == "host", l == "content-length", l == "content-type", l == "accept",
		l == "transfer-encoding", l == "connection", l == "last-event-id", l == "te", l == "upgrade", l == "trailer":
		return hint.New(hint.Usage, fmt.Sprintf("The header %s belongs to the protocol.", s), "Leave it out; Keyporter sets it.")
	}
	return nil
}

// ParseURL checks the address of an MCP server: absolute, https (or http on
// loopback, or http at all with allowHTTP), with a host, without user, password
// or fragment.
func ParseURL(s string, allowHTTP bool) (*url.URL, error) {
	what := fmt.Sprintf("%q is not the address of an MCP server.", clip(s))
	u, err := url.Parse(strings.TrimSpace(s))
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, hint.New(hint.Usage, what, "Use the whole address, such as https://mcp.example.com/mcp.")
	case u.User != nil:
		return nil, hint.New(hint.Usage, "The address has a user name or password in it.",
			"Leave it out and add the secret with --secret-header or as an account.")
	case u.Fragment != "":
		return nil, hint.New(hint.Usage, what, "Leave out the part after #.")
	case u.Scheme == "http" && !allowHTTP && !Loopback(u.Hostname()):
		return nil, hint.New(hint.Usage, "The address begins with http://, so a token would travel unprotected.",
			"Use https://, or --allow-http if you trust the whole way to the server.")
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, hint.New(hint.Usage, what, "It has to begin with https://.")
	}
	return u, nil
}

// Loopback reports whether host, a name or a literal address without port, is
// this machine's own: localhost or a loopback address.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && a.Unmap().IsLoopback()
}

// Origin returns the origin of u (RFC 6454 section 6.2): scheme, host in lower
// case and port, the port left out where it is the scheme's own.
func Origin(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port == "" || port == "443" && u.Scheme == "https" || port == "80" && u.Scheme == "http" {
		return u.Scheme + "://" + host
	}
	return u.Scheme + "://" + host + ":" + port
}

// HasSecrets reports whether the server has secrets of its own, which are in the
// vault, beside those of its account.
func (s *Server) HasSecrets() bool { return len(s.SecretHeaders) > 0 || len(s.SecretQuery) > 0 }

// Check reports what is wrong with the record.
func (s *Server) Check() error {
	if err := CheckName(s.Name); err != nil {
		return err
	}
	if _, err := ParseURL(s.URL, s.AllowHTTP); err != nil {
		return err
	}
	for h := range s.Headers {
		if err := CheckHeader(h); err != nil {
			return err
		}
	}
	for _, h := range s.SecretHeaders {
		if err := CheckHeader(h); err != nil {
			return err
		}
	}
	if s.TokenHeader != "" {
		if err := CheckHeader(s.TokenHeader); err != nil {
			return err
		}
	}
	if err := s.checkAlsoAccounts(); err != nil {
		return err
	}
	if s.NoResource && s.Resource != "" {
		return hint.New(hint.Usage, "--resource and --no-resource exclude each other.", "Keep one of them.")
	}
	switch s.SignIn {
	case "", SignInNotify, SignInBrowser, SignInNever:
	default:
		return hint.New(hint.Usage, fmt.Sprintf("%q is not a way to sign in.", clip(string(s.SignIn))), "Use notify, browser or never.")
	}
	switch s.DPoP {
	case "", DPoPAuto, DPoPAlways, DPoPNever:
	default:
		return hint.New(hint.Usage, fmt.Sprintf("%q is not a way to use DPoP.", clip(string(s.DPoP))), "Use auto, always or never.")
	}
	if s.ClientMetadataURL != "" {
		if err := CheckDocumentURL(s.ClientMetadataURL); err != nil {
			return err
		}
	}
	if err := CheckProxy(s.Proxy); err != nil {
		return err
	}
	if s.CA != "" && !filepath.IsAbs(s.CA) {
		return hint.New(hint.Usage, "The path of the file of certificate authorities is not absolute.", "Give the whole path.")
	}
	switch s.Transport {
	case "", TransportAuto, TransportHTTP, TransportSSE:
	default:
		return hint.New(hint.Usage, fmt.Sprintf("%q is not a transport.", clip(string(s.Transport))), "Use auto, http or sse.")
	}
	switch s.Era {
	case "", EraAuto, EraLegacy, EraModern:
	default:
		return hint.New(hint.Usage, fmt.Sprintf("%q is not an era of the protocol.", clip(string(s.Era))), "Use auto, legacy or modern.")
	}
	return nil
}

// CheckDocumentURL reports whether s can be the address of a client ID metadata
// document: https with a path (draft-ietf-oauth-client-id-metadata-document
// section 3).
func CheckDocumentURL(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Path == "" || u.Path == "/" {
		return hint.New(hint.Usage, fmt.Sprintf("%q is not the address of a client ID metadata document.", clip(s)),
			"It begins with https:// and has a path, such as https://example.com/keyporter.json.")
	}
	return nil
}

// Check reports what is wrong with the record.
func (a *Account) Check() error {
	if err := CheckName(a.Name); err != nil {
		return err
	}
	switch a.Kind {
	case OAuth:
	case Google, GoogleKey, GoogleImpersonate, GoogleADC:
		return a.checkGoogle()
	case ClientCredentials:
		if a.ClientID == "" {
			return hint.New(hint.Usage, "Client credentials need a client id.", "Give --client-id.")
		}
		if a.Issuer != "" && a.TokenEndpoint != "" {
			return hint.New(hint.Usage, "Client credentials need one place to get tokens from.", "Give --issuer or --token-endpoint, or neither if the server names it.")
		}
	case Enterprise:
		switch {
		case a.ClientID == "" || a.IDPClientID == "" || a.IDPTokenEndpoint == "":
			return hint.New(hint.Usage, "An enterprise sign-in needs a client at the server's side and one at the identity provider.",
				"Give --client-id, --idp-client-id and --idp-token-endpoint.")
		case (a.TokenFile == "") == (a.Through == ""):
			return hint.New(hint.Usage, "An enterprise sign-in needs one source of ID tokens.", "Give --id-token-file or --through.")
		}
	case Workload:
		if a.ClientID == "" || a.TokenFile == "" {
			return hint.New(hint.Usage, "A workload needs a client id and the file with its token.", "Give --client-id and --token-file.")
		}
	case Static:
		if a.Header != "" {
			return CheckHeader(a.Header)
		}
	default:
		return hint.New(hint.Usage, fmt.Sprintf("%q is not a kind of account.", clip(string(a.Kind))),
			"See keyporter account add --help.")
	}
	return nil
}

// clip shortens a text that came from outside for an error sentence.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
