package main

import (
	"context"
	"sync"
	"testing"

	"keyporter/broker/local"
	"keyporter/internal/paths"
)

// A fakeAgent answers on the real local API; what the tray never asks stays the
// nil Broker's and would end the test.
type fakeAgent struct {
	local.Broker
	signIns  chan string // names that SignIn was asked for
	open     string      // the page that a sign-in wants opened
	cancels  chan string
	watchers chan local.Watch

	mu      sync.Mutex
	state   *local.State
	changed chan struct{} // closed when state is replaced
}

// serveAgent serves a fake agent with a state in home until the test ends.
func serveAgent(t *testing.T, home string, state *local.State) *fakeAgent {
	t.Helper()
	a := &fakeAgent{
		signIns: make(chan string, 4), cancels: make(chan string, 4), watchers: make(chan local.Watch, 4),
		state: state, changed: make(chan struct{}),
	}
	p, err := paths.Find(func(name string) string {
		if name == "KEYPORTER_HOME" {
			return home
		}
		return ""
	})
	if err != nil {
		t.Fatal(err)
	}
	l, err := local.Listen(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	go func() { served <- local.Serve(ctx, l, a, local.ServeOptions{Version: version}) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return a
}

// set replaces the state.
func (a *fakeAgent) set(s *local.State) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.state = s
	close(a.changed)
	a.changed = make(chan struct{})
}

func (a *fakeAgent) Watch(ctx context.Context, w local.Watch, show func(*local.State) error) error {
	a.watchers <- w
	for {
		a.mu.Lock()
		state, changed := a.state, a.changed
		a.mu.Unlock()
		if err := show(state); err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// SignIn has the page opened and then waits for the cancel, or for the state to
// be replaced, which stands for a person who finished in the browser.
func (a *fakeAgent) SignIn(ctx context.Context, r local.SignInRequest, tell func(*local.SignInEvent) error) error {
	a.mu.Lock()
	changed := a.changed
	a.mu.Unlock()
	a.signIns <- r.Name
	if err := tell(&local.SignInEvent{Open: a.open, Issuer: "https://id.example.com"}); err != nil {
		return err
	}
	select {
	case <-changed:
		return tell(&local.SignInEvent{Done: true})
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *fakeAgent) CancelSignIn(_ context.Context, n local.Name) error {
	a.cancels <- n.Name
	return nil
}
