//go:build unix

// Package conformance lets the official MCP conformance suite judge Keyporter: suite →
// host (driver.mjs) → keyporter bridge over stdio → the suite's server. The host is
// played by the TypeScript SDK 1 for protocols up to 2025-11-25 and by the SDK 2 for
// 2026-07-28; the browser answers at once. The suite's scenarios for servers run too:
// suite → front over HTTP → keyporter bridge over stdio → a server of the Go SDK.
//
// A scenario counts as passed only when the suite has no failure and no warning, it
// observed something at all, and the host got the right answer.
//
//	go test ./test/conformance -table    writes docs/conformance.md as well
package conformance

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyporter/broker/vault/vaulttest"
	"keyporter/internal/paths"
	"keyporter/internal/peers"
)

var writeTable = flag.Bool("table", false, "write docs/conformance.md")

// limit bounds one scenario. The suite's own default is 30 s, which a busy machine
// may need for the start of its programs alone.
const limit = 2 * time.Minute

// word stands in every secret that these tests make up.
const word = "SECRETWORD"

// Made by TestMain: the built program, and a home whose vault opens with little work.
var program, template string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "kpcf")
	if err == nil {
		defer os.RemoveAll(dir)
		err = prepare(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func prepare(dir string) error {
	program, template = filepath.Join(dir, "keyporter"), filepath.Join(dir, "home")
	cmd := exec.Command("go", "build", "-ldflags=-s -w", "-o", program, "keyporter/cmd/keyporter")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build keyporter: %w\n%s", err, out)
	}
	if err := os.Mkdir(template, 0o700); err != nil {
		return err
	}
	pass := "passphrase " + word
	if err := os.WriteFile(filepath.Join(template, "passphrase"), []byte(pass), 0o600); err != nil {
		return err
	}
	p, err := pathsOf(template)
	if err != nil {
		return err
	}
	return vaulttest.Make(p, pass)
}

// pathsOf are the folders of the Keyporter in a home.
func pathsOf(home string) (paths.Paths, error) {
	return paths.Find(func(name string) string {
		if name == "KEYPORTER_HOME" {
			return filepath.Join(home, "kp")
		}
		return ""
	})
}

// TestConformance runs each scenario that the suite has for clients, in its
// revision's own terms, and those for servers with a bridge before the server.
func TestConformance(t *testing.T) {
	scenarios := scenarios(t)
	results := make([]result, len(scenarios))
	t.Run("scenarios", func(t *testing.T) {
		for i, s := range scenarios {
			t.Run(s.revision+"/"+strings.ReplaceAll(s.name, "/", "-"), func(t *testing.T) {
				t.Parallel()
				results[i] = result{scenario: s, verdict: "FAIL"}
				s.judge(t, &results[i])
			})
		}
	})
	var servers []serverResult
	t.Run("servers", func(t *testing.T) { servers = judgeServers(t) })
	if *writeTable {
		if err := os.WriteFile(tableFile, []byte(table(t, results)+serverTable(servers)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// A check is one line of the suite's verdict.
type check struct {
	ID, Status, Description, ErrorMessage string
}

// A result is how a scenario ended.
type result struct {
	scenario
	passed, decisive int // checks
	verdict          string
}

// newHome returns a home with a vault, whose agent ends with the test.
func newHome(t *testing.T) string {
	t.Helper()
	home, err := os.MkdirTemp("", "kp") // short, because a socket's path is
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	if err := os.CopyFS(home, os.DirFS(template)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(home, "kp"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, home) })
	return home
}

// judge runs the scenario in a home of its own.
func (s scenario) judge(t *testing.T, r *result) {
	home := newHome(t)
	p, err := pathsOf(home)
	if err != nil {
		t.Fatal(err)
	}
	out := s.suite(t, home)
	checks, host := readVerdict(t, home)
	for _, c := range checks {
		switch c.Status {
		case "SUCCESS":
			r.passed++
			r.decisive++
		case "FAILURE":
			r.decisive++
			t.Errorf("%s: %s %s", c.ID, c.Description, c.ErrorMessage)
		case "WARNING":
			t.Errorf("warning, %s: %s %s", c.ID, c.Description, c.ErrorMessage)
		}
	}
	if r.decisive == 0 {
		t.Error("the suite observed nothing")
	}
	if !strings.Contains(host, "host content") {
		t.Error("the host did not get what it should")
	}
	noSecrets(t, home, p)
	if !t.Failed() {
		r.verdict = "pass"
	} else {
		log, _ := os.ReadFile(p.AgentLog())
		t.Logf("suite:\n%s\nagent:\n%s", out, log)
	}
}

// suite runs the conformance suite for the scenario. Its exit code is not zero if it
// is not content, or the client was not.
func (s scenario) suite(t *testing.T, home string) string {
	t.Helper()
	node := peers.Node(t, "node_modules/@modelcontextprotocol/conformance/dist/index.js")
	driver, err := filepath.Abs("driver.mjs")
	if err != nil {
		t.Fatal(err)
	}
	// The suite splits the command at spaces.
	drive := fmt.Sprintf("#!/bin/sh\nexec '%s' '%s' \"$@\"\n", node[0], driver)
	if err := os.WriteFile(filepath.Join(home, "drive"), []byte(drive), 0o700); err != nil {
		t.Fatal(err)
	}
	args := append(node[1:], "client", "--command", "./drive", "--scenario", s.name, "-o", "out", "--timeout", fmt.Sprint(limit.Milliseconds()))
	cmd := exec.Command(node[0], append(args, s.flags...)...)
	cmd.Dir = home
	loopback, err := filepath.Abs("../node/loopback.cjs")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), "NODE_OPTIONS=--require "+loopback, "CONFORMANCE_HOST="+s.host, "CONFORMANCE_HOME="+home,
		"CONFORMANCE_PROGRAM="+program, "CONFORMANCE_BROWSER="+peers.Browser(t),
		fmt.Sprintf("CONFORMANCE_LIMIT=%d", (limit-10*time.Second).Milliseconds()))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("the suite: %v", err)
	}
	return string(out)
}

// readVerdict reads what the suite wrote: its checks, and the host's standard output.
func readVerdict(t *testing.T, home string) ([]check, string) {
	t.Helper()
	var checks []check
	b := readOut(t, home, "checks.json")
	if err := json.Unmarshal(b, &checks); err != nil {
		t.Errorf("read the suite's checks: %v", err)
	}
	return checks, string(readOut(t, home, "stdout.txt"))
}

func readOut(t *testing.T, home, name string) []byte {
	t.Helper()
	var content []byte
	err := filepath.WalkDir(filepath.Join(home, "out"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Name() == name {
			content, err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Errorf("read the suite's output: %v", err)
	}
	return content
}

// secrets stand in the values that the suite makes up, and in ours.
var secrets = []string{word, "test-auth-code", "test-token", "cc-token", "-secret", "PRIVATE KEY", "eyJ"}

// noSecrets searches what the host and Keyporter wrote.
func noSecrets(t *testing.T, home string, p paths.Paths) {
	t.Helper()
	written := map[string][]byte{"the host's standard error": readOut(t, home, "stderr.txt")}
	for _, file := range []string{p.AgentLog(), p.ConfigFile(), p.StateFile(), p.Audit()} {
		b, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
		written[filepath.Base(file)] = b
	}
	for name, content := range written {
		for _, s := range secrets {
			if strings.Contains(string(content), s) {
				t.Errorf("%s holds a secret (%s)", name, s)
			}
		}
	}
}

// stop ends the agent of a home and waits until its process is gone.
func stop(t *testing.T, home string) {
	cmd := exec.Command(program, "stop")
	cmd.Env = []string{"HOME=" + home, "KEYPORTER_HOME=" + filepath.Join(home, "kp")}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("keyporter stop: %v\n%s", err, out)
	}
}
