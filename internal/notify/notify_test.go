package notify

import (
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTextsBecomeOnePlainLine(t *testing.T) {
	for in, want := range map[string]string{
		"Sign in to linear":                  "Sign in to linear",
		" a\n\tb\r\n  c ":                    "a b c",
		"bell\x07 esc\x1b[31m nul\x00.":      "bell esc [31m nul .",
		"abc\u202edcba\u2066\u200f":          "abcdcba",
		"ac\u200bme\ufeff\U000E0041":         "acme",
		"bad\xffbytes":                       "badbytes",
		"日本語のサーバー":                           "日本語のサーバー",
		"<b>$(id)</b> `x` \"y\" 'z' & %s \\": "<b>$(id)</b> `x` \"y\" 'z' & %s \\",
		strings.Repeat("長", 200):             strings.Repeat("長", 200),
		strings.Repeat("長", 201):             strings.Repeat("長", 199) + "…",
	} {
		if got := plain(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
