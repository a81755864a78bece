package window

import (
	"strings"
	"testing"

	"keyporter/app/view"
	"keyporter/internal/hint"
)

func TestDoctorShowsEachCheckAndCopiesAReport(t *testing.T) {
	w := open(t, view.English, false, some(), ill)
	w.goTo(view.PageDoctor)
	for _, want := range []string{"One check failed.", "Token's content", "Ask for https://mcp.notion.com/mcp/ exactly, with keyporter set Notion resource=ADDRESS", "Not looked at. First mend: Token's content", "Claude Desktop"} {
		if !strings.Contains(w.read(), want) {
			t.Errorf("the page does not say %q:\n%s", want, w.read())
		}
	}
	w.tap(w.Window.t.Doctor.CopyReport)
	if got := w.o.App.Clipboard().Content(); !strings.Contains(got, "✗ Token's content") || !strings.Contains(got, "One check failed.") {
		t.Errorf("the clipboard holds %q", got)
	}
	w.agent.checks = w.agent.checks[:4]
	w.tap(w.Window.t.Doctor.Run)
	if !strings.Contains(w.read(), "Everything is in order.") || len(w.agent.calls) != 2 {
		t.Errorf("after another look (%q):\n%s", w.agent.calls, w.read())
	}
	w.agent.fail = hint.New(hint.Unreachable, "The agent has gone.", "Start it again.")
	w.tap(w.Window.t.Doctor.Run)
	if !strings.Contains(w.read(), "The agent has gone.") {
		t.Errorf("a look that failed:\n%s", w.read())
	}
}
