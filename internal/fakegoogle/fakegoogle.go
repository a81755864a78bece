// Package fakegoogle is a real HTTP server that answers as Google does where
// tokens come from: the token endpoint (JWT bearer grant of RFC 7523 for service
// accounts, a person's sign-in and its refresh), IAM Credentials, the Security
// Token Service, a machine's metadata server, the certificates that ID tokens are
// verified with, and Secret Manager. CloudRun is the gate in front of a service.
// Tests and the demo use it; it imports nothing of testing.
//
// It is strict: a request that Google would refuse is refused in Google's words,
// and a request of a shape that we never want to send is refused too. Start it,
// make a key file with NewKey, and give that to what is to be tested. What only
// speaks to Google's own addresses reaches it through ProxyURL, with CA trusted.
// The Server owns its goroutines; Close waits for them.
package fakegoogle

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// Issuer is the iss of every ID token.
const Issuer = "https://accounts.google.com"

// Paths of the server.
const (
	TokenPath = "/token"
	CertsPath = "/oauth2/v3/certs"
)

// Options are the settings of a Server. The zero value is fine.
type Options struct {
	Addr       string           // Where to listen. Optional; empty means a free port of 127.0.0.1.
	Now        func() time.Time // The clock of "Google". Optional; nil means time.Now.
	Life       time.Duration    // Of the tokens that it makes. Optional; zero means an hour.
	Scopes     []string         // The scopes that it knows. Optional; nil means any https address and openid, email, profile.
	TokenPause func()           // Called before each token answer, without a lock held. Optional.
}

// Counts says how often what was asked for. Every request to /token is in Token
// and in one of the others.
type Counts struct {
	Token, IDToken, AccessToken, Refused, Failed int
	Certs                                        int

	SignedIn, Refreshed, Exchanged int // of Token: a person's sign-ins and refreshes; federated identities
	Impersonated, Metadata, Secret int
}

// A Failure is an answer in place of the right one.
type Failure struct {
	Status int    // zero: the connection is cut
	Body   string // sent as application/json
	Header http.Header
}

// An Access says what an access token that the Server gave out is good for.
type Access struct {
	Email    string
	Scopes   []string
	Expiry   time.Time
	Consumer string // the project whose APIs it uses; empty: Google's own, so a quota project is needed
}

// A Server is Google. It is safe for concurrent use.
type Server struct {
	opts Options
	url  string
	http *http.Server
	done chan struct{} // closed when the listener's goroutine has ended
	keys []*signingKey // of ID tokens; the first one signs

	mu       sync.Mutex
	accounts map[string]*rsa.PublicKey // by private_key_id
	emails   map[string]string         // by private_key_id
	disabled map[string]bool           // by e-mail
	tokens   map[string]Access         // by access token
	failures []Failure                 // of the next requests to /token
	counts   Counts
	world    world
	proxy    *proxy
}

// Start starts a Server that listens until Close.
func Start(opts Options) (*Server, error) {
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Life == 0 {
		opts.Life = time.Hour
	}
	s := &Server{
		opts:     opts,
		done:     make(chan struct{}),
		accounts: map[string]*rsa.PublicKey{},
		emails:   map[string]string{},
		disabled: map[string]bool{},
		tokens:   map[string]Access{},
		world:    newWorld(),
	}
	for range 2 { // Google always publishes more than one
		key, err := newSigningKey()
		if err != nil {
			return nil, err
		}
		s.keys = append(s.keys, key)
	}
	ln, err := net.Listen("tcp", opts.Addr)
	if err != nil {
		return nil, fmt.Errorf("start fake Google: %w", err)
	}
	s.url = "http://" + ln.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc(TokenPath, s.serveToken)
	mux.HandleFunc("GET "+CertsPath, s.serveCerts)
	mux.HandleFunc(metadataPath, s.serveMetadata)
	s.http = &http.Server{Handler: s.dated(mux), ReadHeaderTimeout: 10 * time.Second}
	if s.proxy, err = startProxy(s.dated(s.hosts())); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	go func() {
		defer close(s.done)
		s.http.Serve(ln)
	}()
	return s, nil
}

// URL returns the server's origin.
func (s *Server) URL() string { return s.url }

// TokenURI returns the address of the token endpoint, which is the token_uri of
// its key files and the aud of assertions.
func (s *Server) TokenURI() string { return s.url + TokenPath }

// CertsURL returns the address of the JWK set that verifies ID tokens.
func (s *Server) CertsURL() string { return s.url + CertsPath }

// Close ends the server after the requests in flight, or after five seconds.
func (s *Server) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.done
	return errors.Join(err, s.proxy.close())
}

// FailNext makes the next n requests to the token endpoint end in f. They are
// counted as Failed.
func (s *Server) FailNext(n int, f Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.failures = append(s.failures, f)
	}
}

// Counts returns how often what was asked for so far.
func (s *Server) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Access returns what an access token is good for, and false for one that the
// Server did not give out or that is over.
func (s *Server) Access(token string) (Access, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.tokens[token]
	return a, ok && s.opts.Now().Before(a.Expiry)
}

// count changes the counters.
func (s *Server) count(change func(*Counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.counts)
}

// nextFailure takes the failure that is due, if there is one.
func (s *Server) nextFailure() (Failure, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.failures) == 0 {
		return Failure{}, false
	}
	f := s.failures[0]
	s.failures = s.failures[1:]
	s.counts.Failed++
	return f, true
}

// dated gives every answer the server's own time.
func (s *Server) dated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", s.opts.Now().UTC().Format(http.TimeFormat))
		next.ServeHTTP(w, r)
	})
}

// newRSA returns a key of the size that Google uses.
func newRSA() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) }
