package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyporter/internal/fakeas"
)

// Everything that Keyporter starts, and that those start, however short it lives:
// strace writes down the arguments and the environment of each, into a file of the
// home, which is searched like the others.
func TestNoProgramThatKeyporterStartsIsGivenASecret(t *testing.T) {
	t.Parallel()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal("This test needs strace: apt-get install strace")
	}
	h := newHome(t)
	h.unseen, h.linger = true, 100*time.Millisecond
	log := filepath.Join(h.dir, "started")
	// -DDD leaves strace behind with the agent, so that commands end by themselves.
	h.program, h.first = strace, []string{"-DDD", "-f", "-qq", "-v", "-s", "1048576", "-e", "signal=none", "-e", "trace=execve", "-A", "-o", log, program}
	newWorld(h, fakeas.Options{}).signedIn(h)
	h.do("call", "acme", "add", `{"a": 1, "b": 2}`)
	h.run("status", "--key="+canaryArgument)
	b, err := os.ReadFile(log)
	check(t, err)
	for _, want := range []string{`"` + program + `", "agent"`, h.dir + "/browser", `"HOME=` + h.dir, canaryArgument} {
		if !strings.Contains(string(b), want) {
			t.Errorf("nothing was seen of %s", want)
		}
	}
}

// canaryArgument shows that arguments are seen.
const canaryArgument = "an-argument-that-is-seen"

// A program whose keys a scan moved into the vault has those keys in its environment,
// and nothing else of the vault.
func TestAProgramIsGivenItsOwnKeysAndNothingElseOfTheVault(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.unseen = true
	newWorld(h, fakeas.Options{}).signedIn(h)
	own, other := "own-key-"+word, "other-key-"+word
	path := filepath.Join(h.dir, "project", ".mcp.json")
	check(t, os.Mkdir(filepath.Dir(path), 0o700))
	check(t, os.WriteFile(path, []byte(fmt.Sprintf(`{"mcpServers": {
  "tool": {"command": "/bin/cat", "args": ["/proc/self/cmdline", "/proc/self/environ"], "env": {"TOOL_API_KEY": %q}},
  "else": {"command": "/bin/cat", "args": ["/proc/self/cmdline", "/proc/self/environ"], "env": {"TOOL_API_KEY": %q}}
}}`, own, other)), 0o600))
	h.do("scan", "--fix", filepath.Dir(path))
	cmd := h.as(program, "run", "tool") // what it writes is searched here, by itself
	b, err := cmd.Output()
	if err != nil {
		t.Fatalf("keyporter run: %v", err)
	}
	given := "TOOL_API_KEY=" + own
	if strings.Count(string(b), given+"\x00") != 1 {
		t.Fatalf("the program was not given its key; it has %q", strings.ReplaceAll(string(b), own, "…"))
	}
	h.searchText("what keyporter run gave to a program", strings.Replace(string(b), given, "", 1))
	check(t, os.RemoveAll(filepath.Dir(path)))
}
