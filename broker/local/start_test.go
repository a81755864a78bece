//go:build unix

package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"keyporter/internal/hint"
	"keyporter/internal/paths"
)

// agentRole is a small agent: it notes that it was launched and, if it owns the
// lock, serves until it is stopped. Its idle time is there for tests that fail.
func agentRole() int {
	p, err := paths.Find(os.Getenv)
	if err != nil {
		return fail(err)
	}
	note(p, "launched")
	if os.Getenv("TEST_AGENT") == "broken" {
		fmt.Fprintln(os.Stderr, "one\ntwo\nthree\nfour\nfive\nsix: the keyring is on fire")
		return 1
	}
	if os.Getenv("TEST_AGENT") == "refuses" {
		fmt.Fprintln(os.Stderr, "level=WARN msg=\"stop mark not removed\"\nkeyporter: The file /kp/audit.head was written by a newer Keyporter.\n  Update Keyporter.\n  Details: one\n           two")
		return 1
	}
	if os.Getenv("TEST_AGENT") == "hangs" {
		fmt.Fprintln(os.Stderr, "waiting for the keyring")
		select {}
	}
	if kills, err := strconv.Atoi(os.Getenv("TEST_AGENT_KILLS")); err == nil {
		launched, err := os.ReadFile(filepath.Join(p.State, "launched"))
		if err != nil {
			return fail(err)
		}
		if len(strings.Fields(string(launched))) <= kills {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l, err := Listen(ctx, p)
	if err != nil {
		return fail(err)
	}
	defer l.Close()
	if os.Getenv("TEST_AGENT") == "deaf at first" {
		c, err := l.Accept()
		if err != nil {
			return fail(err)
		}
		defer c.Close()
	}
	note(p, "owned")
	b := &fake{
		onState: func(context.Context) (*State, error) { return &State{Agent: Agent{PID: os.Getpid()}}, nil },
		onStop:  func() { MarkStopped(p, true); cancel() },
		onWatch: func(ctx context.Context, show func(*State) error) error {
			if err := show(&State{}); err != nil {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		},
	}
	if err := Serve(ctx, l, b, ServeOptions{Version: "test", IdleTimeout: time.Minute}); err != nil {
		return fail(err)
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// note adds this process to the list of that name.
func note(p paths.Paths, list string) {
	f, err := os.OpenFile(filepath.Join(p.State, list), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintln(f, os.Getpid())
}

func noted(t *testing.T, p paths.Paths, list string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(p.State, list))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return strings.Fields(string(b))
}

// starterRole dials and prints the agent's process number.
func starterRole() int {
	p, err := paths.Find(os.Getenv)
	if err != nil {
		return fail(err)
	}
	c, err := Dial(context.Background(), DialOptions{Paths: p, Start: UnlessStopped})
	if err != nil {
		return fail(err)
	}
	defer c.Close()
	s, err := c.State(context.Background())
	if err != nil {
		return fail(err)
	}
	fmt.Println(s.Agent.PID)
	return 0
}

// bare is what some hosts pass to the programs that they start, for a new home.
func bare(t *testing.T) (env []string, p paths.Paths) {
	t.Helper()
	dir, err := os.MkdirTemp("", "kp")
	if err != nil {
		t.Fatal(err)
	}
	env = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH"), "SHELL=/bin/sh", "TERM=dumb", "USER=someone"}
	if p, err = paths.Find(DialOptions{Environ: env}.getenv); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c, err := Dial(context.Background(), DialOptions{Paths: p}); err == nil {
			if err := c.Stop(context.Background()); err != nil {
				t.Errorf("end the agent: %v", err)
			}
		}
		os.RemoveAll(dir)
		os.RemoveAll(p.Runtime)
	})
	return env, p
}

func started(t *testing.T, o DialOptions) (*Client, int) {
	t.Helper()
	c, err := Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	s, err := c.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c, s.Agent.PID
}

func TestTwentyStartersAtOnceMakeOneAgent(t *testing.T) {
	env, p := bare(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out := make([][]byte, 20)
	var wg sync.WaitGroup
	for i := range out {
		wg.Go(func() {
			cmd := exec.Command(self, "starter")
			cmd.Env = env
			var err error
			if out[i], err = cmd.Output(); err != nil {
				t.Errorf("starter: %v", err)
			}
		})
	}
	wg.Wait()
	owners := noted(t, p, "owned")
	if len(owners) != 1 {
		t.Fatalf("agents %v, want one", owners)
	}
	for i := range out {
		if got := strings.TrimSpace(string(out[i])); got != owners[0] {
			t.Errorf("a starter got the agent %s, want %s", got, owners[0])
		}
	}
	if launched := noted(t, p, "launched"); len(launched) != 1 {
		t.Errorf("%d agents were launched so that one could win, want 1", len(launched))
	}
}

func TestAgentIsDetached(t *testing.T) {
	env, p := bare(t)
	_, pid := started(t, DialOptions{Paths: p, Start: Always, Environ: append(env, "SOME_API_TOKEN="+secretWord)})
	if sid, err := unix.Getsid(pid); err != nil || sid != pid {
		t.Errorf("session %d of agent %d (%v), want its own", sid, pid, err)
	}
	if fi, err := os.Stat(p.AgentLog()); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("agent.log: %v, %v", fi, err)
	}
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err == nil && strings.Contains(string(b), secretWord) {
		t.Error("the agent got a secret of its starter's environment")
	}
	if cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); err == nil && cwd != p.State {
		t.Errorf("the agent works in %s, want %s", cwd, p.State)
	}
	if b, err := os.ReadFile(p.Lock()); err != nil || strings.TrimSpace(string(b)) != strconv.Itoa(pid) {
		t.Errorf("lock file %q (%v), want the number of process %d", b, err, pid)
	}
}

func TestKilledAgentHeals(t *testing.T) {
	env, p := bare(t)
	o := DialOptions{Paths: p, Start: UnlessStopped, Environ: env}
	c, first := started(t, o)
	err := c.Watch(t.Context(), Watch{}, func(*State) error { return syscall.Kill(first, syscall.SIGKILL) })
	if !errors.Is(err, ErrAgentGone) {
		t.Fatalf("stream of a killed agent: got %v, want ErrAgentGone", err)
	}
	if _, err := os.Lstat(p.Socket()); err != nil {
		t.Fatalf("no stale socket to heal: %v", err)
	}
	if _, second := started(t, o); second == first {
		t.Errorf("agent %d answers after its death", first)
	}
	if _, err := c.State(t.Context()); err != nil {
		t.Errorf("the old client does not find the new agent: %v", err)
	}
}

func TestStaleSocketIsReplaced(t *testing.T) {
	env, p := bare(t)
	if err := p.Make(); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: p.Socket(), Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	started(t, DialOptions{Paths: p, Start: Always, Environ: env})
}

func TestStopKeepsBridgesFromStartingAndStartEndsIt(t *testing.T) {
	env, p := bare(t)
	c, first := started(t, DialOptions{Paths: p, Start: UnlessStopped, Environ: env})
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if free, err := lockFree(p); err != nil || !free {
		t.Errorf("Stop returned before the lock was free (%v)", err)
	}
	if _, err := os.Lstat(p.Socket()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	_, err := Dial(t.Context(), DialOptions{Paths: p, Start: UnlessStopped, Environ: env})
	if h := hint.Of(err); h == nil || h.Code != hint.Stopped || h.Text() != "Keyporter is stopped. Start it with keyporter start." {
		t.Errorf("bridge: got %v, want the hint that it is stopped", err)
	}
	if _, second := started(t, DialOptions{Paths: p, Start: Always, Environ: env}); second == first {
		t.Errorf("agent %d answers after stop", first)
	}
	if stopped, err := Stopped(p); err != nil || stopped {
		t.Errorf("stopped = %v, %v after a start", stopped, err)
	}
	started(t, DialOptions{Paths: p, Start: UnlessStopped, Environ: env})
}

func TestAgentThatFailsShowsTheEndOfItsLog(t *testing.T) {
	env, p := bare(t)
	_, err := Dial(t.Context(), DialOptions{Paths: p, Start: Always, Environ: append(env, "TEST_AGENT=broken")})
	h := hint.Of(err)
	if h == nil || h.What != "The Keyporter agent did not start." || h.Cause == nil ||
		!strings.HasSuffix(h.Cause.Error(), "two | three | four | five | six: the keyring is on fire") {
		t.Errorf("got %v", err)
	}
}

// "The Keyporter agent did not start" was all, and the reason stood in the details.
func TestAgentThatFailsIsHeardInItsOwnWords(t *testing.T) {
	env, p := bare(t)
	if err := DidNotStart(p); err != nil {
		t.Errorf("before any agent: %v", err)
	}
	_, err := Dial(t.Context(), DialOptions{Paths: p, Start: Always, Environ: append(env, "TEST_AGENT=refuses")})
	const want = "The file /kp/audit.head was written by a newer Keyporter. Update Keyporter."
	if h := hint.Of(err); h == nil || h.Text() != want || h.Cause == nil || !strings.Contains(h.Cause.Error(), "Details: one |") {
		t.Errorf("got %v", err)
	}
	if h := hint.Of(DidNotStart(p)); h == nil || h.Text() != "The last one did not start: "+want {
		t.Errorf("of the last one is said: %v", h)
	}
	// One that starts may log nothing.
	c, _ := started(t, DialOptions{Paths: p, Start: Always, Environ: env})
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := DidNotStart(p); err != nil {
		t.Errorf("after one that ran: %v", err)
	}
}

func TestCallWaitsForTheNextAgentWhenTheFirstIsKilledWhileItStarts(t *testing.T) {
	env, p := bare(t)
	started(t, DialOptions{Paths: p, Start: UnlessStopped, Environ: append(env, "TEST_AGENT_KILLS=2")})
	if n := len(noted(t, p, "launched")); n != 3 {
		t.Errorf("%d agents were started, want 3", n)
	}
}

func TestAgentsThatAreKilledAgainAndAgainAreGivenUp(t *testing.T) {
	env, p := bare(t)
	_, err := Dial(t.Context(), DialOptions{Paths: p, Start: UnlessStopped, Environ: append(env, "TEST_AGENT_KILLS=99")})
	if h := hint.Of(err); h == nil || h.What != "The Keyporter agent did not start." {
		t.Errorf("got %v", err)
	}
	if n := len(noted(t, p, "launched")); n != launches {
		t.Errorf("%d agents were started, want %d", n, launches)
	}
}

func TestAgentThatDoesNotAnswerInTimeShowsTheEndOfItsLog(t *testing.T) {
	env, p := bare(t)
	_, err := Dial(t.Context(), DialOptions{Paths: p, Start: Always, Environ: append(env, "TEST_AGENT=hangs"), within: 3 * time.Second})
	h := hint.Of(err)
	if h == nil || h.What != "The Keyporter agent did not start." || h.Cause == nil || !strings.HasSuffix(h.Cause.Error(), "waiting for the keyring") {
		t.Errorf("got %v", err)
	}
	for _, pid := range noted(t, p, "launched") {
		n, err := strconv.Atoi(pid)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	}
}

func TestAgentThatLosesItsFirstConnectionIsAskedAgain(t *testing.T) {
	env, p := bare(t)
	started(t, DialOptions{Paths: p, Start: Always, Environ: append(env, "TEST_AGENT=deaf at first")})
	if got := noted(t, p, "launched"); len(got) != 1 {
		t.Errorf("agents %v were launched, want one", got)
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	env, p := bare(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(ctx, DialOptions{Paths: p, Start: Always, Environ: env}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if got := noted(t, p, "launched"); len(got) != 0 {
		t.Errorf("agents %v were launched", got)
	}
}

func TestLogIsRotatedWhenAnAgentStarts(t *testing.T) {
	env, p := bare(t)
	if err := p.Make(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.AgentLog(), make([]byte, maxLog+1), 0o600); err != nil {
		t.Fatal(err)
	}
	started(t, DialOptions{Paths: p, Start: Always, Environ: env})
	if fi, err := os.Stat(p.AgentLog()); err != nil || fi.Size() > 4096 {
		t.Errorf("agent.log: %v, %v", fi, err)
	}
	if fi, err := os.Stat(p.AgentLog() + ".1"); err != nil || fi.Size() != maxLog+1 {
		t.Errorf("agent.log.1: %v, %v", fi, err)
	}
}

func TestSecondAgentIsTurnedAway(t *testing.T) {
	env, p := bare(t)
	_, first := started(t, DialOptions{Paths: p, Start: Always, Environ: env})
	if _, err := Listen(t.Context(), p); !errors.Is(err, ErrOwned) {
		t.Errorf("got %v, want ErrOwned", err)
	}
	if _, again := started(t, DialOptions{Paths: p, Start: Always, Environ: env}); again != first {
		t.Errorf("agent %d was replaced by %d", first, again)
	}
}

// A watchedContext tells when somebody first waits for its end.
type watchedContext struct {
	context.Context
	waiting func()
}

func (c watchedContext) Done() <-chan struct{} { c.waiting(); return c.Context.Done() }

func TestAgentWaitsForOneThatIsEnding(t *testing.T) {
	p := home(t)
	old, err := Listen(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	closeSocket(old) // as Serve does, while the old agent still writes its files
	waiting := make(chan struct{})
	ctx := watchedContext{t.Context(), sync.OnceFunc(func() { close(waiting) })}
	var released atomic.Bool
	got := make(chan error, 1)
	go func() {
		l, err := Listen(ctx, p)
		if !released.Load() {
			err = fmt.Errorf("two agents own the files, or none: %v", err)
		}
		if l != nil {
			err = errors.Join(err, l.Close())
		}
		got <- err
	}()
	<-waiting
	released.Store(true)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Errorf("the new agent: %v", err)
	}
}

func TestSocketIsPrivateUnderAnyUmask(t *testing.T) {
	for _, mask := range []int{0, 0o022, 0o077, 0o177} {
		p := home(t)
		old := syscall.Umask(mask)
		err := listenOnce(t, p)
		syscall.Umask(old)
		if err != nil {
			t.Errorf("umask %o: %v", mask, err)
		}
	}
}

func listenOnce(t *testing.T, p paths.Paths) error {
	l, err := Listen(t.Context(), p)
	if err != nil {
		return err
	}
	defer l.Close()
	for path, want := range map[string]os.FileMode{p.Socket(): 0o600, p.Lock(): 0o600} {
		if fi, err := os.Lstat(path); err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want mode %o", path, fi, err, want)
		}
	}
	return nil
}

func TestSomethingElseInPlaceOfTheSocketIsLeftAlone(t *testing.T) {
	p := home(t)
	if err := os.WriteFile(p.Socket(), []byte("letters"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(t.Context(), p); err == nil || !strings.Contains(hint.Of(err).What, "in the way") {
		t.Errorf("got %v", err)
	}
	if b, err := os.ReadFile(p.Socket()); err != nil || string(b) != "letters" {
		t.Errorf("the file is now %q, %v", b, err)
	}
	if free, err := lockFree(p); err != nil || !free {
		t.Errorf("the lock is still held (%v)", err)
	}
}

func TestPathThatIsTooLongForASocketIsNamed(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	p := paths.Paths{Config: dir, State: dir, Runtime: dir}
	_, listenErr := Listen(t.Context(), p)
	_, dialErr := Dial(t.Context(), DialOptions{Paths: p, Start: Always, Program: "/nonexistent"})
	for name, err := range map[string]error{"listen": listenErr, "dial": dialErr} {
		if err == nil || !strings.Contains(hint.Of(err).What, "too long for a socket") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	p, err := paths.Find(func(k string) string { return map[string]string{"KEYPORTER_HOME": dir}[k] })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(p.Runtime) })
	serve(t, p, new(fake))
	dial(t, p)
}

func TestStopMarkIsThereOrNot(t *testing.T) {
	p := home(t)
	for _, want := range []bool{true, true, false, false} {
		if err := MarkStopped(p, want); err != nil {
			t.Fatal(err)
		}
		if got, err := Stopped(p); err != nil || got != want {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
}

func TestAgentsEnvironmentHoldsNoSecrets(t *testing.T) {
	kept := []string{"HOME=/h", "PATH=/p", "KEYPORTER_PASSPHRASE_FILE=/f", "SSH_AUTH_SOCK=/s", "XAUTHORITY=/x",
		"GOOGLE_APPLICATION_CREDENTIALS=/g", "CREDENTIALS_DIRECTORY=/c", "HTTPS_PROXY=http://p", "SSL_CERT_FILE=/c", "KEYBOARD=us", "EMPTY="}
	dropped := []string{"GITHUB_TOKEN=x", "OPENAI_API_KEY=x", "aws_secret_access_key=x", "DB_PASSWORD=x", "NPM_AUTH=x", "MY_PAT=x", "NOTIFY_SOCKET=/n", "LISTEN_FDS=1"}
	if got := agentEnv(slices.Concat(kept, dropped)); !slices.Equal(got, kept) {
		t.Errorf("got %v, want %v", got, kept)
	}
}

func TestProgramsWithoutAnAgentUseTheOneBesideThem(t *testing.T) {
	for self, want := range map[string]string{
		"/opt/kp/keyporter":          "/opt/kp/keyporter",
		"/opt/kp/keyporter-tray":     "/opt/kp/keyporter",
		"/opt/kp/keyporter-demo":     "/opt/kp/keyporter",
		"/opt/kp/keyporter-tray.exe": "/opt/kp/keyporter.exe",
		"/opt/kp/keyporter-1.2":      "/opt/kp/keyporter-1.2",
	} {
		if got := agentProgram(self); got != want {
			t.Errorf("%s: got %s, want %s", self, got, want)
		}
	}
}
