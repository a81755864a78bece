package claims

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"keyporter/internal/hint"
)

// Expected is what a server wants of a token, as far as that is known. What is
// empty is not known, and nothing is said about it.
type Expected struct {
	Name     string   // the server's, whose audience the user may set; empty: the account has one of its own
	Server   string   // the server's address, as the user typed it
	Resource string   // as its metadata names it (RFC 9728 section 2): what aud has to be
	Issuers  []string // authorization servers that the metadata names

	// What the server said when it refused the token (RFC 6750 section 3).
	Refused bool     // it has refused the token
	Error   string   // error of its challenge
	Scopes  []string // scope of its challenge; nil where it refused no token

	Asked  string    // the audience that the token was asked for with
	Issuer string    // who issued the token, for one that does not say so
	Now    time.Time // zero: times are not judged
}

// A Code names a finding, for programs.
type Code string

// The codes. A reader that does not know one shows What and Do.
const (
	Encrypted      Code = "encrypted"       // nobody but somebody else can read it
	Unreadable     Code = "opaque"          // the server may expect to read it
	Expired        Code = "expired"         // exp
	NotYet         Code = "not_yet"         // nbf or iat: a clock is wrong
	WrongIssuer    Code = "issuer"          // iss
	SelfSigned     Code = "self_signed"     // signed by its own subject
	NoAudience     Code = "no_audience"     // aud is missing, or the provider's own
	WrongAudience  Code = "audience"        // aud
	AudienceSlash  Code = "audience_slash"  // aud differs by the slash at its end
	AudiencePath   Code = "audience_path"   // aud is on the server's origin, with another path
	ClientAudience Code = "audience_client" // aud is the client that signed in, as in ID tokens
	CustomDomain   Code = "custom_domain"   // Cloud Run expects its own address
	NoScope        Code = "no_scope"        // Google's ID tokens carry no scope
	MissingScope   Code = "scope"           // scope
	BoundToKey     Code = "bound_to_key"    // cnf
)

// A Finding is something about a token that keeps a server from accepting it.
type Finding struct {
	Code    Code   `json:"code"`
	What    string `json:"what"`              // a sentence
	Do      string `json:"do"`                // a sentence
	Certain bool   `json:"certain,omitempty"` // the server said what it expects; else it may be content all the same
}

// Text gives both sentences.
func (f Finding) Text() string { return f.What + " " + f.Do }

// Judge returns what is wrong with a token for a server, what is certain first.
// Nothing found means that the server's reason is not one that a token shows.
func Judge(t Token, e Expected) []Finding {
	j := judge{t: t, e: e, m: t.read()}
	switch t.Form {
	case JWE:
		j.encrypted()
	case Opaque:
		j.opaque()
	default:
		j.times()
		j.issuer()
		j.audience()
		j.scope()
		j.binding()
	}
	slices.SortStableFunc(j.found, func(a, b Finding) int {
		switch {
		case a.Certain == b.Certain:
			return 0
		case a.Certain:
			return -1
		}
		return 1
	})
	return j.found
}

// A judge collects findings about one token.
type judge struct {
	t     Token
	e     Expected
	m     members
	found []Finding
}

// always adds what can be right nowhere.
func (j *judge) always(code Code, do, what string, args ...any) {
	j.found = append(j.found, Finding{Code: code, What: fmt.Sprintf(what, args...), Do: do, Certain: true})
}

// against adds what contradicts the server's own words. A server that has not
// refused the token may accept more than it says: Entra ID's audiences are not
// addresses, and servers behind it name one all the same.
func (j *judge) against(code Code, do, what string, args ...any) {
	if j.e.Refused {
		j.always(code, do, what, args...)
	}
}

// perhaps adds what may be why a server refused a token.
func (j *judge) perhaps(code Code, do, what string, args ...any) {
	if j.e.Refused {
		j.found = append(j.found, Finding{Code: code, What: fmt.Sprintf(what, args...), Do: do})
	}
}

// setting is how the audience is set: by a command for a server, and for an account
// that has its own where it is added.
func (j *judge) setting() string {
	if j.e.Name == "" {
		return "--audience"
	}
	return fmt.Sprintf("keyporter set %s audience=AUDIENCE", hint.Arg(j.e.Name))
}

// exactly is how a token is asked for with one audience or resource.
func (j *judge) exactly() string {
	if j.e.Name == "" {
		return "--audience or --resource"
	}
	return fmt.Sprintf("keyporter set %s resource=ADDRESS (or audience=ADDRESS)", hint.Arg(j.e.Name))
}

func (j *judge) askAudience() string {
	return fmt.Sprintf("Set the audience that the server expects, with %s.", j.setting())
}

// encrypted is for a JWE. Auth0 encrypts the access tokens of sign-ins that named
// no audience, for its own userinfo endpoint.
func (j *judge) encrypted() {
	if j.e.Asked != "" {
		j.perhaps(Encrypted, "Ask the owner of the server whether it can read encrypted tokens.", "The token is encrypted, for %s.", shown(j.e.Asked))
		return
	}
	j.always(Encrypted, j.askAudience(), "The token is encrypted, so that only the provider itself can read it; providers such as Auth0 do that when they are not told the audience.")
}

// opaque is for a token that says nothing.
func (j *judge) opaque() {
	switch {
	case isGoogle(j.e.Issuer):
		j.perhaps(Unreadable, "If it runs on Cloud Run, behind IAP or with a JWTVerifier, use an account with --audience in place of --scope.",
			"The token is a Google access token, which only Google can read; a server that checks ID tokens refuses it.")
	case strings.HasSuffix(hostOf(j.e.Issuer), ".auth0.com"):
		j.perhaps(Unreadable, j.askAudience(), "The token is opaque; Auth0 issues such when it is not told the audience.")
	default:
		j.perhaps(Unreadable, "Ask the owner of the server whether it wants a JWT or an ID token (--use-id-token).",
			"The token is opaque: only the provider can say what it is good for, and a server that expects a JWT refuses it.")
	}
}

// skew is what clocks may differ by before it is worth a word.
const skew = time.Minute

func (j *judge) times() {
	now := j.e.Now
	if now.IsZero() {
		return
	}
	exp, begins := j.m.time("exp"), j.m.time("nbf")
	if issued := j.m.time("iat"); issued.After(begins) {
		begins = issued
	}
	switch {
	case !exp.IsZero() && !now.Before(exp):
		j.always(Expired, "Check this computer's clock, or sign in again.", "The token expired at %s.", exp.Format(time.RFC3339))
	case begins.After(now.Add(skew)):
		j.always(NotYet, "Set this computer's clock right.", "The token is good only from %s on, which is still to come by this computer's clock.", begins.Format(time.RFC3339))
	}
}

// scope is RFC 9068 section 2.2.3 and RFC 6750 section 3.1.
func (j *judge) scope() {
	granted := append(j.m.words("scope"), j.m.words("scp")...)
	idToken := isGoogle(j.m.str("iss")) && len(granted) == 0
	switch {
	case idToken && (len(j.e.Scopes) > 0 || j.e.Error == "insufficient_scope"):
		j.against(NoScope, "Ask the owner of the server to require no scopes of them (required_scopes of a JWTVerifier), and to look at email or aud instead.",
			"The server requires scopes (%s), and Google's ID tokens never carry any.", orUnnamed(j.e.Scopes))
		return
	case idToken && j.unblamed():
		j.perhaps(NoScope, "Ask the owner of the server to require no scopes of them (required_scopes of a JWTVerifier).",
			"Google's ID tokens carry no scope; a server that requires any refuses each of them.")
		return
	}
	var missing []string
	for _, s := range j.e.Scopes {
		if !slices.Contains(granted, s) {
			missing = append(missing, s)
		}
	}
	switch permissions := append(j.m.words("permissions"), j.m.words("roles")...); {
	case len(missing) == 0 || j.e.Error == "invalid_token" || j.e.Error == "" && len(granted) == 0:
	case !slices.ContainsFunc(missing, func(s string) bool { return !slices.Contains(permissions, s) }):
		j.against(MissingScope, "Ask the owner of the server to look there too.", "The token has %s among its permissions and not in its scope.", listed(missing))
	default:
		j.against(MissingScope, "Sign in again; if that does not bring it, ask the administrator of the provider for the permission.",
			"The token has not the scope %s that the server requires.", listed(missing))
	}
}

// binding is RFC 9449 section 6: such a token is worth nothing without a proof.
func (j *judge) binding() {
	if j.m.has("cnf") && strings.Contains(string(j.m["cnf"]), `"x5t#S256"`) { // RFC 8705 section 3
		j.perhaps(BoundToKey, "Ask the administrator of the provider for tokens without it.", "The token is bound to a client certificate, which does not travel with it.")
	}
}

// unblamed reports whether nothing certain was found so far.
func (j *judge) unblamed() bool {
	return !slices.ContainsFunc(j.found, func(f Finding) bool { return f.Certain })
}

func orUnnamed(scopes []string) string {
	if len(scopes) == 0 {
		return "not named"
	}
	return listed(scopes)
}

// listed writes texts of a token or a server into a sentence.
func listed(texts []string) string { return shown(strings.Join(texts, " ")) }

// shown makes a text from outside fit for a sentence: printable, on one line, 200
// characters at most.
func shown(s string) string {
	r := []rune(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s))
	if len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return string(r)
}
