// Package fakeas is an authorization server for tests and for the demo: OAuth
// 2.1 with PKCE, resource indicators, rotation of refresh tokens, dynamic
// registration and JWT access tokens, over real HTTP. It is strict: it refuses
// what a careful server refuses, in the words of the RFCs. Everything is in
// memory; anybody may sign in with any name. It writes no logs.
//
// A test calls Start. Others call New, serve the Server, and tell it its address
// with SetURL.
package fakeas

import (
	"crypto/rsa"
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"keyporter/internal/network"
)

// Names of endpoints, for Fail and Counters.
const (
	Metadata   = "metadata"
	Authorize  = "authorize"
	Token      = "token"
	Register   = "register"
	Revoke     = "revoke"
	JWKS       = "jwks"
	Registered = "registered"
	Device     = "device_authorization"
	Pushed     = "par"
)

// A Shape says at which well-known addresses the metadata is.
type Shape string

const (
	Both         Shape = ""              // OAuth and OpenID Connect, path inserted
	OAuthOnly    Shape = "oauth"         // RFC 8414 section 3.1
	OIDCInserted Shape = "oidc-inserted" // /.well-known/openid-configuration/PATH
	OIDCAppended Shape = "oidc-appended" // PATH/.well-known/openid-configuration
	NoMetadata   Shape = "none"          // a server of 2025-03-26 with default endpoints
)

// Options say how the server behaves. The zero value is a modern strict server.
type Options struct {
	IssuerPath string   // Optional. Begins with a slash: "/tenant1".
	Shape      Shape    // Optional.
	Clients    []Client // Optional. Pre-registered clients, and clients with a metadata document (ID is its address).

	Scopes        []string // Optional. What clients may ask for; nil is mcp:read, mcp:write, openid, profile, email, offline_access.
	DefaultScopes []string // Optional. Granted when none is asked for; nil is mcp:read.
	Resources     []string // Optional. Accepted values of resource; nil accepts any absolute URI without a fragment.
	AuthMethods   []string // Optional. Of the token endpoint; nil is none, basic, post and private_key_jwt.

	NoRegistration bool   // no RFC 7591 endpoint
	RegisterMethod string // Optional. The authentication method given to registered clients, whatever they asked for.
	CIMD           bool   // advertise client ID metadata documents
	NoPKCEMetadata bool   // do not advertise S256 (it is still required)
	NoResource     bool   // do not require resource
	ExactRedirect  bool   // compare ports of loopback redirect URIs too

	RequireDPoP   bool                                          // refuse token requests without a proof
	DPoPNonce     func() string                                 // Optional. The nonce that proofs need now.
	Devices       bool                                          // offer device codes
	PushedOnly    bool                                          // require pushed authorization requests
	Assertion     func(assertion string) (user, problem string) // Optional. Offer the JWT bearer grant.
	SubjectTokens []string                                      // Optional. Exchange these ID tokens for ID-JAGs.

	// What providers do in their own ways; see provider.go.
	CheckAuthorize func(q url.Values) (code, description string)    // Optional. After the server's own checks.
	CheckToken     func(form url.Values) (code, description string) // Optional. Before the token endpoint's own checks.
	Offline        func(q url.Values) bool                          // Optional. Whether an authorization request gets a refresh token.
	AudienceParam  bool                                             // audience says what tokens are for; resource is ignored
	IgnoreResource bool                                             // resource is ignored; tokens are for nobody by name
	ScopeParam     string                                           // Optional. In place of scope at the authorization endpoint.
	TokenForm      Form                                             // Optional. Of access tokens.
	FormAnswers    bool                                             // the token endpoint answers with a form
	ErrorStatus    int                                              // Optional. HTTP status of all errors of the token endpoint.
	SecretLife     time.Duration                                    // Optional. Of the secrets of registered clients.
	ClientLife     time.Duration                                    // Optional. After which a registered client is forgotten.
	KeepPrevious   bool                                             // a rotated refresh token is good until its successor is used

	NoIss          bool   // neither advertise nor send iss
	NoIssMetadata  bool   // send iss without advertising it
	IssNotSent     bool   // advertise iss without sending it
	Iss            string // Optional. Sent in place of the issuer.
	MetadataIssuer string // Optional. issuer of the metadata in place of the real one.
	IDTokenIssuer  string // Optional. iss of ID tokens in place of the real one.

	NoRefresh     bool          // issue no refresh tokens
	KeepRefresh   bool          // do not rotate them
	Forget        bool          // forget those that were used, so that a long run takes no more memory; a second use is refused, and not told from a wrong one
	AccessLife    time.Duration // Optional. Zero is an hour.
	AutoApprove   bool          // the authorization endpoint redirects at once, as User
	User          string        // Optional. The name that the page suggests; empty is alice.
	EditMetadata  func(map[string]any)
	EditToken     func(map[string]any)                                  // changes an answer of the token endpoint
	Wrap          func(endpoint string, next http.Handler) http.Handler // stands before each endpoint
	Now           func() time.Time                                      // Optional. nil is time.Now.
	ExtraHandlers map[string]http.Handler                               // further paths, such as a server's resource metadata
}

// A Form is what access tokens look like.
type Form string

const (
	JWT    Form = ""       // RFC 9068
	Opaque Form = "opaque" // only the server itself can read it
	JWE    Form = "jwe"    // encrypted, for the server itself; nobody else can use it
)

// A Client is one that the server knows.
type Client struct {
	ID           string
	Secret       string // for the client_secret methods
	AuthMethod   string // of RFC 7591; empty is none, or client_secret_basic with a Secret
	Key          any    // public key of private_key_jwt
	RedirectURIs []string
	GrantTypes   []string  // empty: authorization_code and refresh_token
	Scopes       []string  // empty: all
	token        string    // registration access token
	expiry       time.Time // zero: never
}

// Counters say what happened so far.
type Counters struct {
	Requests     map[string]int // by endpoint
	Signins      int            // codes issued
	CodesUsed    int            // codes redeemed
	Refreshed    int            // refresh tokens redeemed
	InvalidGrant int            // answers invalid_grant
	Reused       int            // refresh tokens that came a second time
}

// A Server is the authorization server, an http.Handler. It is safe for
// concurrent use.
type Server struct {
	o   Options
	key *rsa.PrivateKey
	mux *http.ServeMux
	srv *http.Server
	end chan struct{} // closed when Serve has returned

	mu       sync.Mutex
	url      string
	clients  map[string]*Client
	codes    map[string]*code
	refresh  map[string]*refreshToken
	revoked  map[string]bool // families
	usedJTI  map[string]bool
	devices  map[string]*deviceCode
	pushes   map[string]pushed        // by request_uri
	opaque   map[string]jwt.MapClaims // access tokens of the form Opaque
	fail     map[string]failure
	counters Counters
}

type failure struct{ n, status int }

// New returns a Server that does not listen yet; see SetURL.
func New(o Options) *Server {
	if o.Scopes == nil {
		o.Scopes = []string{"mcp:read", "mcp:write", "openid", "profile", "email", "offline_access"}
	}
	if o.DefaultScopes == nil {
		o.DefaultScopes = []string{"mcp:read"}
	}
	if o.AuthMethods == nil {
		o.AuthMethods = []string{"none", "client_secret_basic", "client_secret_post", "private_key_jwt"}
	}
	if o.AccessLife == 0 {
		o.AccessLife = time.Hour
	}
	if o.User == "" {
		o.User = "alice"
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Server{
		o: o, key: signingKey(), mux: http.NewServeMux(),
		clients: map[string]*Client{}, codes: map[string]*code{}, refresh: map[string]*refreshToken{},
		revoked: map[string]bool{}, usedJTI: map[string]bool{}, devices: map[string]*deviceCode{}, pushes: map[string]pushed{}, opaque: map[string]jwt.MapClaims{}, fail: map[string]failure{},
		counters: Counters{Requests: map[string]int{}},
	}
	for _, c := range o.Clients {
		s.AddClient(c)
	}
	s.routes()
	return s
}

// TB is what Start needs of a *testing.T.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start runs a Server on 127.0.0.1 until the test ends.
func Start(t TB, o Options) *Server {
	t.Helper()
	s, err := Listen("127.0.0.1:0", o)
	if err != nil {
		t.Fatalf("start fake authorization server: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// Listen runs a Server on an address of loopback until Close.
func Listen(addr string, o Options) (*Server, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		return nil, errors.Join(errors.New("the fake authorization server listens on loopback only"), l.Close())
	}
	s := New(o)
	s.SetURL("http://" + l.Addr().String())
	s.srv = &http.Server{Handler: network.Own(s), ReadHeaderTimeout: 10 * time.Second}
	s.end = make(chan struct{})
	go func() {
		defer close(s.end)
		_ = s.srv.Serve(l) // ends with ErrServerClosed
	}()
	return s, nil
}

// Close ends a Server that Listen started. It cuts requests in flight.
func (s *Server) Close() {
	if s.srv != nil {
		_ = s.srv.Close()
		<-s.end
	}
}

// SetURL tells the server where it is reachable: scheme, host and port.
func (s *Server) SetURL(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url = strings.TrimSuffix(address, "/")
}

// URL returns where the server is reachable.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// Issuer returns the issuer's identifier.
func (s *Server) Issuer() string { return s.URL() + s.o.IssuerPath }

// AddClient makes a client known, or replaces it.
func (s *Server) AddClient(c Client) {
	if c.AuthMethod == "" {
		c.AuthMethod = "none"
		if c.Secret != "" {
			c.AuthMethod = "client_secret_basic"
		}
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = []string{"authorization_code", "refresh_token"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients[c.ID] = &c
}

// client returns a client that the server knows, or nil.
func (s *Server) client(id string) *Client {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.clients[id]
	if c == nil || !c.expiry.IsZero() && !s.o.Now().Before(c.expiry) {
		return nil
	}
	return c
}

// AddRefreshToken makes a refresh token known that another Server issued to a client,
// for a resource and with scopes.
func (s *Server) AddRefreshToken(value, client, user, resource string, scopes ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refresh[value] = &refreshToken{family: value, client: client, resource: resource, user: user, scopes: scopes}
}

// RemoveClient makes the server forget a client: its requests fail with
// invalid_client from then on.
func (s *Server) RemoveClient(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, id)
}

// Fail makes the next n requests to an endpoint fail with an HTTP status.
func (s *Server) Fail(endpoint string, n, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[endpoint] = failure{n, status}
}

// EndGrants revokes every grant, as an administrator would: refresh tokens fail
// with invalid_grant and access tokens are no longer valid.
func (s *Server) EndGrants() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.refresh {
		s.revoked[r.family] = true
	}
	for _, c := range s.codes {
		s.revoked[c.family] = true
	}
}

// Counters returns what happened so far.
func (s *Server) Counters() Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.counters
	c.Requests = maps.Clone(c.Requests)
	return c
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }
