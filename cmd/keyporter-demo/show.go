package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"keyporter/internal/hint"
)

// A show prints the steps, for people or as JSON lines.
type show struct {
	w    io.Writer
	json bool
	n    int // of the step that runs or ran last
}

func newShow(w io.Writer, asJSON bool) *show { return &show{w: w, json: asJSON} }

// A stepResult is the JSON form of a step that is done.
type stepResult struct {
	Step    int      `json:"step"`
	Text    string   `json:"text"`
	Command []string `json:"command,omitempty"`
	Output  []string `json:"output,omitempty"`
	MS      int64    `json:"ms"`
}

// step runs do as the next step. text says what happens, command is what does
// it, and the lines that do returns say what came of it.
func (s *show) step(text string, command []string, do func() ([]string, error)) error {
	s.n++
	if !s.json {
		fmt.Fprintf(s.w, "%2d. %s\n", s.n, text)
		if len(command) > 0 {
			fmt.Fprintf(s.w, "    $ %s\n", quoteAll(command))
		}
	}
	began := time.Now()
	lines, err := do()
	ms := time.Since(began).Milliseconds()
	if err != nil {
		return err
	}
	if s.json {
		return s.line(stepResult{s.n, text, command, lines, ms})
	}
	for _, l := range lines {
		fmt.Fprintf(s.w, "    %s\n", l)
	}
	_, err = fmt.Fprintf(s.w, "    done in %d ms\n\n", ms)
	return err
}

// say prints sentences between steps; they are not part of the JSON form.
func (s *show) say(format string, args ...any) {
	if !s.json {
		fmt.Fprintf(s.w, format, args...)
	}
}

// line prints a value as one line of JSON.
func (s *show) line(v any) error {
	e := json.NewEncoder(s.w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// failed ends the JSON form; people read it on standard error.
func (s *show) failed(h *hint.Error) {
	if s.json {
		_ = s.line(map[string]any{"failed_at": s.n, "error": h})
	}
}

// quoteAll writes a command as one would type it.
func quoteAll(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if w == "" || strings.ContainsAny(w, " \t\"'{}$&|;<>()*?#\\`") {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
