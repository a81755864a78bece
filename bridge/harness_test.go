package bridge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"keyporter/broker/claims"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// marker is in every fake secret; checkSecrets looks for it.
const marker = "SECRETWORD"

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A fakeAgent is an agent that does what the test tells it.
type fakeAgent struct {
	mu        sync.Mutex
	state     local.BridgeState
	changed   chan struct{}
	broken    chan struct{} // closed to break the Bridge streams
	known     map[string]json.RawMessage
	kept      map[string]json.RawMessage
	records   []local.AuditRecord
	tokens    []local.TokenRequest
	token     func(local.TokenRequest) (*local.Token, error)
	await     func(context.Context) error
	signIn    func(context.Context) (*local.RequestedSignIn, error)
	stepUp    func(local.StepUpRequest) (*local.Token, error)
	findings  []claims.Finding
	inspected []local.InspectRequest
	awaits    int
	proofs    int
	connects  int
	refuse    error // what Connect says
	pair      *tls.Certificate
}

func newAgent(url string) *fakeAgent {
	return &fakeAgent{changed: make(chan struct{}), broken: make(chan struct{}), kept: map[string]json.RawMessage{},
		state: local.BridgeState{Server: "acme", URL: url, Status: local.Ready, Token: token("one", time.Time{}, time.Time{})}}
}

// token makes a token whose value carries the marker.
func token(name string, renewAt, expiry time.Time) *local.Token {
	return &local.Token{Header: "Authorization", Scheme: "Bearer", Value: secret.Plain{Value: secret.New(marker + "-" + name)},
		Hash: "hash-" + name, RenewAt: renewAt, Expiry: expiry}
}

// missing returns a as the agent of a server that waits for a sign-in.
func (a *fakeAgent) missing() *fakeAgent {
	a.state.Status, a.state.Token = local.SignInNeeded, nil
	a.state.Problem = hint.New(hint.SignInNeeded, "Nobody is signed in to acme.", "Sign in with Keyporter.")
	return a
}

func (a *fakeAgent) connect(context.Context) (Agent, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.connects++
	return a, a.refuse
}

// set changes the state and tells the bridges.
func (a *fakeAgent) set(f func(*local.BridgeState)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f(&a.state)
	close(a.changed)
	a.changed = make(chan struct{})
}

// ready lets the account be signed in.
func (a *fakeAgent) ready(name string) {
	a.set(func(s *local.BridgeState) {
		s.Status, s.Problem, s.Token = local.Ready, nil, token(name, time.Time{}, time.Time{})
	})
}

// die breaks the streams of the agent; refuse is what Connect says from now on.
func (a *fakeAgent) die(refuse error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuse = refuse
	close(a.broken)
	a.broken = make(chan struct{})
}

func (a *fakeAgent) Bridge(ctx context.Context, r local.BridgeRequest, show func(*local.BridgeState) error) error {
	for {
		a.mu.Lock()
		s, changed, broken := a.state, a.changed, a.broken
		a.mu.Unlock()
		if err := show(&s); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-broken:
			return io.ErrUnexpectedEOF
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (a *fakeAgent) Token(ctx context.Context, r local.TokenRequest) (*local.Token, error) {
	a.mu.Lock()
	a.tokens = append(a.tokens, r)
	f := a.token
	a.mu.Unlock()
	if f == nil {
		return nil, hint.New(hint.SignInNeeded, "Nobody is signed in to acme.", "Sign in with Keyporter.")
	}
	return f(r)
}

func (a *fakeAgent) AwaitReady(ctx context.Context, r local.AwaitRequest) error {
	a.mu.Lock()
	a.awaits++
	f := a.await
	a.mu.Unlock()
	if f != nil {
		return f(ctx)
	}
	t := time.NewTimer(r.Wait)
	defer t.Stop()
	select {
	case <-t.C:
		return hint.New(hint.SignInNeeded, "Nobody signed in to acme in time.", "Sign in with Keyporter and try again.")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *fakeAgent) Inspect(_ context.Context, r local.InspectRequest) (*local.Inspection, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.inspected = append(a.inspected, r)
	return &local.Inspection{Findings: a.findings}, nil
}

func (a *fakeAgent) Sign(_ context.Context, r local.SignRequest) (*local.Signature, error) {
	signature, err := r.Signing.Sign(a.pair)
	return &local.Signature{Signature: signature}, err
}

func (a *fakeAgent) Prove(_ context.Context, r local.ProveRequest) (*local.Proof, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.proofs++
	return &local.Proof{Proof: fmt.Sprintf("proof %d of %s for %s %s nonce %q", a.proofs, secret.New(r.Token.Reveal()).Hash(), r.Method, r.URL, r.Nonce)}, nil
}

func (a *fakeAgent) StepUp(_ context.Context, r local.StepUpRequest) (*local.Token, error) {
	a.mu.Lock()
	f := a.stepUp
	a.mu.Unlock()
	if f == nil {
		return nil, hint.New(hint.Refused, "The agent gives no more permissions.", "")
	}
	return f(r)
}

func (a *fakeAgent) RequestSignIn(ctx context.Context, r local.AwaitRequest) (*local.RequestedSignIn, error) {
	return a.signIn(ctx)
}

func (a *fakeAgent) Answers(context.Context, local.Name) (*local.Answers, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &local.Answers{Server: "acme", Results: maps.Clone(a.known)}, nil
}

func (a *fakeAgent) KeepAnswers(_ context.Context, k local.Answers) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.Copy(a.kept, k.Results)
	if k.Era != "" {
		a.state.Era = k.Era // for the next bridge
	}
	return nil
}

func (a *fakeAgent) Record(_ context.Context, r []local.AuditRecord) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.records = append(a.records, r...)
	return nil
}

// asked returns the requests for tokens so far.
func (a *fakeAgent) asked() []local.TokenRequest {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]local.TokenRequest(nil), a.tokens...)
}

// A host is an MCP client that writes and reads lines.
type host struct {
	t     *testing.T
	in    *io.PipeWriter
	lines chan string
	done  chan error
	out   *lockedBuffer // all of stdout
	log   *lockedBuffer
	stop  context.CancelFunc
	ended bool
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start runs a bridge until the test ends. change may alter the options.
func start(t *testing.T, a *fakeAgent, change ...func(*Options)) *host {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	h := &host{t: t, in: inW, lines: make(chan string, 256), done: make(chan error, 1), out: &lockedBuffer{}, log: &lockedBuffer{}}
	o := Options{Connect: a.connect, Server: "acme", Stdin: inR, Stdout: outW, Version: "0.0",
		Log: slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	for _, f := range change {
		f(&o)
	}
	ctx, cancel := context.WithCancel(context.Background())
	h.stop = cancel
	go func() {
		r := bufio.NewReader(io.TeeReader(outR, h.out))
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				close(h.lines)
				return
			}
			h.lines <- strings.TrimSuffix(line, "\n")
		}
	}()
	go func() {
		h.done <- Run(ctx, o)
		outW.Close()
	}()
	t.Cleanup(func() { h.end() })
	return h
}

// end closes the host's end, waits for the bridge, and checks that no secret got out.
func (h *host) end() error {
	if h.ended {
		return nil
	}
	h.ended = true
	h.in.Close()
	err := <-h.done
	h.stop()
	for range h.lines {
	}
	for name, s := range map[string]string{"stdout": h.out.String(), "log": h.log.String()} {
		if strings.Contains(s, marker) {
			h.t.Errorf("secret on %s:\n%s", name, s)
		}
	}
	return err
}

func (h *host) send(lines ...string) {
	h.t.Helper()
	for _, l := range lines {
		if _, err := io.WriteString(h.in, l+"\n"); err != nil {
			h.t.Fatalf("write to the bridge: %v", err)
		}
	}
}

// next returns the next line of the bridge.
func (h *host) next() string {
	h.t.Helper()
	l, ok := <-h.lines
	if !ok {
		h.t.Fatalf("bridge ended; log:\n%s", h.log.String())
	}
	return l
}

// want reads one line and compares it.
func (h *host) want(line string) {
	h.t.Helper()
	if got := h.next(); got != line {
		h.t.Fatalf("bridge wrote\n %s\nwant\n %s\nlog:\n%s", got, line, h.log.String())
	}
}

// wantHas reads one line and looks for parts of it.
func (h *host) wantHas(parts ...string) string {
	h.t.Helper()
	got := h.next()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			h.t.Fatalf("bridge wrote\n %s\nwithout\n %s\nlog:\n%s", got, p, h.log.String())
		}
	}
	return got
}

// A memory is an HTTP transport that calls a handler, without a network. It lets
// a test run in a bubble of testing/synctest.
type memory struct{ http.Handler }

func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	pr, pw := io.Pipe()
	w := &memoryWriter{header: http.Header{}, body: pw, ready: make(chan struct{})}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	ctx, cancel := context.WithCancel(r.Context())
	go func() {
		m.ServeHTTP(w, r.WithContext(ctx))
		w.WriteHeader(http.StatusOK)
		pw.Close()
		cancel()
	}()
	select {
	case <-w.ready:
	case <-r.Context().Done():
		pw.CloseWithError(r.Context().Err())
		return nil, r.Context().Err()
	}
	context.AfterFunc(ctx, func() { pw.CloseWithError(context.Canceled) })
	return &http.Response{StatusCode: w.status, Header: w.sent, Body: closer{pr, cancel}, ContentLength: -1, Request: r}, nil
}

type closer struct {
	io.Reader
	cancel func()
}

func (c closer) Close() error { c.cancel(); return nil }

type memoryWriter struct {
	header, sent http.Header
	body         *io.PipeWriter
	once         sync.Once
	status       int
	ready        chan struct{}
}

func (w *memoryWriter) Header() http.Header { return w.header }
func (w *memoryWriter) Flush()              {}

func (w *memoryWriter) WriteHeader(status int) {
	w.once.Do(func() { w.status, w.sent = status, w.header.Clone(); close(w.ready) })
}

func (w *memoryWriter) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(p)
}

// serve starts an HTTP server on loopback.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s.URL + "/mcp"
}

// Messages that many tests use.
const (
	initialize  = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"host","version":"1"}}}`
	initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	initResult  = `{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"real","version":"1"}}`
	modernMeta  = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
)
