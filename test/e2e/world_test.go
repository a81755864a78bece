//go:build unix

package e2e

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

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
// that is issued is a secret of h.
func newWorld(h *home, o fakeas.Options) *world {
	h.t.Helper()
	o.AutoApprove = true
	o.EditToken = func(answer map[string]any) {
		for _, name := range []string{"access_token", "refresh_token", "id_token"} {
			v, _ := answer[name].(string)
			h.secret(v)
		}
	}
	as := fakeas.Start(h.t, o)
	return &world{as: as, mcp: fakemcp.Start(h.t, fakemcp.Options{Issuer: as.Issuer(), Leeway: -1})}
}

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
