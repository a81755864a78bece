//go:build unix

package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
)

// tools are those of fakemcp, as it lists them.
var tools = []string{"add", "get_time", "greet", "whoami"}

// A world is an MCP server behind a sign-in.
type world struct {
	as  *fakeas.Server
	mcp *fakemcp.Server
}

// newWorld starts an authorization server at which everybody is signed in as
// alice, and an MCP server that takes its tokens and no expired ones. Each token
// that is issued is a secret of h, and so are codes, verifiers and clients' secrets.
func newWorld(h *home, o fakeas.Options) *world {
	h.t.Helper()
	return newWorldWithin(h, o, -1)
}

// newWorldWithin is newWorld, whose MCP server takes tokens that expired no longer
// ago than leeway: for short tokens that are not to expire on a slow machine between
// a bridge and the server.
func newWorldWithin(h *home, o fakeas.Options, leeway time.Duration) *world {
	h.t.Helper()
	o.AutoApprove = true
	o.EditToken = func(answer map[string]any) {
		for _, name := range []string{"access_token", "refresh_token", "id_token"} {
			v, _ := answer[name].(string)
			h.secret(v)
		}
	}
	wrap := o.Wrap
	o.Wrap = func(endpoint string, next http.Handler) http.Handler {
		if wrap != nil {
			next = wrap(endpoint, next)
		}
		return h.noting(endpoint, next)
	}
	as := fakeas.Start(h.t, o)
	return &world{as: as, mcp: fakemcp.Start(h.t, fakemcp.Options{Issuer: as.Issuer(), Leeway: leeway})}
}

// confidential are the parameters of a token request (RFC 6749, 7523, 7636, 8628)
// that nobody else may know.
var confidential = []string{"code", "code_verifier", "refresh_token", "client_secret", "client_assertion", "assertion", "device_code", "subject_token"}

// noting takes what clients send to an authorization server, and are given at their
// registration, for secrets.
func (h *home) noting(endpoint string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch endpoint {
		case fakeas.Token:
			for _, name := range confidential {
				h.secret(r.PostFormValue(name))
			}
			_, password, _ := r.BasicAuth()
			h.secret(password)
		case fakeas.Register:
			answer := &witness{ResponseWriter: w}
			next.ServeHTTP(answer, r)
			var client struct {
				Secret string `json:"client_secret"`
				Token  string `json:"registration_access_token"`
			}
			_ = json.Unmarshal(answer.begin, &client) // an error has neither
			h.secret(client.Secret, client.Token)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// A witness passes an answer on as it is written, and keeps its beginning.
type witness struct {
	http.ResponseWriter
	begin []byte
}

func (w *witness) Write(p []byte) (int, error) {
	w.begin = append(w.begin, p[:min(len(p), 64<<10-len(w.begin))]...)
	return w.ResponseWriter.Write(p)
}

func (w *witness) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// signedIn adds the world's server to h as acme and signs in.
func (w *world) signedIn(h *home) *world {
	h.t.Helper()
	h.do("add", "acme", w.mcp.URL())
	h.do("login", "acme")
	h.wantBrowsers(1)
	return w
}

// A doorway is an address of an HTTP server that can be had before the server.
// It notes the tokens that come in.
type doorway struct {
	url  string
	next atomic.Pointer[http.Handler]
}

func newDoorway(t *testing.T, h *home) *doorway {
	t.Helper()
	d := &doorway{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
			h.secret(token)
		}
		if next := d.next.Load(); next != nil {
			(*next).ServeHTTP(w, r)
			return
		}
		http.Error(w, "not there yet", http.StatusServiceUnavailable)
	}))
	t.Cleanup(s.Close)
	d.url = s.URL
	return d
}

// serve puts a server behind the doorway.
func (d *doorway) serve(s http.Handler) { d.next.Store(&s) }

func containsAll(text string, all ...string) bool {
	for _, s := range all {
		if !strings.Contains(text, s) {
			return false
		}
	}
	return true
}
