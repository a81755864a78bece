//go:build unix

package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/internal/peers"
)

// A scenario is one that the suite is asked to run.
type scenario struct {
	name     string
	revision string   // whose wire it is run on
	standing string   // scored, or why not: extension, added-after-release, back-compat
	host     string   // which TypeScript SDK plays it: 1 or 2
	flags    []string // of the suite
}

// hosts are the revisions with the host that speaks them.
var hosts = []struct{ revision, host string }{{"2025-11-25", "1"}, {"2026-07-28", "2"}}

// backCompat are the scenarios for servers of 2025-03-26, which are in no set.
var backCompat = []string{"auth/2025-03-26-oauth-metadata-backcompat", "auth/2025-03-26-oauth-endpoint-fallback"}

// scenarios are those of the suite's own requirement sets, and backCompat.
func scenarios(t *testing.T) []scenario {
	t.Helper()
	var all []scenario
	for _, h := range hosts {
		scored, others := requirementSet(t, h.revision, "client")
		for _, name := range scored {
			all = append(all, scenario{name, h.revision, "scored", h.host, []string{"--spec-version", h.revision}})
		}
		for _, o := range others {
			if strings.HasPrefix(o[0], "sep-2640-") {
				continue // what a host does with skills; they pass through a bridge like any resource
			}
			all = append(all, scenario{o[0], h.revision, o[1], h.host, []string{"--spec-version", h.revision, "--force"}})
		}
	}
	for _, name := range backCompat {
		all = append(all, scenario{name, "2025-03-26", "back-compat", "1", nil})
	}
	return all
}

// requirementSet reads what a revision's requirement set says about clients or
// servers: the scenarios that count, and others with why they do not.
func requirementSet(t *testing.T, revision, leg string) (scored []string, others [][2]string) {
	t.Helper()
	file := "node_modules/@modelcontextprotocol/conformance/requirements/" + revision + ".yaml"
	text, err := os.ReadFile(filepath.FromSlash(peers.Node(t, file)[1]))
	if err != nil {
		t.Fatal(err)
	}
	if scored, others = requirements(string(text), leg); len(scored) == 0 {
		t.Fatalf("the requirement set of %s has no scenario for a %s", revision, leg)
	}
	return scored, others
}

// requirements reads a requirement set. It is YAML, of which the sets use little:
// two levels, no quotes.
func requirements(text, leg string) (scored []string, others [][2]string) {
	section := ""
	var entry map[string]string
	take := func() {
		if entry["leg"] == leg {
			others = append(others, [2]string{entry["scenario"], entry["reason"]})
		}
		entry = map[string]string{}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		item, isItem := strings.CutPrefix(line, "  - ")
		switch {
		case line == "" || strings.HasPrefix(strings.TrimSpace(line), "#"):
		case !strings.HasPrefix(line, " "):
			section = strings.TrimSuffix(line, ":")
		case section == leg && isItem:
			scored = append(scored, item)
		case section == "not_scored":
			if isItem {
				take()
				line = item
			}
			key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			entry[key] = strings.TrimSpace(value)
		}
	}
	take()
	return scored, others
}
