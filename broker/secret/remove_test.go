package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestASecretIsTakenOutInEachSpelling(t *testing.T) {
	const v = "SECRETWORD+/ =?ü-1"
	every := func(format string) string {
		var b strings.Builder
		for _, c := range []byte(v) {
			fmt.Fprintf(&b, format, c)
		}
		return b.String()
	}
	std, low := base64.StdEncoding, func(s string) string { return strings.NewReplacer("%C", "%c", "%B", "%b", "%2F", "%2f").Replace(s) }
	for name, s := range map[string]string{
		"plain": v, "form": url.QueryEscape(v), "path": url.PathEscape(v), "small digits": low(url.QueryEscape(v)),
		"small": strings.ToLower(v), "large": strings.ToUpper(v),
		"each byte escaped": every("%%%02X"), "each byte escaped, small digits": every("%%%02x"), "twice": url.QueryEscape(every("%%%02X")),
		"three times": url.QueryEscape(url.PathEscape(url.QueryEscape(v))), "a slash escaped twice": strings.ReplaceAll(v, "/", "%252F"),
		"JSON": strings.ReplaceAll(v, "/", `\/`), "JSON in JSON": strings.ReplaceAll(v, "/", `\\\/`), "JSON's numbers": strings.NewReplacer("S", `\u0053`, "ü", `\u00FC`).Replace(v),
		"each byte with \\x": every(`\x%02x`), "JSON of escapes": strings.ReplaceAll(every("%%%02X"), "%", `\u0025`), "escapes of JSON": url.QueryEscape(strings.ReplaceAll(v, "/", `\/`)),
		"HTML": html.EscapeString(strings.ReplaceAll(v, "+", "&#43;")), "HTML's numbers": strings.NewReplacer("S", "&#83;", "+", "&#43;").Replace(v), "HTML's hexadecimal numbers": strings.NewReplacer("S", "&#x53;", "/", "&sol;").Replace(v),
		"base64": std.EncodeToString([]byte(v)), "base64url": base64.RawURLEncoding.EncodeToString([]byte(v)), "base64 in a form": url.QueryEscape(std.EncodeToString([]byte(v))),
		"base64 behind one": std.EncodeToString([]byte("a" + v + "z")), "base64 behind two": std.EncodeToString([]byte("ab" + v + "yz")), "base64 of the field": std.EncodeToString([]byte("Bearer " + v)),
		"base64url behind one, escaped": url.QueryEscape(base64.URLEncoding.EncodeToString([]byte("a" + v + "xyz"))), "base64 in JSON": strings.ReplaceAll(std.EncodeToString([]byte("ü"+v)), "/", `\/`),
		"hexadecimal": every("%02x"), "large hexadecimal": every("%02X"), "hexadecimal with spaces": every("%02x ")[:3*len(v)-1], "hexadecimal with colons": every("%02x:")[:3*len(v)-1],
		"on lines": strings.ReplaceAll(v, "T", "T\n  "), "with something between, escaped": strings.ReplaceAll(v, "T", "T%E2%80%8B"),
	} {
		got := Quote("you sent <"+s+">, twice: <"+s+"> (end)", 0, "other-value", v)
		if want := "you sent <" + Removed + ">, twice: <" + Removed + "> (end)"; got != want {
			t.Errorf("%s: %s: %q", name, s, got)
		}
	}
	if got := Remove("a longer one: abcd-efgh", "abcd", "abcd-efgh"); got != "a longer one: "+Removed {
		t.Errorf("of a value within another one is left: %q", got)
	}
	for _, text := range []string{"an a is no secret", "aGVsbG8= %41 &amp; \\u0041 are other words", ""} {
		if got := Remove(text, "a", "", v); got != text {
			t.Errorf("got %q", got)
		}
	}
}

// Only so much of a text is read and looked at; where that ends, no part of a secret is
// shown.
func TestATextThatWasCutEndsWithNoPartOfASecret(t *testing.T) {
	token := "SECRETWORD" + strings.Repeat("abcde", 400)
	if got, want := Quote(strings.Repeat(token+", ", 20), 300, token), strings.Repeat(Removed+", ", looked/len(token+", "))+Removed; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for n := 4; n < 40; n++ {
		for name, spelled := range map[string]string{
			"as it is": token, "escaped": strings.ReplaceAll(token, "C", "%2543"), "base64": base64.StdEncoding.EncodeToString([]byte("Bearer " + token))[10:],
		} {
			got := Quote("it heard: "+strings.Repeat(" ", looked)+spelled[:n], 300, token)
			if got != "it heard: "+Removed && (name != "escaped" || len(got) > len("it heard: "+Removed+"%254")) {
				t.Errorf("%s, %d characters: %q", name, n, got)
			}
		}
	}
	if text := strings.Repeat("日本", looked); Quote(text, 300, token) != text[:299*len("日")]+"…" {
		t.Error("a long text without spaces is lost")
	}
}

func BenchmarkQuote(b *testing.B) {
	var s Sent
	for i := range kept {
		s.Add(New(fmt.Sprintf("SECRETWORD-%03d-%s", i, strings.Repeat("abcdefgh", 100))))
	}
	for name, text := range map[string]string{
		"a line of a log": "HTTP status 500 of a request to https://mcp.example.com/mcp", "hostile": strings.Repeat("%255Cu0026#x41;", looked/15),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				s.Quote(text, 300)
			}
		})
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

// What is read of a long text is what a reading of all of it would begin with.
func TestABeginningIsReadAsTheWholeTextIs(t *testing.T) {
	text := strings.Repeat(" a\u200b \u00a0é\x1b\xff\n名 ", 100)
	all := visible(text, 0)
	if !strings.HasPrefix(all, "a é 名 a é") || strings.HasSuffix(all, " ") {
		t.Fatalf("all of it: %.40q", all)
	}
	for most := 1; most < len(all)+10; most++ {
		if got := visible(text, most); !strings.HasPrefix(all, got) || len(got) < min(most, len(all)) || len(got) > most+utf8.UTFMax+1 {
			t.Errorf("%d: %d bytes, %.40q", most, len(got), got)
		}
	}
}
