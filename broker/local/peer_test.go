//go:build unix

package local

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/internal/hint"
	"keyporter/internal/paths"
	"keyporter/internal/peer"
	"keyporter/internal/peer/peertest"
)

func init() { peertest.Main() }

// request is one that the agent answers.
const request = "GET /ping HTTP/1.1\r\nHost: keyporter\r\nConnection: close\r\n\r\n"

func TestConnectionThatIsNoUnixSocketIsRefused(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, err := verifiedPeer(a); err == nil {
		t.Error("a connection with nobody at its end was accepted")
	}
}

func TestServerClosesARefusedConnectionWithoutAWord(t *testing.T) {
	p := home(t)
	l, err := Listen(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Serve(ctx, l, new(fake), ServeOptions{Version: "1", peerOf: func(c net.Conn) (Peer, error) {
			return Peer{UID: peertest.Nobody}, peer.ErrOtherUser
		}})
	}()
	if got := peertest.Say(p.Socket(), request); got != "" {
		t.Errorf("the server said %q", got)
	}
	cancel()
	if err := errors.Join(<-done, l.Close()); err != nil {
		t.Error(err)
	}
}

// childRoles are what the test binary does when a test starts it with the
// role's name as its first argument.
var childRoles = map[string]func() int{
	"agent":   agentRole,
	"starter": starterRole,
}

func TestAnotherUsersClientGetsNoAnswer(t *testing.T) {
	p := home(t)
	f := new(fake)
	serve(t, p, f)
	// Open every door before the check of the peer.
	for path, mode := range map[string]os.FileMode{p.Runtime: 0o755, p.Socket(): 0o777} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if got := peertest.Say(p.Socket(), request); !strings.Contains(got, "1.2.3") {
		t.Fatalf("own user: got %q, want an answer", got)
	}
	if !peertest.Possible() {
		return // TestServerClosesARefusedConnectionWithoutAWord stands for it
	}
	if got, err := peertest.Knock(t.Context(), p.Runtime, p.Socket(), request); err != nil || got != "" {
		t.Errorf("another user got %q (%v)", got, err)
	}
}

func TestAnotherUsersSquatterIsToldNothing(t *testing.T) {
	if !peertest.Possible() {
		if err := broken(t.Context(), peer.ErrOtherUser); errors.Is(err, ErrAgentGone) || !strings.Contains(hint.Of(err).What, "Another user") {
			t.Errorf("got %v", err)
		}
		return
	}
	dir := home(t).Runtime
	squat := filepath.Join(dir, "run")
	if err := errors.Join(os.MkdirAll(squat, 0o777), os.Chmod(dir, 0o755), os.Chmod(squat, 0o777)); err != nil {
		t.Fatal(err)
	}
	p := paths.Paths{Config: dir, State: dir, Runtime: squat}
	told, err := peertest.Squat(t.Context(), dir, p.Socket(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, start := range []Start{Never, UnlessStopped, Always} {
		_, err := Dial(t.Context(), DialOptions{Paths: p, Start: start, Program: "/nonexistent"})
		if !errors.Is(err, peer.ErrOtherUser) || !strings.Contains(hint.Of(err).What, "Another user") {
			t.Errorf("start %d: got %v, want a refusal", start, err)
		}
	}
	if got, err := told(); err != nil || got != "" {
		t.Errorf("the squatter was told %q (%v)", got, err)
	}
}
