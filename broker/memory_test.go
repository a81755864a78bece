package broker

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/broker/local"
	"keyporter/internal/fakemcp"
	"keyporter/internal/hint"
)

// A token was printed, without a word, once state.json could not be read.
func TestAPauseOutlivesAStateFileThatCannotBeRead(t *testing.T) {
	newer := func(b []byte) []byte { return bytes.Replace(b, []byte(`"version": 1`), []byte(`"version": 2`), 1) }
	for _, tt := range []struct {
		name   string
		before string // what the user did: pause, or pause and resume
		damage func([]byte) []byte
		mark   bool // the mark is as it was; else a version that has none wrote the file
		paused bool
	}{
		{"newer", "pause", newer, true, true},
		{"newer, and another form of paused", "pause", func(b []byte) []byte {
			return bytes.Replace(newer(b), []byte(`"paused": true`), []byte(`"paused": {"by": "the user"}`), 1)
		}, false, true},
		{"newer, and no mark", "pause", newer, false, true},
		{"newer, resumed", "pause resume", newer, true, false},
		{"damaged", "pause", func([]byte) []byte { return []byte(`{"ver`) }, true, true},
		{"empty", "pause", func([]byte) []byte { return nil }, true, true},
		{"damaged, resumed", "pause resume", func([]byte) []byte { return []byte(`{"ver`) }, true, false},
		{"damaged, never paused", "", func([]byte) []byte { return []byte(`{"ver`) }, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			mcp := fakemcp.Start(t, fakemcp.Options{Open: true})
			w.addStatic("key")
			w.add("notes", mcp.URL(), func(p *local.PutServer) { p.Server.Account = "key"; p.Bind = true })
			for step := range strings.FieldsSeq(tt.before) {
				if err := map[string]func() error{
					"pause":  func() error { return w.Pause(t.Context()) },
					"resume": func() error { return w.Resume(t.Context()) },
				}[step](); err != nil {
					t.Fatal(err)
				}
			}
			w.stop()
			old, err := os.ReadFile(w.paths.StateFile())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(w.paths.StateFile(), tt.damage(old), 0o600); err != nil {
				t.Fatal(err)
			}
			if !tt.mark {
				if err := os.Remove(w.paths.PauseMark()); err != nil {
					t.Fatal(err)
				}
			}
			w.start()
			w.wantPaused(tt.paused)
			problem := w.snapshot().Problem
			if problem == nil || strings.Contains(problem.Do, "still paused") != tt.paused {
				t.Errorf("status says %v", problem)
			}

			// Nor is it forgotten by the agents after that one, or remembered for ever.
			w.stop()
			if err := os.Remove(w.paths.StateFile()); err != nil {
				t.Fatal(err)
			}
			w.start()
			w.wantPaused(tt.paused)
			if err := w.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.stop()
			if err := os.WriteFile(w.paths.StateFile(), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			w.start()
			w.wantPaused(false)
		})
	}
}

func (w *world) wantPaused(paused bool) {
	w.t.Helper()
	_, err := w.Token(w.t.Context(), local.TokenRequest{Name: "notes"})
	if paused && hint.CodeOf(err) != hint.Paused || !paused && err != nil {
		w.t.Errorf("paused is %t, and a token: %v", paused, err)
	}
	if st := w.snapshot(); st.Paused != paused {
		w.t.Errorf("status says paused: %t", st.Paused)
	}
}

// A version that has no mark resumed: its state.json decides.
func TestAPauseMarkDoesNotContradictTheStateFile(t *testing.T) {
	w := newWorld(t)
	w.stop()
	if err := os.WriteFile(w.paths.PauseMark(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.start()
	if w.snapshot().Paused {
		t.Error("it is paused")
	}
	w.stop()
	if _, err := os.Lstat(w.paths.PauseMark()); err == nil {
		t.Error("the mark is left")
	}
}

// "Paused, but only until it is started anew" was said, and was not so.
func TestAPauseWhoseMarkFailsIsRememberedAllTheSame(t *testing.T) {
	w := newWorld(t)
	if err := os.MkdirAll(filepath.Join(w.paths.PauseMark(), "x"), 0o700); err != nil { // no file can take its place
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		do     func(context.Context) error
		paused bool
	}{{"pause", w.Pause, true}, {"resume", w.Resume, false}} {
		if err := tt.do(t.Context()); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if m, _ := loadMemory(w.paths); m.Paused != tt.paused {
			t.Errorf("%s: the next agent begins paused: %t", tt.name, m.Paused)
		}
		before, err := os.Stat(w.paths.StateFile())
		if err != nil {
			t.Fatal(err)
		}
		if err := w.saveMemory(); err != nil {
			t.Error(err)
		}
		if after, err := os.Stat(w.paths.StateFile()); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s: state.json is written again without need", tt.name)
		}
		if n := strings.Count(w.log.String(), "pause mark not as state.json says"); n == 0 {
			t.Errorf("%s: the log does not say that the mark failed", tt.name)
		}
	}
}
