//go:build unix

package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"go.uber.org/goleak"

	"keyporter/internal/hint"
	"keyporter/internal/paths"
	"keyporter/internal/process"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && childRoles[os.Args[1]] != nil {
		// Not os.Exit, with which the race detector waits a second.
		syscall.Exit(childRoles[os.Args[1]]())
	}
	goleak.VerifyTestMain(m)
}

// home returns the paths of a throw-away home. Its name is short enough for a
// socket, unlike some of t.TempDir's.
func home(t *testing.T) paths.Paths {
	t.Helper()
	dir, err := os.MkdirTemp("", "kp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	p, err := paths.Find(func(k string) string { return map[string]string{"KEYPORTER_HOME": dir}[k] })
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// serve runs an agent with b in this process until the test ends or the
// returned function is called, which returns what Serve returned.
func serve(t *testing.T, p paths.Paths, b Broker) (end func() error) {
	t.Helper()
	l, err := Listen(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var result error
	done := make(chan struct{})
	go func() {
		defer close(done)
		result = errors.Join(Serve(ctx, l, b, ServeOptions{Version: "1.2.3"}), l.Close())
	}()
	end = func() error { cancel(); <-done; return result }
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return end
}

func dial(t *testing.T, p paths.Paths) *Client {
	t.Helper()
	c, err := Dial(t.Context(), DialOptions{Paths: p})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func kebab(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func TestEveryMethodCrossesTheSocketWithArgumentAndAnswer(t *testing.T) {
	f := new(fake)
	p := home(t)
	end := serve(t, p, f)
	c := dial(t, p)
	named := map[string]bool{}
	for _, r := range routes() {
		named[r.path()] = true
	}
	contract := reflect.TypeFor[Broker]()
	if got, want := len(named), contract.NumMethod(); got != want {
		t.Errorf("%d routes for %d methods", got, want)
	}
	for i := range contract.NumMethod() {
		m := contract.Method(i)
		if !named[kebab(m.Name)] {
			t.Errorf("%s: no route /%s/%s", m.Name, APIVersion, kebab(m.Name))
		}
		if m.Name == "Stop" {
			continue // waits for the agent to end; see below
		}
		t.Run(m.Name, func(t *testing.T) { crosses(t, f, c, m) })
	}
	f.onStop = func() { go end() }
	if err := c.Stop(t.Context()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if got := f.last().method; got != "Stop" {
		t.Errorf("Stop reached %s", got)
	}
}

// crosses calls m on c with filled arguments and compares both ends.
func crosses(t *testing.T, f *fake, c *Client, m reflect.Method) {
	args := []reflect.Value{reflect.ValueOf(t.Context())}
	var sent any
	var shown []any
	for i := 1; i < m.Type.NumIn(); i++ {
		in := m.Type.In(i)
		if in.Kind() == reflect.Func {
			args = append(args, reflect.MakeFunc(in, func(v []reflect.Value) []reflect.Value {
				shown = append(shown, v[0].Interface())
				return []reflect.Value{reflect.Zero(reflect.TypeFor[error]())}
			}))
			continue
		}
		v := reflect.New(in).Elem()
		fill(v)
		sent = v.Interface()
		args = append(args, v)
	}
	out := reflect.ValueOf(c).MethodByName(m.Name).Call(args)
	if err := out[len(out)-1].Interface(); err != nil {
		t.Fatalf("got error %v", err)
	}
	got := f.last()
	if got.method != m.Name || asJSON(t, got.arg) != asJSON(t, sent) {
		t.Errorf("the broker got %s(%s), want %s(%s)", got.method, asJSON(t, got.arg), m.Name, asJSON(t, sent))
	}
	answers, typ := shown, m.Type.Out(0)
	switch {
	case m.Type.In(m.Type.NumIn()-1).Kind() == reflect.Func:
		typ = m.Type.In(m.Type.NumIn() - 1).In(0)
		if len(shown) != 2 {
			t.Fatalf("%d values were shown, want 2", len(shown))
		}
	case len(out) == 2:
		answers = []any{out[0].Interface()}
	}
	for _, a := range answers {
		want := reflect.New(typ).Elem()
		fill(want)
		if asJSON(t, a) != asJSON(t, want.Interface()) {
			t.Errorf("got %s, want %s", asJSON(t, a), asJSON(t, want.Interface()))
		}
	}
}

func TestErrorsArriveAsHints(t *testing.T) {
	for _, code := range []hint.Code{hint.Failed, hint.Usage, hint.NotFound, hint.Exists, hint.SignInNeeded, hint.ApprovalNeeded,
		hint.Locked, hint.Paused, hint.Stopped, hint.Refused, hint.Unreachable} {
		sent := fmt.Errorf("get token: %w", hint.Wrap(errors.New("the cause"), code, "What happened.", "What to do."))
		p := home(t)
		serve(t, p, &fake{
			onToken: func(context.Context, TokenRequest) (*Token, error) { return nil, sent },
			onWatch: func(_ context.Context, show func(*State) error) error {
				return errors.Join(show(&State{Seq: 1}), sent)
			},
		})
		c := dial(t, p)
		_, err := c.Token(t.Context(), TokenRequest{Name: "linear"})
		checkHint(t, err, code)
		seen := 0
		err = c.Watch(t.Context(), Watch{}, func(*State) error { seen++; return nil })
		checkHint(t, err, code)
		if seen != 1 {
			t.Errorf("%d values before the error, want 1", seen)
		}
	}
}

func checkHint(t *testing.T, err error, code hint.Code) {
	t.Helper()
	h, ok := errors.AsType[*hint.Error](err)
	if !ok || h.Code != code || h.Text() != "What happened. What to do." || h.Cause == nil || h.Cause.Error() != "the cause" {
		t.Errorf("got %#v, want the hint with code %s", err, code)
	}
	if errors.Is(err, ErrAgentGone) {
		t.Errorf("%v counts as a dead agent", err)
	}
}

func TestErrorWithoutWordsGetsSome(t *testing.T) {
	p := home(t)
	serve(t, p, &fake{onPause: func(context.Context) error { return errors.New("disk on fire") }})
	err := dial(t, p).Pause(t.Context())
	if h := hint.Of(err); h.Code != hint.Failed || h.What != "Something went wrong." || h.Cause.Error() != "disk on fire" {
		t.Errorf("got %v", err)
	}
}

func TestEndingTheCallersContextEndsTheCall(t *testing.T) {
	started, ended := make(chan struct{}, 1), make(chan struct{}, 1)
	wait := func(ctx context.Context) error {
		started <- struct{}{}
		<-ctx.Done()
		ended <- struct{}{}
		return ctx.Err()
	}
	p := home(t)
	serve(t, p, &fake{
		onPause: wait,
		onWatch: func(ctx context.Context, _ func(*State) error) error { return wait(ctx) },
	})
	c := dial(t, p)
	for name, call := range map[string]func(context.Context) error{
		"one answer": c.Pause,
		"stream":     func(ctx context.Context) error { return c.Watch(ctx, Watch{}, func(*State) error { return nil }) },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { result <- call(ctx) }()
		<-started
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want context.Canceled", name, err)
		}
		<-ended // the broker's context has ended too
	}
}

func TestCallersErrorEndsTheStreamAndComesBack(t *testing.T) {
	ended := make(chan error, 1)
	p := home(t)
	serve(t, p, &fake{onWatch: func(ctx context.Context, show func(*State) error) error {
		for {
			if err := show(&State{}); err != nil || ctx.Err() != nil {
				ended <- err
				return err
			}
		}
	}})
	mine := errors.New("enough")
	if err := dial(t, p).Watch(t.Context(), Watch{}, func(*State) error { return mine }); err != mine {
		t.Errorf("got %v, want %v", err, mine)
	}
	<-ended
}

func TestStreamShowsAValueBeforeTheNextIsThere(t *testing.T) {
	more := make(chan struct{})
	p := home(t)
	serve(t, p, &fake{onWatch: func(ctx context.Context, show func(*State) error) error {
		for seq := range uint64(3) {
			if err := show(&State{Seq: seq}); err != nil {
				return err
			}
			<-more // only the client's sight of the value goes on
		}
		return nil
	}})
	next := uint64(0)
	err := dial(t, p).Watch(t.Context(), Watch{}, func(s *State) error {
		if s.Seq != next {
			t.Errorf("got %d, want %d", s.Seq, next)
		}
		next++
		more <- struct{}{}
		return nil
	})
	if err != nil || next != 3 {
		t.Errorf("got %d values and %v", next, err)
	}
}

func TestAgentThatEndsDuringACallIsGone(t *testing.T) {
	started := make(chan struct{})
	wait := func(ctx context.Context) error { close(started); <-ctx.Done(); return ctx.Err() }
	for name, call := range map[string]func(*Client) error{
		"one answer": func(c *Client) error { return c.Pause(t.Context()) },
		"stream":     func(c *Client) error { return c.Watch(t.Context(), Watch{}, func(*State) error { return nil }) },
	} {
		started = make(chan struct{})
		p := home(t)
		end := serve(t, p, &fake{onPause: wait, onWatch: func(ctx context.Context, _ func(*State) error) error { return wait(ctx) }})
		c := dial(t, p)
		result := make(chan error, 1)
		go func() { result <- call(c) }()
		<-started
		end()
		err := <-result
		if !errors.Is(err, ErrAgentGone) || hint.CodeOf(err) != hint.Unreachable {
			t.Errorf("%s: got %v, want ErrAgentGone", name, err)
		}
		if err := call(c); !errors.Is(err, ErrAgentGone) {
			t.Errorf("%s, call after the end: got %v, want ErrAgentGone", name, err)
		}
	}
}

func TestBrokerKnowsTheClientsProcess(t *testing.T) {
	var got Peer
	p := home(t)
	serve(t, p, &fake{onPause: func(ctx context.Context) error { got, _ = PeerFrom(ctx); return nil }})
	if err := dial(t, p).Pause(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got.UID != os.Getuid() || got.PID != os.Getpid() {
		t.Errorf("got %v, want process %d of user %d", got, os.Getpid(), os.Getuid())
	}
	if self, err := process.Find(got.PID); err == nil {
		if is, err := got.Process(); err != nil || is != self {
			t.Errorf("got %+v (%v), want %+v", is, err, self)
		}
	}
}

// rawPost sends a body that the client would not.
func rawPost(t *testing.T, p paths.Paths, path string, body io.Reader) (*http.Response, *hint.Error) {
	t.Helper()
	tr := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return connect(ctx, p.Socket()) }}
	defer tr.CloseIdleConnections()
	resp, err := (&http.Client{Transport: tr}).Post("http://keyporter"+path, "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	h := new(hint.Error)
	if err := json.NewDecoder(resp.Body).Decode(h); err != nil {
		t.Fatal(err)
	}
	return resp, h
}

func TestServerRefusesWhatItCannotUnderstandWithASentence(t *testing.T) {
	p := home(t)
	f := new(fake)
	serve(t, p, f)
	big := io.MultiReader(strings.NewReader(`{"name":"`), io.LimitReader(neverEnding('x'), maxRequest), strings.NewReader(`"}`))
	for _, tt := range []struct {
		name, path string
		body       io.Reader
		status     int
		want       string
	}{
		{"newer version", "/v2/state", strings.NewReader("{}"), 404, "version 1.2.3, which is older than this program"},
		{"newer method", "/v1/frobnicate", strings.NewReader("{}"), 404, "version 1.2.3, which is older than this program"},
		{"older version", "/v0/state", strings.NewReader("{}"), 404, "older than the agent that runs, which is version 1.2.3"},
		{"no JSON", "/v1/token", strings.NewReader(secretWord), 400, "1.2.3"},
		{"wrong type", "/v1/unlock", strings.NewReader(`{"passphrase":["` + secretWord + `"]}`), 400, "1.2.3"},
		{"too large", "/v1/token", big, 413, "16 MiB"},
	} {
		resp, h := rawPost(t, p, tt.path, tt.body)
		if resp.StatusCode != tt.status || !strings.Contains(h.Text(), tt.want) {
			t.Errorf("%s: got %d %q, want %d with %q", tt.name, resp.StatusCode, h.Text(), tt.status, tt.want)
		}
		if strings.Contains(h.Text()+h.Error(), secretWord) {
			t.Errorf("%s: the error holds the secret", tt.name)
		}
	}
	if got := f.last(); got.method != "" {
		t.Errorf("%s reached the broker", got.method)
	}
}

type neverEnding byte

func (b neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

func TestClientSendsNothingTooLarge(t *testing.T) {
	p := home(t)
	f := new(fake)
	serve(t, p, f)
	err := dial(t, p).RemoveServer(t.Context(), Name{Name: strings.Repeat("x", maxRequest)})
	if hint.CodeOf(err) != hint.Usage || f.last().method != "" {
		t.Errorf("got %v, broker got %q", err, f.last().method)
	}
}

// stranger serves h in place of an agent.
func stranger(t *testing.T, p paths.Paths, h http.HandlerFunc) {
	t.Helper()
	l, err := net.Listen("unix", p.Socket())
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: h}
	done := make(chan struct{})
	go func() { defer close(done); s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-done })
}

func TestAgentOfAnotherVersionIsNamedAndCanBeStopped(t *testing.T) {
	p := home(t)
	var stopped []string
	stranger(t, p, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ping" {
			io.WriteString(w, `{"api":"v7","version":"9.0.0"}`)
			return
		}
		stopped = append(stopped, r.URL.Path)
		io.WriteString(w, "{}")
	})
	c := dial(t, p)
	if _, err := c.State(t.Context()); err == nil || !strings.Contains(hint.Of(err).What, "older than the agent that runs, which is version 9.0.0") || !strings.Contains(hint.Of(err).Do, "start it again") {
		t.Errorf("State: got %v, want a sentence with the version", err)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if len(stopped) != 1 || stopped[0] != "/v7/stop" {
		t.Errorf("the agent got %v, want /v7/stop only", stopped)
	}
}

func TestNewerProgramCanStopAnOlderAgent(t *testing.T) {
	p := home(t)
	f := new(fake)
	serve(t, p, f)
	if resp, _ := rawPost(t, p, "/v9/stop", strings.NewReader("{}")); resp.StatusCode != 200 || f.last().method != "Stop" {
		t.Errorf("got %d, broker got %q", resp.StatusCode, f.last().method)
	}
}

func TestNonsenseFromTheAgentNeverShowsASecret(t *testing.T) {
	for _, body := range []string{secretWord, `{"value":{"seq":"` + secretWord + `"}}`, `{"expires_at":"` + secretWord + `"}`, `"` + secretWord} {
		p := home(t)
		stranger(t, p, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/ping" {
				io.WriteString(w, `{"api":"v1","version":"1"}`)
				return
			}
			if r.URL.Path == "/v1/pause" {
				w.WriteHeader(500)
			}
			io.WriteString(w, body)
		})
		c := dial(t, p)
		_, tokenErr := c.Token(t.Context(), TokenRequest{})
		for name, err := range map[string]error{
			"token": tokenErr,
			"pause": c.Pause(t.Context()),
			"watch": c.Watch(t.Context(), Watch{}, func(*State) error { return nil }),
		} {
			if err == nil || hint.Of(err).What == "Something went wrong." {
				t.Errorf("%s, %s: got %v, want a hint", name, body, err)
			} else if strings.Contains(fmt.Sprintf("%+v %s", err, hint.Of(err).Text()), secretWord) {
				t.Errorf("%s: error shows the secret: %v", name, err)
			}
		}
	}
}

func TestClientUsesItsConnectionAgain(t *testing.T) {
	p := home(t)
	l, err := Listen(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	counted := &countingListener{Listener: l.Listener}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, counted, new(fake), ServeOptions{Version: "1"}) }()
	c := dial(t, p)
	for range 20 {
		if err := c.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	c.Close()
	cancel()
	if err := errors.Join(<-done, l.Close()); err != nil {
		t.Fatal(err)
	}
	if counted.n != 1 {
		t.Errorf("%d connections for 20 calls, want 1", counted.n)
	}
}

type countingListener struct {
	net.Listener
	n int
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.n++
	}
	return c, err
}

func TestEndOfAServerDoesNotWaitForConnectionsThatOnlyStayOpen(t *testing.T) {
	p := home(t)
	end := serve(t, p, new(fake))
	var open []net.Conn
	for range 3 {
		c, err := connect(t.Context(), p.Socket())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	dial(t, p)
	if err := end(); err != nil {
		t.Fatal(err)
	}
	for _, c := range open {
		if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("connection is still open: %v", err)
		}
	}
	if _, err := os.Lstat(p.Socket()); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func TestTokenArrivesAndDoesNotPrintItself(t *testing.T) {
	f := new(fake)
	p := home(t)
	serve(t, p, f)
	c := dial(t, p)
	tok, err := c.Token(t.Context(), TokenRequest{Name: "linear"})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%v %+v %#v %v", tok, tok, tok, f.last())
	if strings.Contains(b.String(), secretWord) {
		t.Errorf("printing a token shows it: %s", b.String())
	}
	if tok.Value.Reveal() != secretWord {
		t.Error("the token did not arrive")
	}
}

func TestDialWithNobodyThere(t *testing.T) {
	p := home(t)
	_, err := Dial(t.Context(), DialOptions{Paths: p})
	if !errors.Is(err, ErrNotRunning) || hint.CodeOf(err) != hint.Unreachable {
		t.Errorf("got %v, want ErrNotRunning", err)
	}
	if _, err := os.Stat(filepath.Join(p.Runtime, "agent.lock")); !os.IsNotExist(err) {
		t.Error("Dial with Never left a file behind")
	}
}
