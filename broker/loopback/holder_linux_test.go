package loopback

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestMain of the package would run the tests; the child only holds a port.
const holdPort = "KEYPORTER_TEST_HOLD_PORT"

func TestAnotherProgramAtThePortIsNamed(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command(exe, "-test.run=^TestHoldAPort$")
	child.Env = append(os.Environ(), holdPort+"=1")
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = in.Close() // the child ends
		_ = child.Wait()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	name, pid, err := holder(port)
	if err != nil || pid != child.Process.Pid || !strings.HasSuffix(name, ".test") {
		t.Errorf("got %s, %d, %v; want the process %d", name, pid, err, child.Process.Pid)
	}
	if text := taken(port); !strings.Contains(text, fmt.Sprintf("(process %d)", child.Process.Pid)) {
		t.Errorf("got %q", text)
	}
}

// TestHoldAPort is the other program: it listens until its input ends.
func TestHoldAPort(t *testing.T) {
	if os.Getenv(holdPort) == "" {
		return // only as a child
	}
	l := listener(t, Options{})
	fmt.Println(l.redirect.Port())
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
}

func TestNobodyAtThePort(t *testing.T) {
	l := listener(t, Options{})
	port, err := strconv.Atoi(l.redirect.Port())
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if name, pid, err := holder(port); err == nil {
		t.Errorf("got %s, %d", name, pid)
	}
}
