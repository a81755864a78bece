// Package loopback receives the redirect at the end of a sign-in in the browser:
// a listener on this computer for one answer (RFC 8252 section 7.3), and the
// reading of a redirect that the user pastes.
//
// It checks that an answer carries the right state and nothing else about it; iss
// and code are broker/source/authcode's. A Listener owns its goroutines; Close
// waits for them.
package loopback

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"keyporter/broker/account"
	"keyporter/internal/hint"
)

const (
	defaultPath = "/callback"
	goodbye     = 2 * time.Second  // for answers in flight when a Listener closes
	outcomeWait = 10 * time.Second // how long the page waits for Finish
)

// Options say where a Listener listens.
type Options struct {
	// State is what an answer has to carry. Required.
	State string

	// RedirectURI fixes host, port and path, for clients that are registered
	// with it: http on 127.0.0.1, [::1] or localhost. Without a port, any is
	// taken. Optional; empty means http://127.0.0.1:PORT/callback.
	RedirectURI string

	// Ports are tried first, in their order, if RedirectURI has none; zero is
	// passed over. Optional.
	Ports []int

	// Page shows how the sign-in ended; it is executed with a Page. Optional; nil
	// means Keyporter's own.
	Page *template.Template
}

// A Listener waits for one answer. Its port is bound when Listen returns, so
// nobody else can take it before the browser opens.
type Listener struct {
	redirect  *url.URL
	uri       string // redirect as the authorization server knows it
	state     string
	page      *template.Template
	servers   sync.WaitGroup
	server    *http.Server
	answer    chan *Response // holds the one answer; never closed
	outcome   chan struct{}  // closed by Finish or Close
	closeOnce sync.Once

	mu       sync.Mutex
	taken    bool   // the answer has come
	finished bool   // outcome is closed
	ok       bool   // what Finish said
	who      string // what Finish said
}

// Listen binds the port and begins to answer.
func Listen(ctx context.Context, o Options) (*Listener, error) {
	if o.State == "" {
		return nil, errors.New("listen for redirect: State is required")
	}
	redirect, err := redirectURL(o)
	if err != nil {
		return nil, err
	}
	listeners, err := bind(ctx, redirect, o.Ports)
	if err != nil {
		return nil, err
	}
	port := listeners[0].Addr().(*net.TCPAddr).Port
	uri := o.RedirectURI
	if redirect.Port() == "" || redirect.Port() == "0" {
		redirect.Host = net.JoinHostPort(redirect.Hostname(), strconv.Itoa(port))
		uri = redirect.String()
	}
	l := &Listener{
		redirect: redirect, uri: uri, state: o.State, page: o.Page,
		answer: make(chan *Response, 1), outcome: make(chan struct{}),
	}
	if l.page == nil {
		l.page = defaultPage
	}
	l.server = &http.Server{
		Handler:           http.HandlerFunc(l.serve),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      outcomeWait + 10*time.Second,
		IdleTimeout:       10 * time.Second,
		MaxHeaderBytes:    64 << 10,
	}
	for _, ln := range listeners {
		l.servers.Go(func() { _ = l.server.Serve(ln) }) // ends with ErrServerClosed
	}
	return l, nil
}

// redirectURL returns the redirect URI to listen at; its port may be missing.
func redirectURL(o Options) (*url.URL, error) {
	if o.RedirectURI == "" {
		return &url.URL{Scheme: "http", Host: "127.0.0.1", Path: defaultPath}, nil
	}
	u, err := url.Parse(o.RedirectURI)
	if err != nil || !IsLoopback(o.RedirectURI) {
		return nil, hint.New(hint.Usage, fmt.Sprintf("%q is not an address on this computer.", o.RedirectURI),
			"Use a redirect URI such as http://127.0.0.1:8765/callback.")
	}
	return u, nil
}

// IsLoopback reports whether a Listener can listen at a redirect URI.
func IsLoopback(redirectURI string) bool {
	u, err := url.Parse(redirectURI)
	return err == nil && u.Scheme == "http" && account.Loopback(u.Hostname()) && u.User == nil && u.Fragment == "" && u.RawQuery == ""
}

// RedirectURI returns the redirect URI with the bound port. One that came with a
// port is returned byte for byte.
func (l *Listener) RedirectURI() string { return l.uri }

// Wait returns the answer, or ctx's error. The browser's page stays open until
// Finish is called.
func (l *Listener) Wait(ctx context.Context) (*Response, error) {
	select {
	case r := <-l.answer:
		return r, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the browser: %w", ctx.Err())
	}
}

// Answers is Wait for callers that select.
func (l *Listener) Answers() <-chan *Response { return l.answer }

// Finish tells the page in the browser how the sign-in ended, and who is signed in
// as far as that is known.
func (l *Listener) Finish(ok bool, who string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.finished {
		l.finished, l.ok, l.who = true, ok, who
		close(l.outcome)
	}
}

// Close ends the listener: pages that wait are answered, two seconds at most.
func (l *Listener) Close() {
	l.closeOnce.Do(func() {
		l.Finish(false, "")
		ctx, cancel := context.WithTimeout(context.Background(), goodbye)
		defer cancel()
		if l.server.Shutdown(ctx) != nil {
			_ = l.server.Close()
		}
		l.servers.Wait()
	})
}

// serve answers the browser.
func (l *Listener) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case !strings.EqualFold(strings.TrimSuffix(r.Host, ":80"), strings.TrimSuffix(l.redirect.Host, ":80")): // a page elsewhere whose name leads here
		http.Error(w, "wrong host", http.StatusMisdirectedRequest)
		return
	case r.URL.EscapedPath() != pathOf(l.redirect):
		http.NotFound(w, r)
		return
	}
	values, err := requestValues(w, r)
	if err != nil {
		l.show(w, r, http.StatusBadRequest, pageForeign)
		return
	}
	answer, err := parseValues(values)
	if err != nil || subtle.ConstantTimeCompare([]byte(answer.State), []byte(l.state)) != 1 {
		l.show(w, r, http.StatusBadRequest, pageForeign)
		return
	}
	if l.take() {
		l.answer <- answer
	}
	if answer.Error != "" {
		l.show(w, r, http.StatusOK, pageDenied)
		return
	}
	timeout := time.NewTimer(outcomeWait)
	defer timeout.Stop()
	select {
	case <-l.outcome:
	case <-timeout.C:
		l.show(w, r, http.StatusOK, pageUnsure)
		return
	case <-r.Context().Done():
		return
	}
	l.mu.Lock()
	ok, who := l.ok, l.who
	l.mu.Unlock()
	if ok {
		l.showWho(w, r, http.StatusOK, pageDone, who)
	} else {
		l.show(w, r, http.StatusOK, pageFailed)
	}
}

// take reports whether this answer is the first.
func (l *Listener) take() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !l.taken
	l.taken = true
	return first
}

func pathOf(u *url.URL) string {
	if p := u.EscapedPath(); p != "" {
		return p
	}
	return "/"
}
