package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"keyporter/internal/hint"
)

// printJSON writes a value as indented JSON.
func (p *program) printJSON(v any) error { return p.encode(v, "  ") }

// printLine writes a value as one line of JSON.
func (p *program) printLine(v any) error { return p.encode(v, "") }

func (p *program) encode(v any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", indent)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := p.stdout.Write(spelled(b.Bytes()))
	return err
}

// recordJSON writes a record of config.json as it stands there, with the fields
// that this version does not know in their places.
func recordJSON(record any) (json.RawMessage, error) {
	return jsonv2.Marshal(record, jsonv2.Deterministic(true))
}

// warn prints a warning with words.
func (p *program) warn(h *hint.Error) {
	if h == nil {
		return
	}
	fmt.Fprintf(p.stderr, "Warning: %s\n", oneLine(h.Text()))
	if h.Cause != nil {
		fmt.Fprintf(p.stderr, "  Details: %s\n", below("           ", h.Cause.Error()))
	}
}

// left says how long from now until t, as people say it.
func left(t time.Time, now time.Time) string {
	d := t.Sub(now)
	switch {
	case t.IsZero():
		return ""
	case d <= 0:
		return "expired"
	case d < time.Minute:
		return "less than a minute left"
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min left", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h left", int(d.Hours()))
	}
	return fmt.Sprintf("%d days left", int(d.Hours()/24))
}
