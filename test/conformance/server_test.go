//go:build unix

package conformance

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"keyporter/internal/peers"
)

// A serverResult is how a scenario for servers ended, directly and through the bridge.
type serverResult struct {
	revision, name, standing string
	direct, through          int    // checks that passed
	left                     string // why it is left out; empty if it is not
	verdict                  string
}

// leftOut are scenarios that say nothing about what is between the front and the
// server, with the reason.
var leftOut = map[string]string{
	"dns-rebinding-protection":             "what an HTTP server does about Host and Origin",
	"server-session-lifecycle":             "what an HTTP server does about sessions",
	"server-sse-polling":                   "what an HTTP server does about its streams",
	"http-header-validation":               "header fields, which standard input has not",
	"http-custom-header-server-validation": "header fields, which standard input has not",
	"tasks-":                               "the server has no tasks",
}

// leftChecks are single checks of the same kind: a message without a version in it is
// of the newer era only by its header field, which standard input has not.
var leftChecks = []string{
	"sep-2575-request-meta-invalid-missing-meta", "sep-2575-request-meta-invalid-missing-protocol-version",
	"sep-2575-http-server-meta-invalid-400", "sep-2575-http-server-header-mismatch-400",
}

// judgeServers runs the scenarios that the suite has for servers, twice for each
// revision: at a real server, and with the bridge before it. What passes at the
// server passes through the bridge.
func judgeServers(t *testing.T) []serverResult {
	var all []serverResult
	for _, h := range hosts {
		t.Run(h.revision, func(t *testing.T) {
			// Without sessions the Go SDK's server speaks both eras; with them it
			// can also ask its client, as servers up to 2025-11-25 do.
			url := peers.EverythingServer(t, h.revision == "2026-07-28")
			direct := serverSuite(t, h.revision, url)
			through := serverSuite(t, h.revision, bridged(t, url))
			if len(direct) == 0 {
				t.Error("the suite observed nothing")
			}
			for _, s := range serverScenarios(t, h.revision) {
				r := serverResult{revision: h.revision, name: s[0], standing: s[1], left: reason(s[0])}
				if r.left == "" {
					t.Run(s[0], func(t *testing.T) { r.compare(t, direct[s[0]], through[s[0]]) })
				}
				all = append(all, r)
			}
		})
	}
	return all
}

// reason returns why a scenario is left out, or nothing.
func reason(name string) string {
	for prefix, why := range leftOut {
		if strings.HasPrefix(name, prefix) {
			return why
		}
	}
	return ""
}

func (r *serverResult) compare(t *testing.T, direct, through []check) {
	passed := func(checks []check) (n int) {
		for _, c := range checks {
			if c.Status == "SUCCESS" && !slices.Contains(leftChecks, c.ID) {
				n++
			}
		}
		return n
	}
	r.direct, r.through, r.verdict = passed(direct), passed(through), "pass"
	if r.direct == 0 {
		t.Error("the suite observed nothing")
	}
	for _, c := range through {
		if (c.Status == "FAILURE" || c.Status == "WARNING") && !slices.Contains(leftChecks, c.ID) {
			t.Errorf("%s: %s %s", c.ID, c.Description, c.ErrorMessage)
		}
	}
	if r.through != r.direct {
		t.Errorf("%d checks passed through the bridge, and %d without it", r.through, r.direct)
	}
	if t.Failed() {
		r.verdict = "FAIL"
	}
}

// serverScenarios are those of a requirement set with their standing.
func serverScenarios(t *testing.T, revision string) [][2]string {
	t.Helper()
	scored, others := requirementSet(t, revision, "server")
	var all [][2]string
	for _, name := range scored {
		all = append(all, [2]string{name, "scored"})
	}
	for _, o := range others {
		if !strings.HasPrefix(o[0], "tasks-") {
			all = append(all, o)
		}
	}
	return all
}

// savedAs is the name of the folder that the suite makes for a scenario.
var savedAs = regexp.MustCompile(`^server-(.*)-\d{4}-\d\d-\d\dT[-\d]+Z$`)

// serverSuite lets the suite judge a server and returns its checks by scenario.
func serverSuite(t *testing.T, revision, url string) map[string][]check {
	t.Helper()
	out := t.TempDir()
	node := peers.Node(t, "node_modules/@modelcontextprotocol/conformance/dist/index.js")
	cmd := exec.Command(node[0], append(node[1:], "server", "--url", url, "--requirements", revision, "-o", out,
		"--timeout", fmt.Sprint(limit.Milliseconds()))...)
	// It exits with 1 if anything fails, also of what does not count; its checks say more.
	said, _ := cmd.CombinedOutput()
	found := map[string][]check{}
	dirs, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range dirs {
		name := savedAs.FindStringSubmatch(d.Name())
		b, err := os.ReadFile(filepath.Join(out, d.Name(), "checks.json"))
		if name == nil || err != nil {
			t.Fatalf("the suite's folder %s: %v", d.Name(), err)
		}
		var checks []check
		if err := json.Unmarshal(b, &checks); err != nil {
			t.Fatal(err)
		}
		found[name[1]] = checks
	}
	if len(found) == 0 {
		t.Errorf("the suite says:\n%s", said)
	}
	return found
}

// bridged returns the address of a front whose bridges lead to the server.
func bridged(t *testing.T, url string) string {
	t.Helper()
	home := newHome(t)
	command := func(args ...string) *exec.Cmd {
		cmd := exec.Command(program, args...)
		cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "KEYPORTER_HOME=" + filepath.Join(home, "kp"), "KEYPORTER_BROWSER=none",
			"KEYPORTER_VAULT=passphrase", "KEYPORTER_PASSPHRASE_FILE=" + filepath.Join(home, "passphrase")}
		return cmd
	}
	if out, err := command("add", "peer", url).CombinedOutput(); err != nil {
		t.Fatalf("keyporter add: %v\n%s", err, out)
	}
	s := httptest.NewServer(newFront(t, func() *exec.Cmd { return command("bridge", "peer") }))
	t.Cleanup(s.Close)
	return s.URL
}
