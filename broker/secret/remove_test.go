package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
)

func TestASecretIsTakenOutInEachSpelling(t *testing.T) {
	const v = "SECRETWORD+/ =?ü-1"
	for name, s := range map[string]string{
		"plain": v, "form": url.QueryEscape(v), "path": url.PathEscape(v), "small digits": smallDigits(url.QueryEscape(v)),
		"base64": base64.StdEncoding.EncodeToString([]byte(v)), "base64url": base64.RawURLEncoding.EncodeToString([]byte(v)),
		"base64 in a form": url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(v))),
	} {
		if got := Remove("you sent <"+s+">, twice: "+s, "other-value", v); !strings.HasPrefix(got, "you sent <"+Removed) || strings.Count(got, Removed) != 2 || strings.Contains(got, "SECRET") {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got := Remove("a longer one: abcd-efgh", "abcd", "abcd-efgh"); got != "a longer one: "+Removed {
		t.Errorf("of a value within another one is left: %q", got)
	}
	if got := Remove("an a is no secret", "a", ""); got != "an a is no secret" {
		t.Errorf("got %q", got)
	}
}

func TestWhatWasSentIsTakenOut(t *testing.T) {
	var s Sent
	for i := range kept + 10 {
		s.Add(New(fmt.Sprintf("SECRETWORD-%03d", i)), New(""))
	}
	if got := s.Remove(fmt.Sprintf("SECRETWORD-%03d of %d", kept+9, len(s.values))); got != fmt.Sprintf("%s of %d", Removed, kept) {
		t.Errorf("got %q", got)
	}
}

func TestWhatWasSentNeverPrints(t *testing.T) {
	var s Sent
	s.Add(New(word))
	type holder struct{ S *Sent }
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+" "+verb+"\n", &s, holder{&s})
	}
	for _, h := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(h).Info("x", "sent", &s, "holder", holder{&s})
	}
	if err := json.NewEncoder(&out).Encode(holder{&s}); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); strings.Contains(got, word) || strings.Contains(got, fmt.Sprintf("%x", word)) || !strings.Contains(got, redacted) {
		t.Errorf("it prints as %s", got)
	}
}

func TestAQuoteHidesNothingInWhatDoesNotShow(t *testing.T) {
	for text, want := range map[string]string{
		"you sent SECRET\u200bWO\ufe0fR\u00adD-to\x00k\u034fe\xffn.": "you sent [removed].",
		`{"no":"SECRET\u200bWORD\u002D\u0074oken"}`:                  `{"no":"[removed]"}`,
		`C:\users \n \`:                        `C:\users \n \`,
		"one\r\n\tline  \u2028of \x1b[31mtext": "one line of [31mtext",
		"SECRETWORD  in\ttwo words":            "[removed]",
		strings.Repeat("é", 25):                strings.Repeat("é", 19) + "…",
		strings.Repeat("é", 20):                strings.Repeat("é", 20),
		"0123456789abcSECRETWORD-token":        "0123456789abc[remov…",
	} {
		if got := Quote(text, 20, "SECRETWORD-token", "SECRETWORD  in\ttwo words"); got != want {
			t.Errorf("Quote(%q) = %q, want %q", text, got, want)
		}
	}
	if long := strings.Repeat("a", 5000); Quote(long, 0) != long {
		t.Error("a quote without a limit is cut")
	}
}

func TestWhatWasSentIsNoticedInJSON(t *testing.T) {
	var s Sent
	s.Add(New("SECRETWORD/a+b"), New("blue"))
	for text, want := range map[string]bool{
		`{"uri":"https://h/?key=SECRETWORD%2Fa%2Bb"}`: true, `{"text":"SECRETWORD\/a\u002Bb"}`: true, `{"text":"SECRETWORD"}`: false, `{"text":"a blue one"}`: false,
	} {
		if s.In(text) != want {
			t.Errorf("In(%s) = %t", text, !want)
		}
	}
}
