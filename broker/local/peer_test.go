//go:build unix

package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"keyporter/internal/hint"
	"keyporter/internal/paths"
	"keyporter/internal/peer"
)

// nobody is a user id that is not the one of the tests.
func nobody() int {
	if os.Getuid() == 65534 {
		return 65533
	}
	return 65534
}

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
			return Peer{UID: nobody()}, peer.ErrOtherUser
		}})
	}()
	if got := knock(p.Socket()); got != "" {
		t.Errorf("the server said %q", got)
	}
	cancel()
	if err := errors.Join(<-done, l.Close()); err != nil {
		t.Error(err)
	}
}

// knock sends a request and returns all that comes back.
func knock(socket string) string {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return "cannot connect: " + err.Error()
	}
	defer c.Close()
	io.WriteString(c, "GET /ping HTTP/1.1\r\nHost: keyporter\r\nConnection: close\r\n\r\n") // may be too late
	b, _ := io.ReadAll(c)                                                                   // a reset is as good as an end
	return string(b)
}

// childRoles are what the test binary does when a test starts it with the
// role's name as its first argument.
var childRoles = map[string]func() int{
	"agent":    agentRole,
	"starter":  starterRole,
	"intruder": func() int { fmt.Printf("%q\n", knock(os.Args[2])); return 0 },
	"squatter": squatterRole,
}

// squatterRole listens until its standard input ends, and then says how many
// bytes it was told.
func squatterRole() int {
	l, err := net.Listen("unix", os.Args[2])
	if err != nil {
		fmt.Println(err)
		return 1
	}
	os.Chmod(os.Args[2], 0o777)
	told := make(chan int64)
	go func() {
		total := int64(0)
		for {
			c, err := l.Accept()
			if err != nil {
				told <- total
				return
			}
			n, _ := io.Copy(io.Discard, c)
			total += n
			c.Close()
		}
	}()
	fmt.Println("listening")
	io.Copy(io.Discard, os.Stdin)
	l.Close()
	fmt.Println(<-told)
	return 0
}

// asNobody makes a command that runs a copy of the test binary as another user.
// Only root can; the fabricated peers above stand for it elsewhere.
func asNobody(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "child")
	if err := os.WriteFile(program, self, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(nobody()), Gid: uint32(nobody())}}
	cmd.Dir = "/"
	cmd.Stderr = os.Stderr
	return cmd
}

func canBeNobody() bool {
	_, err := os.Stat("/proc/self/exe")
	return os.Getuid() == 0 && err == nil
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
	if got := knock(p.Socket()); !strings.Contains(got, "1.2.3") {
		t.Fatalf("own user: got %q, want an answer", got)
	}
	if !canBeNobody() {
		return
	}
	out, err := asNobody(t, p.Runtime, "intruder", p.Socket()).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(out)); got != `""` {
		t.Errorf("another user got %s", got)
	}
}

func TestAnotherUsersSquatterIsToldNothing(t *testing.T) {
	if !canBeNobody() {
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
	cmd := asNobody(t, dir, "squatter", p.Socket())
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	lines.Scan()
	if lines.Text() != "listening" {
		t.Fatalf("squatter: %q", lines.Text())
	}
	for _, start := range []Start{Never, UnlessStopped, Always} {
		_, err := Dial(t.Context(), DialOptions{Paths: p, Start: start, Program: "/nonexistent"})
		if !errors.Is(err, peer.ErrOtherUser) || !strings.Contains(hint.Of(err).What, "Another user") {
			t.Errorf("start %d: got %v, want a refusal", start, err)
		}
	}
	in.Close()
	lines.Scan()
	if lines.Text() != "0" {
		t.Errorf("the squatter was told %s bytes", lines.Text())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
