package e2e

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"keyporter/internal/fakeas"
)

// TestNoTextOfStrangersStandsInTheAuditLogAsItIs has a person, a tool, a client and a
// program of hostile names leave records. JSON spells what does not show as escapes, so
// each record is read as whoever reads the log does.
func TestNoTextOfStrangersStandsInTheAuditLogAsItIs(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	s := newHostile(h, fakeas.Options{User: graffiti})
	s.signedIn(h)
	c := h.launch("acme")
	c.ask("initialize", map[string]any{"protocolVersion": "2025-11-25", "capabilities": map[string]any{}, "clientInfo": map[string]string{"name": graffiti, "version": graffiti}})
	c.notify("notifications/initialized")
	c.take("the answer to a tool of such a name", c.beginCall(graffiti, map[string]any{}))
	c.take("the answer to a prompt of such a name", c.begin("prompts/get", map[string]any{"name": strings.Repeat(graffiti, 100)}))
	c.take("the answer to such a method", c.begin(graffiti, map[string]any{}))
	stranger := h.otherProgram(graffiti)
	if code, out := h.through(stranger, "60", program, "call", "acme", "add", `{"a":1,"b":2}`); code != 0 {
		t.Errorf("a program of such a name: exit code %d\n%s", code, out)
	}
	h.do("settings", "set", "approvals=first-use")
	if code, out := h.through(stranger, "60", program, "call", "acme", "get_time"); code != 4 {
		t.Errorf("a program of such a name that nobody allowed: exit code %d\n%s", code, out)
	}
	c.close()
	var b []byte
	until(t, "the records of the bridge's calls", func() bool {
		var err error
		b, err = os.ReadFile(h.paths().Audit())
		check(t, err)
		return strings.Contains(string(b), `"method":"prompts/get"`)
	})
	h.wantPlainOf("log")
	h.wantPlainOf("log", "--verify")
	marked := map[string]bool{} // fields that hold something of the name
	for _, text := range []string{string(b), h.do("log", "--json")} {
		for line := range strings.Lines(text) {
			var record map[string]any
			check(t, json.Unmarshal([]byte(line), &record))
			for field, v := range record {
				said, _ := v.(string) // numbers say nothing
				h.wantPlain("the field "+field, said)
				if len([]rune(said)) > 200 || strings.Contains(said, "\n") {
					t.Errorf("the field %s is %q", field, said)
				}
				marked[field] = marked[field] || strings.Contains(said, "Ni") && strings.Contains(said, "owned")
			}
		}
	}
	for _, field := range []string{"method", "name", "program"} {
		if !marked[field] {
			t.Errorf("no field %s holds something of such a name", field)
		}
	}
}
