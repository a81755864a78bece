package window

import (
	"testing"

	"keyporter/app/view"
	"keyporter/broker/local"
)

func TestRawKeysAreMovedAndPutBack(t *testing.T) {
	w := open(t, view.English, false, some(), programs, leaks)
	w.goTo(view.PageClients)
	w.has("3 keys stand in the clear.")
	w.has("API key ‧ env GITHUB_PERSONAL_ACCESS_TOKEN ‧ ends with 1k2l")
	w.has("/home/name/.cursor/mcp.json:3")
	w.hasNot("Put back")

	w.tap("Move into the vault")
	w.has("Move the keys into the vault?")
	w.asked("scan ")
	w.tap("Cancel")
	if w.agent.calls[len(w.agent.calls)-1] == "scan fix" {
		t.Error("a move that was cancelled was made")
	}
	w.tap("Move into the vault")
	w.agent.scanned = moved
	w.tap("Move into the vault")
	w.asked("scan fix")
	w.has("Entries and files whose keys are in the vault now: 3.")
	w.has("is read-only")
	w.tap("Close")
	w.has("No raw keys were found.")
	w.has("Moved into the vault just now")

	w.agent.scanned = local.Scanned{Found: []local.RawKey{}, Restored: []string{"/home/name/.cursor/mcp.json"}}
	w.tap("Put back")
	w.asked("scan undo")
	w.has("Files that are as they were before: 1.")
	w.tap("Close")
	w.hasNot("Put back")
}
