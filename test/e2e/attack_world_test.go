//go:build unix

package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
)

// A hostile is a world whose servers say what an attacker wants: whatever is not
// changed works, so that a test which fails to attack is noticed.
type hostile struct {
	*world
	mu      sync.Mutex
	instead map[string]http.HandlerFunc // by the name of an endpoint of fakeas, or a path of the MCP server
	edit    func(map[string]any)        // of the authorization server's metadata
}

// newHostile starts a hostile whose servers are honest as yet.
func newHostile(h *home, o fakeas.Options) *hostile {
	h.t.Helper()
	s := &hostile{instead: map[string]http.HandlerFunc{}}
	o.Wrap = func(endpoint string, next http.Handler) http.Handler {
		return s.before(func(*http.Request) string { return endpoint }, next)
	}
	o.EditMetadata = func(m map[string]any) {
		s.mu.Lock()
		edit := s.edit
		s.mu.Unlock()
		if edit != nil {
			edit(m)
		}
	}
	s.world = newWorld(h, o)
	s.mcp = behind(h, fakemcp.Options{Issuer: s.as.Issuer(), Leeway: -1}, func(next http.Handler) http.Handler {
		return s.before(func(r *http.Request) string { return r.URL.Path }, next)
	})
	return s
}

// behind starts an MCP server behind a doorway and what before puts there.
func behind(h *home, o fakemcp.Options, before func(http.Handler) http.Handler) *fakemcp.Server {
	h.t.Helper()
	door := newDoorway(h.t, h)
	m, err := fakemcp.New(o)
	check(h.t, err)
	h.t.Cleanup(m.Close)
	m.SetURL(door.url)
	door.serve(before(m))
	return m
}

// before lets next answer what nothing else was set for.
func (s *hostile) before(name func(*http.Request) string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		f := s.instead[name(r)]
		s.mu.Unlock()
		if f != nil {
			f(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// answers sets what an endpoint or a path of the MCP server answers; nil is what
// it would answer by itself.
func (s *hostile) answers(name string, f http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.instead[name] = f
}

// says changes the metadata of the authorization server.
func (s *hostile) says(edit func(map[string]any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.edit = edit
}

// member is an edit of one member.
func member(name string, value any) func(map[string]any) {
	return func(m map[string]any) { m[name] = value }
}

// document answers with a JSON text.
func document(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(text))
	}
}

// A canary is a server that nobody should ask.
type canary struct {
	url  string
	mu   sync.Mutex
	sang []string
}

func newCanary(t *testing.T) *canary {
	t.Helper()
	c := &canary{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.sang = append(c.sang, r.Method+" "+r.URL.Path)
		w.WriteHeader(http.StatusTeapot)
	}))
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

func (c *canary) wantSilence(t *testing.T, what string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sang) > 0 {
		t.Errorf("%s: requests went where none should: %q", what, c.sang)
		c.sang = nil
	}
}

// A recorder is a browser that notes its arguments and does nothing.
type recorder struct {
	t         *testing.T
	path, log string
}

func newRecorder(t *testing.T) *recorder {
	t.Helper()
	dir := t.TempDir()
	r := &recorder{t: t, path: filepath.Join(dir, "recorder"), log: filepath.Join(dir, "log")}
	script := "#!/bin/sh\nprintf '%s\\0' \"$#\" \"$@\" >>'" + r.log + "'\n"
	writeProgram(t, r.path, []byte(script), 0o700)
	return r
}

// starts returns the arguments of each start so far.
func (r *recorder) starts() (all [][]string) {
	r.t.Helper()
	b, err := os.ReadFile(r.log)
	if os.IsNotExist(err) {
		return nil
	}
	check(r.t, err)
	words := strings.Split(string(b), "\x00")
	for len(words) > 1 {
		n, err := strconv.Atoi(words[0])
		check(r.t, err)
		all = append(all, words[1:1+n])
		words = words[1+n:]
	}
	return all
}
