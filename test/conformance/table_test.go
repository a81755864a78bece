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

const serverPreamble = `
## Servers through the bridge, %s: %d of %d

| scenario | standing | server alone | through the bridge | verdict |
|---|---|---|---|---|
`

const aboutServers = `
# The suite's scenarios for servers

The suite plays the client, and the bridge stands before a real server, the Go SDK's ` + "`everything-server`" + `: suite → an
HTTP front → ` + "`keyporter bridge`" + ` over stdio → the server. A scenario passes only if every check that passes at the server
alone passes through the bridge. What the front alone would answer for is left out: header fields, sessions and streams
of its own HTTP side. So are the scenarios of tasks, which the server does not have.
`

// serverTable writes down the results of the scenarios for servers.
func serverTable(results []serverResult) string {
	var b strings.Builder
	b.WriteString(aboutServers)
	for _, h := range hosts {
		passed, all := 0, 0
		var rows strings.Builder
		for _, r := range results {
			switch {
			case r.revision != h.revision:
				continue
			case r.left != "":
				fmt.Fprintf(&rows, "| %s | %s | | | left out: %s |\n", r.name, r.standing, r.left)
				continue
			case r.verdict == "pass":
				passed++
			}
			all++
			fmt.Fprintf(&rows, "| %s | %s | %d | %d | %s |\n", r.name, r.standing, r.direct, r.through, r.verdict)
		}
		fmt.Fprintf(&b, serverPreamble, h.revision, passed, all)
		b.WriteString(rows.String())
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
	has := func(begin, end string) bool {
		for line := range strings.Lines(string(page)) {
			if strings.HasPrefix(line, begin) && strings.Contains(line, end) {
				return true
			}
		}
		return false
	}
	for _, s := range scenarios(t) {
		if !has(fmt.Sprintf("| %s | %s | SDK %s |", s.name, s.standing, s.host), " | pass | ") {
			t.Errorf("%s of %s does not stand in %s as passed; make conformance writes that page", s.name, s.revision, tableFile)
		}
	}
	for _, h := range hosts {
		for _, s := range serverScenarios(t, h.revision) {
			if end := " | pass |"; !has(fmt.Sprintf("| %s | %s | ", s[0], s[1]), end) && reason(s[0]) == "" {
				t.Errorf("%s of %s, for servers, does not stand in %s as passed; make conformance writes that page", s[0], h.revision, tableFile)
			}
		}
	}
}
