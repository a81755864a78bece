// Package peers starts real programs that tests talk to: a certified OpenID
// provider, the reference MCP servers of the Go and TypeScript SDKs, and a
// person without a screen who signs in (User). It is for tests only.
//
// The node programs and their Node are in test/node; "make test" installs them.
// Each peer listens on 127.0.0.1 on a port of its own and ends with the test.
// A peer that cannot start fails the test.
package peers

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// startLimit is how long a peer may take until it serves. It is generous: a
// busy machine is not what the tests are about.
const startLimit = time.Minute

// goodbye is how long a peer's output is read after its end.
const goodbye = 5 * time.Second

// A process is a peer that runs.
type process struct {
	cmd    *exec.Cmd
	output tail          // its standard error, and standard output after the ready line
	ended  chan struct{} // closed when the process is gone
}

// launch starts cmd and ends it with the test. If the test fails, the end of
// the peer's output is logged.
func launch(t testing.TB, cmd *exec.Cmd, stdout io.Writer) *process {
	t.Helper()
	p := &process{cmd: cmd, ended: make(chan struct{})}
	cmd.Stderr = &p.output
	cmd.Stdout = io.MultiWriter(stdout, &p.output)
	cmd.WaitDelay = goodbye
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", filepath.Base(cmd.Path), err)
	}
	go func() {
		cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("output of %s:\n%s", filepath.Base(cmd.Path), p.output.String())
		}
	})
	return p
}

// startAnnounced starts a peer that prints "ready URL" and returns the URL.
func startAnnounced(t testing.TB, cmd *exec.Cmd) string {
	t.Helper()
	r, w := io.Pipe()
	ready := make(chan string, 1) // takes one URL; the reader never blocks on it
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		in := bufio.NewReader(r)
		for {
			line, err := in.ReadString('\n')
			if url, ok := strings.CutPrefix(strings.TrimSpace(line), "ready "); ok {
				select {
				case ready <- url:
				default:
				}
			}
			if err != nil {
				return
			}
		}
	}()
	// Registered first, so it runs after the process has ended.
	t.Cleanup(func() {
		w.Close()
		<-reading
	})
	p := launch(t, cmd, w)
	select {
	case url := <-ready:
		return url
	case <-p.ended:
		t.Fatalf("%s ended before it was ready:\n%s", strings.Join(cmd.Args, " "), p.output.String())
	case <-time.After(startLimit):
		t.Fatalf("%s was not ready after %v:\n%s", strings.Join(cmd.Args, " "), startLimit, p.output.String())
	}
	return ""
}

// awaitPort waits until addr accepts a connection. It returns false if p ends
// before that.
func awaitPort(t testing.TB, p *process, addr string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startLimit)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var dialer net.Dialer
	for {
		c, err := dialer.DialContext(ctx, "tcp", addr)
		if err == nil {
			c.Close()
			return true
		}
		select {
		case <-p.ended:
			return false
		case <-ctx.Done():
			t.Fatalf("%s does not serve on %s: %v\n%s", filepath.Base(p.cmd.Path), addr, err, p.output.String())
		case <-tick.C:
		}
	}
}

// freeAddress returns a loopback address whose port was free a moment ago.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// root is the top folder of the repository: the nearest one above the working
// directory (of a test: its package's folder) with a go.mod.
var root = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("find go.mod: no folder above the working directory has one")
		}
		dir = up
	}
})

// nodeDir is test/node, where the node programs are.
func nodeDir(t testing.TB) string {
	t.Helper()
	top, err := root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(top, "test", "node")
}

// Node returns the command line of a node program: the Node 22 of test/node and
// the program's path, which is relative to test/node.
func Node(t testing.TB, program string) []string {
	t.Helper()
	dir := nodeDir(t)
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	node := filepath.Join(dir, "node_modules", "node-"+runtime.GOOS+"-"+arch, "bin", "node")
	script := filepath.Join(dir, filepath.FromSlash(program))
	for _, file := range []string{node, script} {
		if _, err := os.Stat(file); err != nil {
			t.Fatalf("The test peer %s is not installed; make test installs it (scripts/setup node does it alone).", file)
		}
	}
	return []string{node, script}
}

// nodeCommand returns a node program, with args and more environment, as a command.
func nodeCommand(t testing.TB, program string, args, env []string) *exec.Cmd {
	t.Helper()
	line := Node(t, program)
	cmd := exec.Command(line[0], append(line[1:], args...)...)
	cmd.Dir = nodeDir(t)
	cmd.Env = append(os.Environ(), env...)
	return cmd
}

// A tail keeps the end of what is written to it. It is safe for concurrent use.
type tail struct {
	mu  sync.Mutex
	end []byte
}

// tailSize is how many bytes a tail keeps.
const tailSize = 16 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, b...)
	if extra := len(t.end) - tailSize; extra > 0 {
		t.end = append(t.end[:0], t.end[extra:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.end)
}
