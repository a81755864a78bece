package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

func TestTimeLeftIsSaidInWords(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		-time.Second:                  "expired",
		0:                             "expired",
		59 * time.Second:              "less than a minute left",
		time.Minute:                   "1 min left",
		119*time.Minute + 59e9:        "119 min left",
		2 * time.Hour:                 "2 h left",
		47*time.Hour + 59*time.Minute: "47 h left",
		48 * time.Hour:                "2 days left",
		400 * 24 * time.Hour:          "400 days left",
	} {
		if got := left(now.Add(d), now); got != want {
			t.Errorf("left(%v) = %q, want %q", d, got, want)
		}
	}
	if got := left(time.Time{}, now); got != "" {
		t.Errorf("left of no time = %q, want nothing", got)
	}
}

func TestStandingCountsDownOnlyWhatWillEnd(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		status local.Status
		renews bool
		expiry time.Time
		want   string
	}{
		{local.Ready, false, time.Time{}, "ready"},
		{local.Ready, true, now.Add(5 * time.Minute), "ready, 5 min left"},
		{local.Ready, false, now.Add(-time.Minute), "ready, expired"},
		{local.Ready, true, now.Add(-time.Minute), "ready"},
		{local.SignInNeeded, false, now.Add(time.Hour), "needs a sign-in"},
		{"some_new_status", false, time.Time{}, "some new status"},
	} {
		if got := standing(c.status, c.renews, c.expiry, now); got != c.want {
			t.Errorf("standing(%s, %v, %v) = %q, want %q", c.status, c.renews, c.expiry, got, c.want)
		}
	}
}

func TestSizesAreSaidInTheLargestFittingUnit(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 KB", 1549: "1.5 KB", 999_949: "999.9 KB", 999_950: "1.0 MB", 10 << 20: "10.5 MB", 3e9: "3000.0 MB",
	} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestLogLinesNameWhoWhatAndHowItEnded(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.Local)
	for want, r := range map[string]local.AuditRecord{
		"claude → notion · tools/call search · 120 ms · 3.0 KB": {Event: "call", Program: "claude", Server: "notion", Account: "notion",
			Method: "tools/call", Name: "search", Outcome: "ok", Latency: 120 * time.Millisecond, BytesIn: 2000, BytesOut: 1000},
		"notion · sign in · sign in needed": {Event: "sign_in", Server: "notion", Outcome: "sign_in_needed"},
		"etl · account add":                 {Event: "account_add", Account: "etl", Outcome: "ok"},
		"new · rename old":                  {Event: "rename", Server: "new", Name: "old", Outcome: "ok"},
		"tray · pause":                      {Event: "pause", Program: "tray", Outcome: "ok"},
		"notion · tools/call a\uFFFD[2Jb":   {Event: "call", Server: "notion", Method: "tools/call", Name: "a\x1b[2Jb", Outcome: "ok"},
		"notion · tools/list · 12 B":        {Event: "call", Server: "notion", Method: "tools/list", Outcome: "ok", BytesIn: 12},
	} {
		r.Time = at
		if got := logLine(&r); got != "2026-07-01 12:00:00 · "+want {
			t.Errorf("logLine = %q, want it to end with %q", got, want)
		}
	}
}

// A text from outside moves no cursor and turns no reading direction.
func TestPrintableKeepsOnlyText(t *testing.T) {
	for in, want := range map[string]string{
		"a\tb\x1b]0;title\a\u202Egnp.exe\u2066x\u009b31mc\nd é 日本": "a\uFFFDb\uFFFD]0;title\uFFFD\uFFFDgnp.exe\uFFFDx\uFFFD31mc\nd é 日本",
		"no\u200btion\ufeff\u2028x\U000E0041":                      "no\uFFFDtion\uFFFD\uFFFDx\uFFFD",
		"no\u200dtion, می\u200cخواهم, 👩\u200d💻":                    "no\uFFFDtion, می\u200cخواهم, 👩\u200d💻",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable = %q, want %q", got, want)
		}
	}
	if got := oneLine("acme\nbank  ready"); got != "acme bank  ready" {
		t.Errorf("oneLine = %q", got)
	}
	if got := below("  ", "a\nb"); got != "a\n  b" {
		t.Errorf("below = %q", got)
	}
}

func TestUnknownFieldsOfARecordArePrintedInTheirPlace(t *testing.T) {
	got, err := recordJSON(&account.Server{URL: "https://mcp.example.com/mcp", Unknown: map[string]json.RawMessage{"note": json.RawMessage(`"mine"`)}})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"url":"https://mcp.example.com/mcp","note":"mine"}`; string(got) != want {
		t.Errorf("recordJSON = %s, want %s", got, want)
	}
}

func TestWordsAreJoined(t *testing.T) {
	if got := wrapped(strings.Fields("a b c"), ""); got != "a, b, c" {
		t.Errorf("wrapped = %q", got)
	}
}

func TestJSONSpellsWhatATerminalWouldObey(t *testing.T) {
	var out bytes.Buffer
	p := &program{stdout: &out}
	in := map[string]any{"name": "a\u009b31m\u202eb\u200b\U000E0041é<", "raw": json.RawMessage("\"\x7f\u009b\"")}
	if err := p.printLine(in); err != nil {
		t.Fatal(err)
	}
	if want := `{"name":"a\u009b31m\u202eb\u200b\udb40\udc41é<","raw":"\u007f\u009b"}` + "\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	var back map[string]string
	if err := json.Unmarshal(out.Bytes(), &back); err != nil || back["name"] != in["name"] || back["raw"] != "\x7f\u009b" {
		t.Errorf("read back %q, %v", back, err)
	}
}
