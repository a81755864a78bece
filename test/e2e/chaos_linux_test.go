package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/tally"
)

// A chaos is a user's programs, of which a random one is killed again and again
// while several clients call.
type chaos struct {
	*home
	w        *world
	programs string // the folder of the programs, which no others run from
	rnd      *rand.Rand
	run      tally.Tally
	repeated atomic.Int64  // calls whose own bridge was killed, each time
	over     chan struct{} // closed when there are to be no more calls
	callers  []*caller
	tray     *trayApp
}

// A caller is an MCP client that launches its bridge again when it has ended.
type caller struct {
	c        *chaos
	mu       sync.Mutex // of launching
	bridge   atomic.Pointer[host]
	answered atomic.Int64
}

// running returns the client's bridge.
func (l *caller) running() *host {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if b := l.bridge.Load(); b != nil && !b.gone() {
			return b
		}
		b := l.c.launch("acme")
		l.bridge.Store(b)
		m, ok := b.await(b.begin("initialize", initializeParams))
		switch {
		case ok && m.Error == nil:
			b.notify("notifications/initialized")
		case ok || !b.slain.Load():
			l.c.t.Errorf("a bridge that was launched says %v", m)
			return b
		}
	}
}

// call makes one call, however many bridges that takes.
func (l *caller) call(n int) {
	l.c.run.Sent.Add(1)
	for {
		b := l.running()
		m, ok := b.await(b.add(n, 1))
		switch {
		case !ok && b.slain.Load():
			l.c.repeated.Add(1)
			continue
		case !ok || m.Error != nil || strings.Contains(string(m.Result), `"isError":true`):
			l.c.run.Lost.Add(1)
			l.c.t.Errorf("a call was lost: %v", m)
		case !strings.Contains(string(m.Result), fmt.Sprintf(`"sum":%d`, n+1)):
			l.c.run.Wrong.Add(1)
			l.c.t.Errorf("%d+1 was answered with %v", n, m)
		default:
			l.c.run.Answered.Add(1)
		}
		l.answered.Add(1)
		return
	}
}

// work calls until the chaos is over.
func (l *caller) work(from int) {
	for n := from; ; n++ {
		select {
		case <-l.c.over:
			return
		default:
			l.call(n)
		}
	}
}

// nextCall waits until the client has an answer to a call that it makes from now on.
func (l *caller) nextCall(inFlight int64) {
	l.c.t.Helper()
	before := l.answered.Load()
	until(l.c.t, "an answer to the next call", func() bool { return l.answered.Load() > before+inFlight })
}

const (
	chaosCallers = 6
	chaosCalls   = 3 // in flight of each client
)

// TestProgramsKilledAtRandomLoseNoCall kills the agent, bridges and the tray app
// under load: thirty times, or as often as KEYPORTER_CHAOS says (make chaos).
// KEYPORTER_SEED is the seed of a run before.
func TestProgramsKilledAtRandomLoseNoCall(t *testing.T) {
	t.Parallel()
	faults, seed := setting(t, "KEYPORTER_CHAOS", 30), setting(t, "KEYPORTER_SEED", rand.Uint64())
	c := newChaos(t, seed)
	var wg sync.WaitGroup
	for i := range chaosCallers {
		l := &caller{c: c}
		c.callers = append(c.callers, l)
		for j := range chaosCalls {
			wg.Go(func() { l.work((i*chaosCalls + j) * 1_000_000) })
		}
	}
	c.tray.start()
	for _, l := range c.callers {
		l.nextCall(0)
	}
	began := time.Now()
	killed := map[string]int{}
	for range faults {
		<-time.After(time.Duration(c.rnd.Int64N(int64(200 * time.Millisecond)))) // the moment is the point
		killed[c.fault()]++
		c.run.Faults.Add(1)
		if t.Failed() {
			break
		}
	}
	took := time.Since(began)
	close(c.over)
	wg.Wait()
	browsers := c.browsers() - 1 // of the sign-in before
	c.run.Report(t, "make chaos", fmt.Sprintf("Programs killed at random moments while %d clients have %d calls in flight", chaosCallers, chaosCallers*chaosCalls),
		fmt.Sprintf("Seed %d, %v: the agent was killed %d times, a bridge %d times, the tray app %d times.", seed, took.Round(time.Second), killed["agent"], killed["bridge"], killed["tray"]),
		fmt.Sprintf("%d calls were in flight on a bridge that was killed; their clients launched it again and repeated them.", c.repeated.Load()),
		fmt.Sprintf("At the identity provider: %d renewals, %d invalid_grant, %d sign-ins asked for; %d browsers opened.",
			c.w.as.Counters().Refreshed, c.w.as.Counters().InvalidGrant, c.w.as.Counters().Signins-1, browsers))
	if !c.run.Good() || c.run.Sent.Load() < int64(faults) {
		t.Errorf("seed %d: %s", seed, &c.run)
	}
	c.wantWhole()
}

// setting reads a number that the environment may name.
func setting(t *testing.T, name string, usual uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return usual
	}
	n, err := strconv.ParseUint(text, 10, 64)
	check(t, err)
	return n
}

func newChaos(t *testing.T, seed uint64) *chaos {
	c := &chaos{programs: t.TempDir(), over: make(chan struct{}), rnd: rand.New(rand.NewPCG(seed, 0))}
	c.home = newHome(t, "KEYPORTER_LOG=info", "KEYPORTER_VAULT=keyring") // the default, and quick to open
	c.program = filepath.Join(c.programs, "keyporter")
	b, err := os.ReadFile(program)
	check(t, err)
	writeProgram(t, c.program, b, 0o700)
	c.tray = newTrayApp(c)
	startKeyring(t, c.tray.d, c.home)
	// A provider that takes a refresh token until its successor is used, so that an
	// agent that dies in between has not lost its sign-in.
	c.w = newWorld(c.home, fakeas.Options{AccessLife: 2 * time.Second, KeepPrevious: true}).signedIn(c.home)
	c.w.mcp.SetLatency(50 * time.Millisecond)
	return c
}

// fault kills a program, waits until the next call has been answered and says which
// program it was.
func (c *chaos) fault() string {
	victim := c.callers[c.rnd.IntN(len(c.callers))]
	switch n := c.rnd.IntN(100); {
	case n < 45:
		pid := 0
		until(c.t, "an agent", func() bool { pid = c.agent(); return pid != 0 })
		check(c.t, syscall.Kill(pid, syscall.SIGKILL))
		victim.nextCall(chaosCalls)
		return "agent"
	case n < 90:
		until(c.t, "a bridge", func() bool { return !victim.bridge.Load().gone() })
		victim.bridge.Load().kill()
		victim.nextCall(chaosCalls)
		return "bridge"
	default:
		c.tray.kill()
		c.tray.start()
		victim.nextCall(chaosCalls)
		return "tray"
	}
}

// agent returns the process of the agent that runs, as its lock names it; 0 if
// there is none.
func (c *chaos) agent() int {
	b, err := os.ReadFile(c.paths().Lock())
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || !slices.Contains(c.processes(), pid) {
		return 0
	}
	return pid
}

// processes returns the numbers of those that run from the folder of the programs.
func (c *chaos) processes() (pids []int) {
	c.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	check(c.t, err)
	for _, f := range files {
		b, err := os.ReadFile(f)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err == nil && strings.HasPrefix(string(b), c.programs+"/") && alive(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// wantWhole checks what the chaos has left.
func (c *chaos) wantWhole() {
	c.t.Helper()
	for _, l := range c.callers {
		l.bridge.Load().close()
	}
	c.tray.end()
	if got := c.w.as.Counters(); got.Signins != 1 || got.InvalidGrant != 0 {
		c.t.Errorf("the authorization server counted %+v", got)
	}
	c.wantBrowsers(1)
	c.tray.d.want(0)
	if out := c.do("call", "acme", "add", `{"a": 1, "b": 2}`); out != "3\n" {
		c.t.Errorf("a call afterwards says %q", out)
	}
	var checks []local.Check
	check(c.t, json.Unmarshal([]byte(c.do("doctor", "--json")), &checks))
	if len(checks) == 0 {
		c.t.Error("doctor checked nothing")
	}
	for _, k := range checks {
		if k.Result == local.CheckFailed {
			c.t.Errorf("doctor: %+v", k)
		}
	}
	if out := c.do("account", "list", "--json"); strings.Count(out, `"kind"`) != 1 {
		c.t.Errorf("the accounts are %s", out)
	}
	c.do("log", "--verify")

	c.do("stop")
	until(c.t, "the end of all programs", func() bool { return len(c.processes()) == 0 })
	check(c.t, filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && (d.Type()&fs.ModeSocket != 0 && strings.HasPrefix(path, c.paths().Runtime) || strings.HasSuffix(path, ".tmp")) {
			c.t.Errorf("%s is left behind", path)
		}
		return err
	}))
}

// kill ends the bridge as nothing else can. What it was to answer is lost.
func (c *host) kill() {
	c.slain.Store(true)
	_ = c.cmd.Process.Kill() // it may have ended
}

// gone reports whether the bridge has ended.
func (c *host) gone() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}
