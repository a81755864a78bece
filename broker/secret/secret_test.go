package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const word = "hunter2-SECRETWORD"

func TestValueNeverPrints(t *testing.T) {
	v := New(word)
	type holder struct {
		V Value
		P *Value
		W Plain
	}
	h := holder{V: v, P: &v, W: Plain{v}}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v, "h", h, "plain", Plain{v})
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v, "h", h, "plain", Plain{v})
	j, err := json.Marshal(struct{ V Value }{v})
	if err != nil {
		t.Fatal(err)
	}
	out := []string{string(j)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out = append(out, fmt.Sprintf(verb, v), fmt.Sprintf(verb, &v), fmt.Sprintf(verb, Plain{v}), fmt.Sprintf(verb, struct{ V Value }{v}))
	}
	for _, s := range out {
		if strings.Contains(s, word) || strings.Contains(s, fmt.Sprintf("%x", word)) {
			t.Errorf("printed form %q holds the secret", s)
		}
	}
	// Plain reveals itself to JSON, and slog's JSON handler marshals structs,
	// so a Plain has to stay out of logged structs; as a value it is redacted.
	if s := fmt.Sprint(Plain{v}); s != redacted {
		t.Errorf("Plain prints %q", s)
	}
}

func TestPlainRoundTrip(t *testing.T) {
	in := Plain{New("a\"b\u0000\n" + word)}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out Plain
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	if !out.Equal(in.Value) {
		t.Error("Plain changed on its way through JSON")
	}
	if err := json.Unmarshal([]byte(`{"x":"`+word+`"}`), &out); err == nil || strings.Contains(err.Error(), word) {
		t.Errorf("error of a malformed secret = %v, want one without the input", err)
	}
}

func TestHash(t *testing.T) {
	if New("").Hash() != "" {
		t.Error("empty secret has a hash")
	}
	if a, b := New("a").Hash(), New("b").Hash(); a == b || len(a) != 22 {
		t.Errorf("hashes %q, %q: want two different ones of 22 characters", a, b)
	}
}
