package bridge

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"keyporter/bridge/streamable"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// A view is what the bridge knows about its server at one moment. It does not
// change; a newer one takes its place.
type view struct {
	state *local.BridgeState // nil before the agent has said anything
	cred  *streamable.Credentials
	err   *hint.Error // why requests cannot go out; nil if they can
}

// ready reports whether requests can go out.
func (v *view) ready() bool { return v.err == nil }

// wanting reports whether v is ready but for a token, which is being renewed or
// is over: the agent has to be asked for one.
func (v *view) wanting() bool {
	if v.wants("") {
		return true
	}
	return v.ready() && slices.ContainsFunc(v.state.Further, func(t local.Token) bool { return t.Hash == "" })
}

// wants is wanting for the token in one header; "" is the main one.
func (v *view) wants(header string) bool {
	if header == "" {
		return v.ready() && v.state.NeedsToken && v.state.Token == nil
	}
	t := v.token(header)
	return v.ready() && t != nil && t.Hash == ""
}

// token returns the token in a header, or nil.
func (v *view) token(header string) *local.Token {
	if header == "" {
		return v.state.Token
	}
	for i := range v.state.Further {
		if v.state.Further[i].Header == header {
			return &v.state.Further[i]
		}
	}
	return nil
}

// hash returns the hash of the token in a header.
func (v *view) hash(header string) string { return hashIn(v.cred, header) }

// with returns the state of v with another token in a header.
func (v *view) with(t *local.Token, header string) *local.BridgeState {
	s, with := *v.state, *t
	if old := v.token(header); old != nil && with.Who == "" {
		with.Who = old.Who
	}
	if header == "" {
		s.Token = &with
		return &s
	}
	s.Further = slices.Clone(s.Further)
	for i := range s.Further {
		if s.Further[i].Header == header {
			with.Header = header
			s.Further[i] = with
		}
	}
	return &s
}

// authorization returns the header of the token that the server's own refusals are
// about, as token takes it: Authorization, whichever account that is.
func (v *view) authorization() string {
	if t := v.token("Authorization"); t != nil {
		return t.Header
	}
	return ""
}

// outdated reports whether w is ready in a way that v was not: at all, or with
// another token.
func (v *view) outdated(w *view) bool {
	return w.ready() && (!v.ready() || !sameTokens(w.cred, v.cred) && !w.wanting() || w.state.Status == local.Ready && v.state.Status != local.Ready)
}

func sameTokens(a, b *streamable.Credentials) bool {
	return a.Hash == b.Hash && slices.Equal(a.Further, b.Further)
}

// A link is the bridge's connection to the agent: it keeps the newest view and
// asks for tokens. It is the Access of the HTTP side.
type link struct {
	life    context.Context // of the whole connection; questions that several wait for run under it
	connect func(context.Context) (Agent, error)
	started func(context.Context) error // may be nil
	server  string
	now     func() time.Time
	log     *slog.Logger

	// Set before run: what to do while an agent that is being stopped still
	// answers, and when an agent has been joined. Either may be nil.
	parting func(context.Context)
	joined  func()

	view  atomic.Pointer[view]
	known chan struct{} // closed when view is set for the first time
	found chan struct{} // has a value after somebody has connected
	calls singleflight.Group

	mu      sync.Mutex
	agent   Agent         // nil if it has to be connected to
	changed chan struct{} // closed and replaced with each new view
}

func newLink(life context.Context, o *Options) *link {
	return &link{life: life, connect: o.Connect, started: o.Started, server: o.Server, now: o.Now, log: o.Log,
		known: make(chan struct{}), found: make(chan struct{}, 1), changed: make(chan struct{})}
}

// run follows what the agent says until the link's life ends. It goes on with
// what it knows while the agent is away, unless the user stopped Keyporter: then
// it knows nothing more that is secret, and waits for the start.
func (l *link) run() {
	ctx := l.life
	for wait := time.Duration(0); ; {
		began := l.now()
		joined, err := l.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		l.log.Debug("agent lost", "error", err)
		if joined && l.now().Sub(began) > time.Second {
			wait = 0 // it lived for a while: the next one is there at once
			continue
		}
		wait = min(max(2*wait, 100*time.Millisecond), 10*time.Second)
		if !l.rest(ctx, wait, hint.CodeOf(err) == hint.Stopped) {
			return
		}
	}
}

// rest waits before the next attempt to connect, until the start if the user
// stopped Keyporter, but not longer than it takes somebody else to connect. It
// reports false when ctx has ended.
func (l *link) rest(ctx context.Context, d time.Duration, stopped bool) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	started := make(chan error, 1)
	if stopped && l.started != nil {
		d = 0
		go func() { started <- l.started(ctx) }()
		defer func() { cancel(); <-started }()
	}
	var over <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		over = t.C
	}
	select {
	case <-over:
	case <-l.found:
	case err := <-started:
		started <- err // for the goodbye
	case <-ctx.Done():
		return false
	}
	return true
}

// follow connects and shows what the agent says until it says nothing more.
func (l *link) follow(ctx context.Context) (joined bool, err error) {
	a, err := l.get(ctx)
	if err == nil {
		select { // of one's own connecting
		case <-l.found:
		default:
		}
		err = a.Bridge(ctx, local.BridgeRequest{Server: l.server}, func(s *local.BridgeState) error {
			v := l.viewOf(s)
			l.show(v)
			if s.Status == local.Stopping {
				if l.parting != nil {
					l.parting(ctx)
				}
				return v.err
			}
			if !joined && l.joined != nil {
				l.joined()
			}
			joined = true
			return nil
		})
		l.drop(a)
	}
	if ctx.Err() == nil {
		l.lost(err)
	}
	return joined, err
}

// lost takes note of why there is no agent. What was known stays good, unless
// the user stopped Keyporter or the server is no longer in the list: then
// nothing secret is kept.
func (l *link) lost(err error) {
	old := l.view.Load()
	if err == nil {
		err = errors.New("agent ended the connection")
	}
	switch code := hint.CodeOf(err); {
	case old == nil, old.state == nil, code == hint.Stopped, code == hint.NotFound:
		v := &view{err: hint.Of(err)}
		if old != nil && old.state != nil {
			s := *old.state
			s.Token, s.Further, s.SecretHeaders, s.SecretQuery = nil, nil, nil, nil
			v.state = &s
		}
		l.show(v)
	}
}

// get returns the agent, connecting to it if need be.
func (l *link) get(ctx context.Context) (Agent, error) {
	l.mu.Lock()
	a := l.agent
	l.mu.Unlock()
	if a != nil {
		return a, nil
	}
	r, err := l.shared(ctx, "connect", time.Minute, func(ctx context.Context) (any, error) {
		a, err := l.connect(ctx)
		if err == nil {
			l.mu.Lock()
			l.agent = a
			l.mu.Unlock()
			select {
			case l.found <- struct{}{}:
			default:
			}
		}
		return a, err
	})
	if err != nil {
		return nil, err
	}
	return r.(Agent), nil
}

// drop forgets an agent that is gone.
func (l *link) drop(a Agent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.agent == a {
		l.agent = nil
	}
}

// shared runs f once for all who ask at the same time. Each leaves when its own
// ctx ends; f goes on until it is done, its time is over or the link ends.
func (l *link) shared(ctx context.Context, key string, limit time.Duration, f func(context.Context) (any, error)) (any, error) {
	ch := l.calls.DoChan(key, func() (any, error) {
		own, cancel := context.WithTimeout(l.life, limit)
		defer cancel()
		return f(own)
	})
	select {
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case r := <-ch:
		return r.Val, r.Err
	}
}

// ask calls f with the agent, and once more with a new one if the agent turns
// out to be gone.
func (l *link) ask(ctx context.Context, f func(Agent) error) error {
	for again := false; ; again = true {
		a, err := l.get(ctx)
		if err != nil {
			return err
		}
		if err = f(a); err == nil || again || ctx.Err() != nil || !l.gone(a, err) {
			return err
		}
		l.drop(a)
	}
}

// gone reports whether err means that the agent is not there any more: its
// stream has ended, or err is one of the connection and not the agent's answer.
func (l *link) gone(a Agent, err error) bool {
	l.mu.Lock()
	current := l.agent == a
	l.mu.Unlock()
	var words *hint.Error
	var network *net.OpError
	return !current || !errors.As(err, &words) || errors.As(err, &network) || errors.Is(err, local.ErrAgentGone)
}

// show puts v in place.
func (l *link) show(v *view) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.put(v)
}

// put is show with the lock held.
func (l *link) put(v *view) {
	first := l.view.Swap(v) == nil
	if first {
		close(l.known)
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// current returns the view, waiting for the first one.
func (l *link) current(ctx context.Context) (*view, error) {
	if v := l.view.Load(); v != nil {
		return v, nil
	}
	select {
	case <-l.known:
		return l.view.Load(), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// await waits until ok says yes to the view.
func (l *link) await(ctx context.Context, ok func(*view) bool) (*view, error) {
	for {
		l.mu.Lock()
		v, changed := l.view.Load(), l.changed
		l.mu.Unlock()
		if v != nil && ok(v) {
			return v, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// viewOf makes a view of what the agent said.
func (l *link) viewOf(s *local.BridgeState) *view {
	v := &view{state: s}
	u, err := url.Parse(s.URL)
	switch {
	case s.Status != local.Ready && s.Status != local.Unknown:
		v.err = s.Problem
		if v.err == nil {
			v.err = words(s.Status, s.Server)
		}
		return v
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		v.err = hint.New(hint.Failed, "The address of "+s.Server+" cannot be used.", "Look at it in Keyporter.")
		return v
	}
	h := make(http.Header, len(s.Headers)+len(s.SecretHeaders)+1)
	for k, val := range s.Headers {
		h.Set(k, val)
	}
	for k, val := range s.SecretHeaders {
		h.Set(k, val.Reveal())
	}
	for k, val := range s.SecretQuery {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += url.QueryEscape(k) + "=" + url.QueryEscape(val.Reveal())
	}
	v.cred = &streamable.Credentials{URL: u, Header: h, In: "Authorization", Bound: len(s.SecretHeaders)+len(s.SecretQuery) > 0}
	if t := s.Token; t != nil {
		name := t.Header
		if name == "" {
			name = "Authorization"
		}
		h.Set(name, t.FieldValue())
		v.cred.Hash, v.cred.In, v.cred.Bound = t.Hash, name, true
		if strings.EqualFold(t.Scheme, "DPoP") {
			v.cred.Prove = l.prover(s.Server, t)
		}
	}
	for i := range s.Further {
		t := &s.Further[i]
		v.cred.Further = append(v.cred.Further, streamable.Key{Header: t.Header, Hash: t.Hash})
		if v.cred.Bound = true; t.Hash == "" {
			continue
		}
		h.Set(t.Header, t.FieldValue())
		if strings.EqualFold(t.Scheme, "DPoP") {
			v.cred.Prove = l.prover(s.Server, t)
		}
	}
	return v
}

// words says what is missing when the agent has not.
func words(s local.Status, server string) *hint.Error {
	switch s {
	case local.SignInNeeded, local.SigningIn:
		return hint.New(hint.SignInNeeded, "Nobody is signed in to "+server+".", "Sign in with Keyporter: click its icon, or run keyporter login "+server+".")
	case local.ApprovalNeeded:
		return hint.New(hint.ApprovalNeeded, server+" waits for your approval.", "Open Keyporter and approve it.")
	case local.Locked:
		return hint.New(hint.Locked, "Keyporter's vault is locked.", "Open Keyporter and unlock it.")
	case local.Stopping:
		return hint.New(hint.Stopped, "Keyporter is stopped.", "Start it with keyporter start.")
	case local.Paused:
		return hint.New(hint.Paused, "Keyporter is paused.", "Resume it from its icon, or run keyporter resume.")
	}
	return hint.New(hint.Failed, "No token could be made for "+server+".", "Run keyporter doctor "+server+".")
}
