//go:build unix

package conformance

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// tableFile is where the results are shown.
const tableFile = "../../docs/conformance.md"

//go:embed peers.json
var peersJSON []byte

// others are the results of other programs: by program, revision and scenario.
type others struct {
	About     string                       `json:"about"`
	MCPRemote map[string]map[string]string `json:"mcp-remote"`
	GoSDK     map[string]map[string]string `json:"go-sdk"`
}

const preamble = `# Conformance

The official MCP conformance suite (npm ` + "`@modelcontextprotocol/conformance`" + ` 0.2.0-alpha.12), run through the bridge:
suite → host → ` + "`keyporter bridge`" + ` over stdio → the suite's server. The host is the TypeScript SDK 1.32.2 for
protocols up to 2025-11-25 and the TypeScript SDK 2.4.0 for 2026-07-28, which starts the bridge twice. The browser
answers at once. ` + "`make conformance`" + ` runs the suite and writes this page; ` + "`make test`" + ` runs the same.

A scenario passes only if the suite sees no failure and no warning, has observed something at all, and the host got
the right answer: the server's, or a refusal in Keyporter's words where the server deserves one. Numbers are checks
that passed of those that decide. *Scored* is what the revision's requirement set counts.

`

// table writes the results down.
func table(t *testing.T, results []result) string {
	t.Helper()
	var o others
	if err := json.Unmarshal(peersJSON, &o); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString(preamble + "Beside them stand other programs. " + o.About + "\n")
	revision := ""
	for _, r := range results {
		if r.revision != revision {
			revision = r.revision
			passed, all := count(results, revision)
			fmt.Fprintf(&b, "\n## %s: %d of %d\n\n", revision, passed, all)
			b.WriteString("| scenario | standing | host | checks | verdict | mcp-remote 0.15.1 | Go SDK 1.8.0 |\n|---|---|---|---|---|---|---|\n")
		}
		fmt.Fprintf(&b, "| %s | %s | SDK %s | %d/%d | %s | %s | %s |\n", r.name, r.standing, r.host, r.passed, r.decisive, r.verdict,
			o.MCPRemote[revision][r.name], o.GoSDK[revision][r.name])
	}
	return b.String()
}

func count(results []result, revision string) (passed, all int) {
	for _, r := range results {
		if r.revision == revision {
			all++
			if r.verdict == "pass" {
				passed++
			}
		}
	}
	return passed, all
}

// TestTableIsComplete compares the page with what the suite has: each scenario
// stands there with the verdict that TestConformance demands.
func TestTableIsComplete(t *testing.T) {
	page, err := os.ReadFile(tableFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range scenarios(t) {
		found := false
		for line := range strings.Lines(string(page)) {
			found = found || strings.HasPrefix(line, fmt.Sprintf("| %s | %s | SDK %s |", s.name, s.standing, s.host)) && strings.Contains(line, " | pass | ")
		}
		if !found {
			t.Errorf("%s of %s does not stand in %s as passed; make conformance writes that page", s.name, s.revision, tableFile)
		}
	}
}
