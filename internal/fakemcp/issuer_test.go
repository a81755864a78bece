package fakemcp

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rsaKeys are two keys, made once: the issuer's and a stranger's.
var rsaKeys = sync.OnceValue(func() [2]*rsa.PrivateKey {
	var keys [2]*rsa.PrivateKey
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

// An issuer signs whatever a test wants and serves its key.
type issuer struct {
	*httptest.Server
	down bool // set before use: the keys answer 500
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if i.down {
			http.Error(w, "down", http.StatusInternalServerError)
			return
		}
		k := rsaKeys()[0].PublicKey
		json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]string{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1",
			"n": base64.RawURLEncoding.EncodeToString(k.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.E)).Bytes()),
		}}})
	}))
	t.Cleanup(i.Close)
	return i
}

// A forgery says how a token differs from a good one.
type forgery struct {
	claims   map[string]any // nil values remove the claim
	header   map[string]any
	stranger bool // signed with another key
	hmac     bool // signed with the public key's bytes as a shared secret
}

// good returns the claims of a good access token for s.
func (i *issuer) good(s *Server) jwt.MapClaims {
	now := s.o.Now()
	return jwt.MapClaims{
		"iss": i.URL, "sub": "alice", "aud": s.Resource(), "client_id": "c1", "scope": "mcp:read mcp:write",
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": "SECRETWORD-" + rand.Text(),
	}
}

// goodID returns the claims of a good ID token of a service account for s.
func (i *issuer) goodID(s *Server) jwt.MapClaims {
	now := s.o.Now()
	return jwt.MapClaims{
		"iss": "https://accounts.google.com", "sub": "100", "azp": "robot@p.example", "aud": s.Audience(),
		"email": "robot@p.example", "email_verified": true, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": "SECRETWORD-" + rand.Text(),
	}
}

func sign(t *testing.T, typ string, claims jwt.MapClaims, f forgery) string {
	t.Helper()
	maps.Copy(claims, f.claims)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	method, key := jwt.SigningMethod(jwt.SigningMethodRS256), any(rsaKeys()[0])
	if f.stranger {
		key = rsaKeys()[1]
	}
	if f.hmac {
		method, key = jwt.SigningMethodHS256, rsaKeys()[0].N.Bytes()
	}
	tok := jwt.NewWithClaims(method, claims)
	tok.Header["typ"], tok.Header["kid"] = typ, "k1"
	maps.Copy(tok.Header, f.header)
	signed, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// access returns an access token for s.
func (i *issuer) access(t *testing.T, s *Server, f forgery) string {
	return sign(t, "at+jwt", i.good(s), f)
}

// withToken is an HTTP client that sends a token; empty: none.
func withToken(t *testing.T, token string) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		if token != "" {
			r = r.Clone(r.Context())
			r.Header.Set("Authorization", "Bearer "+token)
		}
		return transport.RoundTrip(r)
	})}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// connect joins the SDK's client; version empty is the newest.
func connect(t *testing.T, endpoint, token, version string) (*mcp.ClientSession, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	c := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil)
	session, err := c.Connect(ctx, &mcp.StreamableClientTransport{Endpoint: endpoint, HTTPClient: withToken(t, token), MaxRetries: -1},
		&mcp.ClientSessionOptions{ProtocolVersion: version})
	if err == nil {
		t.Cleanup(func() { session.Close() })
	}
	return session, err
}
