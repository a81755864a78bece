//go:build unix

package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"keyporter/internal/fakeas"
)

// underWay returns a settled bridge with a call that the server will answer in a
// second, and has.
func underWay(t *testing.T) (*host, <-chan message) {
	t.Helper()
	h := newHome(t)
	w := newWorld(h, fakeas.Options{}).signedIn(h)
	c := settled(h, w)
	w.mcp.SetLatency(time.Second)
	seen := len(w.mcp.Requests())
	answer := c.add(3, 4)
	until(t, "the call at the server", func() bool { return len(w.mcp.Requests()) > seen })
	return c, answer
}

func TestInputThatEndsLosesNoAnswer(t *testing.T) {
	t.Parallel()
	c, answer := underWay(t)
	check(t, c.in.Close())
	<-c.ended
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	select {
	case m := <-answer:
		if !strings.Contains(m.String(), "7") {
			t.Errorf("the answer is %v", m)
		}
	default:
		t.Error("the call under way was not answered")
	}
}

func TestSignalEndsABridge(t *testing.T) {
	t.Parallel()
	c, _ := underWay(t)
	check(t, c.cmd.Process.Signal(syscall.SIGTERM))
	<-c.ended
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestBridgeWhoseHostIsGoneEnds has a host that is killed while something else holds
// the bridge's standard input open, so that it has no end.
func TestBridgeWhoseHostIsGoneEnds(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	newWorld(h, fakeas.Options{}).signedIn(h)
	in, hold, err := os.Pipe()
	check(t, err)
	defer hold.Close()
	defer in.Close()
	host := exec.Command("/bin/sh", "-c", `"$0" bridge acme <&3 >/dev/null & echo $!; wait`, program)
	host.Env, host.Dir, host.ExtraFiles = h.env, h.dir, []*os.File{in}
	out, err := host.StdoutPipe()
	check(t, err)
	check(t, host.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	check(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	check(t, err)
	until(t, "the bridge at its agent", func() bool { return strings.Contains(h.do("status", "--json"), `"bridges": 1`) })
	check(t, host.Process.Kill())
	_ = host.Wait() // killed
	until(t, "the bridge's end", func() bool { return !alive(pid) })
}
