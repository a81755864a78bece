package peers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// OIDCOptions are the settings of an OIDCProvider.
type OIDCOptions struct {
	Resources   []string      // Required. The resources that it issues tokens for; others get invalid_target.
	TTL         time.Duration // Optional. Life of an access token, whole seconds; zero is 30 s.
	RefreshTTL  time.Duration // Optional. Life of a refresh token, whole seconds; zero is an hour.
	RedirectURI string        // Optional. Registers PreRegistered with this redirect URI.
	PushedOnly  bool          // authorization requests have to be pushed (RFC 9126)
	CAFile      string        // Optional. PEM of a CA that it trusts for client ID metadata documents, then also on loopback.
}

// A Client is a client that an OIDCProvider knows from the start.
type Client struct {
	ID, Secret string
}

// The clients of each OIDCProvider.
var (
	Basic         = Client{"m2m", "m2m-SECRETWORD"}                       // client_credentials, client_secret_basic
	Post          = Client{"m2m-post", "m2m-post-SECRETWORD"}             // client_credentials, client_secret_post
	JWT           = Client{ID: "m2m-jwt"}                                 // client_credentials, private_key_jwt with ECKey or RSAKey
	Device        = Client{ID: "device"}                                  // device_code (RFC 8628), public
	PreRegistered = Client{"pre-registered", "pre-registered-SECRETWORD"} // authorization_code, client_secret_basic
)

// An OIDCProvider is a running oidc-provider: RFC 8414 and OpenID metadata,
// dynamic registration, client ID metadata documents, PKCE required, resource
// indicators, JWT access tokens (RS256), rotating refresh tokens, device flow,
// DPoP, revocation. Any name and password sign in.
type OIDCProvider struct {
	Issuer string
	ECKey  *ecdsa.PrivateKey // P-256, of the client JWT (ES256)
	RSAKey *rsa.PrivateKey   // of the client JWT (RS256)
}

// NewOIDCProvider starts one; it ends with the test.
func NewOIDCProvider(t testing.TB, o OIDCOptions) *OIDCProvider {
	t.Helper()
	if len(o.Resources) == 0 {
		t.Fatal("peers: OIDCOptions.Resources is empty")
	}
	k, err := clientKeys()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{"OP_RESOURCES=" + strings.Join(o.Resources, " "), "OP_JWKS=" + k.jwks}
	if o.TTL != 0 {
		env = append(env, "OP_TTL="+wholeSeconds(t, o.TTL))
	}
	if o.RefreshTTL != 0 {
		env = append(env, "OP_REFRESH_TTL="+wholeSeconds(t, o.RefreshTTL))
	}
	if o.RedirectURI != "" {
		env = append(env, "OP_REDIRECT_URI="+o.RedirectURI)
	}
	if o.PushedOnly {
		env = append(env, "OP_PUSHED_ONLY=1")
	}
	if o.CAFile != "" {
		env = append(env, "NODE_EXTRA_CA_CERTS="+o.CAFile, "OP_FETCH_LOOPBACK=1")
	}
	issuer := startAnnounced(t, nodeCommand(t, "op.mjs", nil, env))
	return &OIDCProvider{Issuer: issuer, ECKey: k.ec, RSAKey: k.rsa}
}

// wholeSeconds writes d in seconds, the only unit that the provider takes.
func wholeSeconds(t testing.TB, d time.Duration) string {
	t.Helper()
	if d < time.Second || d%time.Second != 0 {
		t.Fatalf("peers: %v is not a number of whole seconds", d)
	}
	return strconv.Itoa(int(d / time.Second))
}

// An Event is something that an OIDCProvider did.
type Event struct {
	Event     string    `json:"event"` // "grant.success", "grant.error", "grant.revoked", "authorization.success", "authorization.error", "registration_create.success"
	GrantType string    `json:"grant_type"`
	ClientID  string    `json:"client_id"`
	Resource  Resources `json:"resource"`
	Scope     string    `json:"scope"`
	Error     string    `json:"error"`   // of RFC 6749 section 5.2
	Detail    string    `json:"detail"`  // why, in the provider's words
	AtOnce    int       `json:"at_once"` // token requests that were under way at once so far, at most
}

// Resources are the resource parameters of a request.
type Resources []string

// UnmarshalJSON reads one resource or a list of them.
func (r *Resources) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*r = Resources{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(r))
}

// Events returns what the provider did so far, oldest first. A request that was
// answered is in it.
func (p *OIDCProvider) Events(t testing.TB) []Event {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.Issuer+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var events []Event
	if err := json.NewDecoder(io.LimitReader(res.Body, 64<<20)).Decode(&events); err != nil {
		t.Fatalf("read events of the provider: %v", err)
	}
	return events
}

// Count returns how many events of a kind there were for a grant type; an empty
// grant type counts them all.
func (p *OIDCProvider) Count(t testing.TB, event, grantType string) int {
	t.Helper()
	n := 0
	for _, e := range p.Events(t) {
		if e.Event == event && (grantType == "" || e.GrantType == grantType) {
			n++
		}
	}
	return n
}

// keys are the key pairs of the client JWT.
type keys struct {
	ec   *ecdsa.PrivateKey
	rsa  *rsa.PrivateKey
	jwks string // their public halves, a JWK Set (RFC 7517 section 5)
}

var clientKeys = sync.OnceValues(func() (*keys, error) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	point, err := ec.PublicKey.Bytes() // 4, X, Y
	if err != nil {
		return nil, err
	}
	encode := base64.RawURLEncoding.EncodeToString
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{
		{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "x": encode(point[1:33]), "y": encode(point[33:])},
		{"kty": "RSA", "alg": "RS256", "use": "sig", "n": encode(rs.N.Bytes()), "e": encode(big.NewInt(int64(rs.E)).Bytes())},
	}})
	if err != nil {
		return nil, err
	}
	return &keys{ec: ec, rsa: rs, jwks: string(set)}, nil
})
