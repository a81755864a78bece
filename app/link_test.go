package app

import (
	"log/slog"
	"os"
	"strings"
	"testing"

	"keyporter/internal/paths"
)

// A link is handed over once, and only what is a link's size.
func TestLinkIsHandedToTheAppThatRuns(t *testing.T) {
	dir := t.TempDir()
	running := Options{Paths: paths.Paths{Config: dir, State: dir, Runtime: dir}, Log: slog.New(slog.DiscardHandler)}
	if got := running.takeLink(); got != "" {
		t.Errorf("took %q from nowhere", got)
	}
	second := running
	second.Link = "keyporter://join?url=https%3A%2F%2Fexample.com"
	if err := second.leaveLink(); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(running.linkFile()); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("file: %v, %v", fi, err)
	}
	if got := running.takeLink(); got != second.Link {
		t.Errorf("took %q", got)
	}
	if got := running.takeLink(); got != "" {
		t.Errorf("took %q twice", got)
	}
	second.Link = strings.Repeat("x", maxLink+1)
	if err := second.leaveLink(); err != nil {
		t.Fatal(err)
	}
	if got := running.takeLink(); got != "" {
		t.Error("took what is no link")
	}
}
