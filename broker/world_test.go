package broker

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/policy"
	"keyporter/broker/secret"
	"keyporter/broker/vault"
	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
	"keyporter/internal/hint"
	"keyporter/internal/paths"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// word stands in every secret that these tests make.
const word = "SECRETWORD"

// A world is a Broker that runs, in a folder of its own, with the real vault.
type world struct {
	*Broker
	t     *testing.T
	paths paths.Paths
	log   *lockedBuffer
	ended chan error

	policy func() policy.Set // what the next start reads

	mu      sync.Mutex
	opened  []string // what the agent opened in the browser
	private bool     // the last one, in a private window
	notices []local.Notice
	clicks  []func()
	change  func(*Options) // nil: nothing is changed
	user    string         // who signs in when the agent opens a browser; empty: nobody
	shown   chan struct{}  // closed at the next browser or notification
}

// saysNo is a user who declines.
const saysNo = "says no"

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}
func (l *lockedBuffer) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldWith(t, nil)
}

// newWorldWith changes the Broker's options first.
func newWorldWith(t *testing.T, change func(*Options)) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{t: t, paths: paths.Paths{Config: dir, State: dir, Runtime: dir}, log: &lockedBuffer{}, change: change, shown: make(chan struct{})}
	w.start()
	t.Cleanup(func() {
		w.stop()
		w.noSecretIn("the log", w.log.String())
		for _, f := range []string{w.paths.ConfigFile(), w.paths.StateFile(), w.paths.Audit(), w.paths.Vault()} {
			if b, err := os.ReadFile(f); err == nil {
				w.noSecretIn(f, string(b))
			}
		}
	})
	return w
}

func (w *world) start() {
	w.t.Helper()
	o := Options{
		Paths: w.paths, Version: "test",
		Log:         slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Vault:       vault.Options{Backend: vault.Passphrase, ScryptWorkFactor: 10},
		Passphrase:  func(context.Context) (secret.Value, error) { return secret.New("passphrase " + word), nil },
		OpenBrowser: w.browse, Notify: w.notify, Policy: w.policy,
	}
	if w.change != nil {
		w.change(&o)
	}
	b, err := New(o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Broker, w.ended = b, make(chan error, 1)
	go func() { w.ended <- b.Run(context.Background()) }()
}

func (w *world) stop() {
	w.t.Helper()
	if w.ended == nil {
		return
	}
	if err := w.Stop(context.Background()); err != nil {
		w.t.Error(err)
	}
	if err := <-w.ended; err != nil {
		w.t.Errorf("Run = %v", err)
	}
	w.ended = nil
}

// browse is the agent's browser: w.user signs in at once, in the background.
func (w *world) browse(_ context.Context, url string, private bool) error {
	w.mu.Lock()
	w.opened = append(w.opened, url)
	w.private = private
	w.tellShown()
	user := w.user
	w.mu.Unlock()
	if user == saysNo {
		go func() { _, _ = fakeas.Browse(context.Background(), url, "") }()
	} else if user != "" {
		go func() { _, _ = fakeas.Browse(context.Background(), url, user) }()
	}
	return nil
}

func (w *world) notify(_ context.Context, n local.Notice, click func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notices, w.clicks = append(w.notices, n), append(w.clicks, click)
	w.tellShown()
	return nil
}

// tellShown is called with w.mu.
func (w *world) tellShown() {
	close(w.shown)
	w.shown = make(chan struct{})
}

func (w *world) seen() (opened, notices int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.opened), len(w.notices)
}

// untilSeen waits until ok, looking again at each browser and notification. These
// come after the change of the state that they are about.
func (w *world) untilSeen(what string, ok func(opened, notices int) bool) {
	w.t.Helper()
	limit := time.After(20 * time.Second)
	for {
		w.mu.Lock()
		shown := w.shown
		done := ok(len(w.opened), len(w.notices))
		w.mu.Unlock()
		if done {
			return
		}
		select {
		case <-shown:
		case <-limit:
			w.t.Fatalf("waiting for %s", what)
		}
	}
}

func (w *world) noSecretIn(where, text string) {
	w.t.Helper()
	if strings.Contains(text, word) {
		w.t.Errorf("%s holds a secret", where)
	}
}

func (w *world) add(name, url string, change func(*local.PutServer)) *local.AddedServer {
	w.t.Helper()
	p := local.PutServer{Name: name, Server: account.Server{URL: url}}
	if change != nil {
		change(&p)
	}
	out, err := w.AddServer(w.t.Context(), p)
	if err != nil {
		w.t.Fatalf("add %s: %v", name, err)
	}
	return out
}

func (w *world) addStatic(name string) {
	w.t.Helper()
	_, err := w.AddAccount(w.t.Context(), local.PutAccount{
		Name: name, Account: account.Account{Kind: account.Static}, Secret: plain("token-" + name + "-" + word),
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func plain(s string) secret.Plain { return secret.Plain{Value: secret.New(s)} }

// signIn signs in as a person at a terminal would.
func (w *world) signIn(name, user string) error {
	return w.SignIn(w.t.Context(), local.SignInRequest{Name: name}, func(ev *local.SignInEvent) error {
		if ev.Open != "" {
			_, err := fakeas.Browse(w.t.Context(), ev.Open, user)
			return err
		}
		return nil
	})
}

func (w *world) status(name string) local.ServerState {
	w.t.Helper()
	for _, s := range w.snapshot().Servers {
		if s.Name == name {
			return s
		}
	}
	w.t.Fatalf("no server %s", name)
	return local.ServerState{}
}

// until waits until ok, looking again at each change of the state.
func (w *world) until(what string, ok func(*local.State) bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	found := errors.New("found")
	err := w.Watch(ctx, local.Watch{}, func(st *local.State) error {
		if ok(st) {
			return found
		}
		return nil
	})
	if !errors.Is(err, found) {
		w.t.Fatalf("waiting for %s: %v", what, err)
	}
}

func wantCode(t *testing.T, err error, code hint.Code) {
	t.Helper()
	if err == nil || hint.CodeOf(err) != code {
		t.Fatalf("error = %v (code %s), want code %s", err, hint.CodeOf(err), code)
	}
	if h := hint.Of(err); h.What == "" || strings.Contains(h.Text()+err.Error(), word) {
		t.Errorf("words = %q", h.Text())
	}
}

// oauthServer is an MCP server with an authorization server of its own.
func oauthServer(t *testing.T, o fakeas.Options) (*fakeas.Server, *fakemcp.Server) {
	t.Helper()
	as := fakeas.Start(t, o)
	return as, fakemcp.Start(t, fakemcp.Options{Issuer: as.Issuer()})
}
