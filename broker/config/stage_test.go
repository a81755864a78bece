package config

import (
	"os"
	"strings"
	"testing"

	"keyporter/broker/account"
	"keyporter/internal/hint"
)

// What waits is the only copy of an edit's half: it is given up when it is another's,
// not when it cannot be read just now.
func TestWhatWaitsIsKeptWhileAFileCannotBeRead(t *testing.T) {
	for _, name := range []string{"config.json", "config.json.next"} {
		t.Run(name, func(t *testing.T) {
			f := newFile(t, `{"version":1,"servers":{},"accounts":{}}`)
			staged := stageNotes(t, f)
			path := strings.TrimSuffix(f.Path, "config.json") + name
			hide(t, path)
			if done, err := f.Finish(staged); done != nil || err == nil || !strings.Contains(hint.Of(err).What, path) {
				t.Errorf("finished: %v, error: %v; want one that names %s", done, err, path)
			}
			show(t, path)
			if done, err := f.Finish(staged); done == nil || err != nil {
				t.Errorf("finished: %v, error: %v", done, err)
			}
			if c, err := f.Load(); err != nil || c.Servers["notes"] == nil || f.Waits() {
				t.Errorf("servers %v, error %v", c.Servers, err)
			}
		})
	}
}

// A person may have changed the file before what waits is finished, in several steps.
// What they changed is not written over, however they write.
func TestWhatWaitsIsDoneToWhatAPersonHasWrittenMeanwhile(t *testing.T) {
	const text = `{"version":1,"servers":{"wiki":{"url":"https://wiki.example/mcp","scopes":[],"mine": {"a":1}}},"accounts":{}}`
	f := newFile(t, text)
	staged := stageNotes(t, f)
	for _, step := range []string{"moved", "broken", "moved again"} {
		hand := strings.Replace(text, "wiki.example", strings.ReplaceAll(step, " ", "-")+".example", 1)
		if step == "broken" {
			hand = hand[:len(hand)-1]
		}
		if err := os.WriteFile(f.Path, []byte(hand), 0o600); err != nil {
			t.Fatal(err)
		}
		f = &File{Path: f.Path} // another agent
		if _, err := f.Load(); (err != nil) != (step == "broken") {
			t.Fatal(err)
		}
		if step != "broken" {
			continue
		}
		if done, err := f.Finish(staged); done != nil || err == nil || !f.Waits() {
			t.Errorf("finished on a broken file: %v, error %v", done, err)
		}
	}
	done, err := f.Finish(staged)
	if err != nil || done == nil || f.Waits() {
		t.Fatalf("finished: %v, error %v", done, err)
	}
	if now, err := f.LoadBackup(); err != nil || now.Servers["notes"] == nil || now.Servers["wiki"].URL != "https://moved-again.example/mcp" {
		t.Errorf("servers %v, error %v", done.Servers, err)
	}
}

// hide makes reading a file fail, for root and on Windows too.
func hide(t *testing.T, path string) {
	t.Helper()
	if err := os.Rename(path, path+".aside"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(path+"/full", 0o700); err != nil {
		t.Fatal(err)
	}
}

func show(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".aside", path); err != nil {
		t.Fatal(err)
	}
}

// stageNotes stages f with the server notes added.
func stageNotes(t *testing.T, f *File) Staged {
	t.Helper()
	c, err := f.Load()
	if err != nil {
		t.Fatal(err)
	}
	c.Servers["notes"] = &account.Server{Name: "notes", URL: "https://notes.example/mcp"}
	staged, err := f.Stage(c)
	if err != nil {
		t.Fatal(err)
	}
	return staged
}
