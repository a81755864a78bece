package report

import (
	"errors"
	"strings"
	"testing"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

const word = "SECRETWORD"

func env(name string) string {
	return map[string]string{"HOME": "/home/jdoe", "USER": "jdoe"}[name]
}

func TestWhatNamesAPersonOrIsAKeyIsTakenOut(t *testing.T) {
	for text, want := range map[string]string{
		"/home/jdoe/.config/x and /home/jdoe2":                           "~/.config/x and /home/jdoe2",
		"a token of jane.doe@example.com, good for 9 s":                  "a token of j…@example.com, good for 9 s",
		"https://mcp.example.com/mcp?key=" + word + " is":                "https://mcp.example.com/mcp?… is",
		"https://me:" + word + "@mcp.example.com/mcp":                    "https://…@mcp.example.com/mcp",
		"Authorization: Bearer " + word + "0123456789":                   "Authorization: Bearer …",
		"token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0." + word:             "token …",
		"client_secret=" + word + "-abcdefgh":                            "client_secret=…",
		"id " + strings.Repeat("Ab1"+word, 4):                            "id …",
		"code=4/0A" + word + "-abcdefgh":                                 "code=…",
		"VS Code           /home/jdoe/.config/Code/User/mcp.json: notes": "VS Code           ~/.config/Code/User/mcp.json: notes",
		"user jdoe's agent runs":                                         "user USER's agent runs",
		"a token that says nothing":                                      "a token that says nothing",
		"https://sales-mcp-abcdefghij-uc.a.run.app/mcp":                  "https://sales-mcp-abcdefghij-uc.a.run.app/mcp",
		"HTTP 401, with the place of its metadata":                       "HTTP 401, with the place of its metadata",
	} {
		if got := Redact(text, env); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

func TestReportHasWhatToDo(t *testing.T) {
	checks := []*local.Check{
		{ID: local.CheckAgent, Result: local.CheckOK, Seen: "process 1"},
		{ID: local.CheckDNS, Subject: "notes", Result: local.CheckFailed, Problem: hint.Wrap(errors.New("no such host"), hint.Unreachable, "The name is not known.", "Check it.")},
		{ID: local.CheckTLS, Subject: "notes", Result: local.CheckSkipped, After: local.CheckDNS},
		{ID: "newer", Subject: "notes", Result: "newer"},
	}
	got := Text(checks, time.Date(2026, 11, 21, 17, 0, 0, 0, time.UTC), env)
	const want = `Keyporter's doctor, 2026-11-21 17:00 UTC

Keyporter
  ✓ Agent             process 1

notes
  ✗ Name (DNS)
      The name is not known.
      → Check it.
      Details: no such host
  – Certificate       not looked at; first mend: Name (DNS)
  ! newer

One check failed.
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// What stands around a token never lets any of it through.
func FuzzTokensAreTakenOut(f *testing.F) {
	f.Add("token ", " ")
	f.Add("https://example.com/?a=", "&b")
	f.Add("Bearer ", "\n")
	f.Fuzz(func(t *testing.T, before, after string) {
		const token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0." + word
		if strings.Contains(before+after, word) || strings.Contains(before+after, "eyJ") {
			return
		}
		if got := Redact(before+" "+token+" "+after, env); strings.Contains(got, word) {
			t.Errorf("%q", got)
		}
	})
}

func TestEveryCheckHasATitle(t *testing.T) {
	for _, id := range local.CheckIDs() {
		if Title(id) == string(id) {
			t.Errorf("%s has none", id)
		}
	}
}
