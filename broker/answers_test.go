package broker

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

// What a newer Keyporter knows of a server is left for it.
func TestAnswersOfANewerVersionAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"old", "new"} {
		w.add(name, "https://"+name+".example.com/mcp", func(p *local.PutServer) { p.Offline = true })
	}
	keep := func(name string) {
		t.Helper()
		err := w.KeepAnswers(t.Context(), local.Answers{Server: name, Era: account.EraModern, Results: map[string]json.RawMessage{"tools/list": json.RawMessage(`{"tools":[{}]}`)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	keep("old")
	path := w.answersOf("old").path()
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), `"version":1`) {
		t.Fatalf("kept %s, %v; want it with its version", text, err)
	}
	keep("old")

	path = w.answersOf("new").path()
	newer := `{"version":2,"server":"new","account":["another form"]}`
	writeText(t, path, newer)
	keep("new")
	if a, err := w.Answers(t.Context(), local.Name{Name: "new"}); err != nil || len(a.Results) > 0 {
		t.Errorf("answers = %v, %v; want none that are understood", a, err)
	}
	w.answersOf("new").rename("renamed")
	if b, err := os.ReadFile(path); err != nil || string(b) != newer {
		t.Errorf("the file holds %s, %v; want it as it was", b, err)
	}
	if !strings.Contains(w.log.String(), "answers not kept") {
		t.Error("agent.log does not say that they were not kept")
	}
}
