// Package fakemcp is the reference MCP server of the tests and the demo: a real
// HTTP server made with the Go SDK that takes two kinds of bearer token, as
// dual-auth deployments do. At /mcp it is an OAuth resource server (MCP
// authorization, RFC 6750, RFC 8707, RFC 9728) for JWT access tokens of one
// issuer; at /api/mcp it takes Google's ID tokens of service accounts, as Cloud
// Run does.
//
// It is strict: signature, issuer, audience, times and scopes are all checked,
// and a token is taken from the Authorization header only. It serves protocol
// versions of both eras. Counters and a log of requests say what arrived; they
// name tokens by their hashes and hold no secret.
//
// A test calls Start, other programs Listen. The Server owns its goroutines;
// Close waits for them. It imports nothing of testing.
package fakemcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"keyporter/internal/network"
)

// Paths of the server.
const (
	Path    = "/mcp"     // OAuth access tokens
	APIPath = "/api/mcp" // Google ID tokens

	// MetadataPath has the well-known part put in before the resource's path
	// (RFC 9728 section 3.1). There is no document at the root.
	MetadataPath = "/.well-known/oauth-protected-resource" + Path
)

// Options say what the server checks.
type Options struct {
	// Issuer is the iss of access tokens and the authorization server that the
	// metadata names. Required, unless Open.
	Issuer string
	// JWKS is the address of the issuer's keys. Optional; empty is Issuer with
	// /jwks behind it.
	JWKS string
	// Resource is the resource's identifier, which aud has to name. Optional;
	// empty is the server's address with Path.
	Resource string
	// Scopes are needed for every request to Path. Optional; nil is mcp:read.
	Scopes []string
	// ToolScopes are needed for a call of the tool beside Scopes. Optional; nil
	// is mcp:write for add.
	ToolScopes map[string][]string
	// OfferedScopes are asked for by a 401. Optional; nil is all of Scopes and
	// ToolScopes, so that one sign-in is enough for everything. With fewer, a
	// call leads to 403 and insufficient_scope.
	OfferedScopes []string
	// Ended says whether a token is no longer good though it has not expired; it
	// stands for token introspection (RFC 7662). Optional.
	Ended func(claims map[string]any) bool

	// GoogleCerts is the address of the JWK set for ID tokens. Optional; without
	// it there is nothing at APIPath.
	GoogleCerts string
	// GoogleIssuer is the iss of ID tokens. Optional; empty is
	// https://accounts.google.com.
	GoogleIssuer string
	// GoogleAudience is what aud of an ID token has to be. Optional; empty is
	// the server's origin, as a Cloud Run service has it.
	GoogleAudience string
	// GoogleEmails are the accounts that may use the server. Optional; nil is
	// everyone whose address is verified.
	GoogleEmails []string

	// Open serves Path to everybody, without a token.
	Open bool
	// Sessions serves the legacy era with sessions, and the modern one not at
	// all. Without it, both eras are served without sessions.
	Sessions bool
	// JSON answers with application/json in place of an event stream.
	JSON bool
	// Leeway is how far the clocks of issuer and server may be apart. Optional;
	// zero is 30 s, below zero is none.
	Leeway time.Duration
	// Now is the clock. Optional; nil is time.Now.
	Now func() time.Time
	// Observe hears of each request when it is answered. Optional. It may be
	// called by several goroutines at once.
	Observe func(Request)
}

// A Server is the MCP server, an http.Handler. It is safe for concurrent use.
type Server struct {
	o      Options
	mcp    *mcp.Server
	mux    *http.ServeMux
	oauth  *verifier
	google *verifier
	http   *http.Server
	done   chan struct{}      // closed when the listener's goroutine has ended
	end    context.CancelFunc // ends the context of all requests
	keys   *http.Transport
	active sync.WaitGroup // requests; Add under mu, never once closed is set

	log record

	mu      sync.Mutex
	url     string
	closed  bool
	latency time.Duration
	fail    map[string]failure // by path
	refused map[string]bool    // hashes of tokens
}

// New returns a Server that does not listen yet; see SetURL.
func New(o Options) (*Server, error) {
	if o.Issuer == "" && !o.Open {
		return nil, errors.New("fakemcp: Options.Issuer is empty, and Options.Open is not set")
	}
	s := &Server{
		o: o.withDefaults(), mux: http.NewServeMux(), keys: http.DefaultTransport.(*http.Transport).Clone(),
		log: newRecord(), fail: map[string]failure{}, refused: map[string]bool{},
	}
	s.mcp = newMCP(s.o.Now)
	handler := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s.mcp },
		&mcp.StreamableHTTPOptions{Stateless: !o.Sessions, JSONResponse: o.JSON})
	switch {
	case o.Open:
		s.mux.Handle(Path, s.observed(handler))
	default:
		s.oauth = s.oauthVerifier()
		s.mux.Handle(Path, s.observed(s.protect(s.oauth, handler)))
		s.mux.Handle(MetadataPath, s.observed(http.HandlerFunc(s.metadata)))
	}
	if o.GoogleCerts != "" {
		s.google = s.googleVerifier()
		s.mux.Handle(APIPath, s.observed(s.protect(s.google, handler)))
	}
	s.mux.Handle("/", s.observed(http.NotFoundHandler()))
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.JWKS == "" {
		o.JWKS = strings.TrimSuffix(o.Issuer, "/") + "/jwks"
	}
	if o.Scopes == nil {
		o.Scopes = []string{"mcp:read"}
	}
	if o.ToolScopes == nil {
		o.ToolScopes = map[string][]string{"add": {"mcp:write"}}
	}
	if o.OfferedScopes == nil {
		o.OfferedScopes = o.allScopes()
	}
	if o.GoogleIssuer == "" {
		o.GoogleIssuer = "https://accounts.google.com"
	}
	if o.Leeway == 0 {
		o.Leeway = 30 * time.Second
	}
	o.Leeway = max(o.Leeway, 0)
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
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
		t.Fatalf("start fake MCP server: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

// Listen runs a Server on an address of loopback until Close.
func Listen(addr string, o Options) (*Server, error) {
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("start fake MCP server: %w", err)
	}
	if tcp, ok := l.Addr().(*net.TCPAddr); !ok || !tcp.IP.IsLoopback() {
		return nil, errors.Join(errors.New("the fake MCP server listens on loopback only"), l.Close())
	}
	s.SetURL("http://" + l.Addr().String())
	ctx, end := context.WithCancel(context.Background())
	s.http = &http.Server{Handler: network.Own(s), ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	s.end, s.done = end, make(chan struct{})
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // ends with ErrServerClosed
	}()
	return s, nil
}

// Close cuts requests in flight, ends sessions and, if Listen started the
// Server, the listener. It returns when all of them are gone.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	if s.http != nil {
		s.end()
		_ = s.http.Close()
		<-s.done
	}
	s.EndSessions()
	s.active.Wait()
	s.keys.CloseIdleConnections()
}

// SetURL tells the server where it is reachable: scheme, host and port.
func (s *Server) SetURL(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url = strings.TrimSuffix(url, "/")
}

// Origin returns where the server is reachable: scheme, host and port.
func (s *Server) Origin() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.url
}

// URL returns the address of the MCP endpoint that takes access tokens.
func (s *Server) URL() string { return s.Origin() + Path }

// APIURL returns the address of the MCP endpoint that takes ID tokens.
func (s *Server) APIURL() string { return s.Origin() + APIPath }

// Resource returns the resource's identifier (RFC 9728 section 1.2).
func (s *Server) Resource() string {
	if s.o.Resource != "" {
		return s.o.Resource
	}
	return s.URL()
}

// Audience returns what aud of an ID token has to be.
func (s *Server) Audience() string {
	if s.o.GoogleAudience != "" {
		return s.o.GoogleAudience
	}
	return s.Origin()
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.active.Add(1)
	}
	s.mu.Unlock()
	if closed {
		http.Error(w, "the server is closed", http.StatusServiceUnavailable)
		return
	}
	defer s.active.Done()
	s.mux.ServeHTTP(w, r)
}
