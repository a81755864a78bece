//go:build unix

package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/internal/fakeas"
)

// evilPages are addresses that a server may want to have opened. BASE is its own
// address, MARK a file that exists if a shell read the address.
var evilPages = []string{
	"a:$(touch MARK)?response_type=code", // CVE-2025-6514
	"http:$(touch${IFS}MARK)",
	"http://$(touch${IFS}MARK)/authorize",
	"https://`touch MARK`/authorize",
	"BASE/authorize`touch MARK`",
	"BASE/authorize\ntouch MARK",
	"BASE/authorize\r\n--flag",
	"BASE/authorize\x00",
	`BASE/authorize" & calc.exe & "`,
	`BASE/authorize" --renderer-cmd-prefix="touch MARK`,
	"BASE/authorize --renderer-cmd-prefix=MARK",
	"--renderer-cmd-prefix=touch MARK", // MCP-275
	"-https://127.0.0.1/authorize",
	"--help",
	"file:///bin/sh",
	"file:///c:/windows/system32/calc.exe",
	`\\evil.example\share\calc.exe`,
	"//evil.example/authorize",
	"javascript:alert(1)",
	"JaVaScRiPt:alert(1)",
	"data:text/html,<script>alert(1)</script>",
	"vbscript:CreateObject(1)",
	"ms-msdt:/id PCWDiagnostic",
	"shell:startup",
	"smb://evil.example/share",
	"keyporter://join",
	"http://evil.example/authorize",
	"https://login.example@127.0.0.1/authorize",
	"https://user:password@as.example/authorize",
	"BASE/authorize#fragment",
	"BASE/authorize\u202egnp.exe",
	"BASE/authorize\u009b2J",
	"BASE/authorize\u2028",
	"https://аs.example/authorize", // the first letter is Cyrillic
	"https://$(id)/authorize",
	"https://-flag.example/authorize",
	"https:authorize",
	"https:///authorize",
	" BASE/authorize",
	"",
}

func (s *hostile) fill(text, mark string) string {
	return strings.NewReplacer("BASE", s.as.URL(), "MARK", mark).Replace(text)
}

// wantNothingOpened checks that a sign-in was refused before anything was started.
func wantNothingOpened(t *testing.T, page string, r result, b *recorder, mark string) {
	t.Helper()
	if r.code != 1 || r.err == "" {
		t.Errorf("%q: exit code %d\n%s", page, r.code, r.err)
	}
	if got := b.starts(); len(got) != 0 {
		t.Fatalf("%q: a program was started with %q", page, got)
	}
	if _, err := os.Lstat(mark); err == nil {
		t.Fatalf("%q: a shell ran it", page)
	}
	if strings.ContainsFunc(r.err, func(c rune) bool { return c < ' ' && c != '\n' || c >= 0x7f && c < 0xa0 || c == 0x202e }) {
		t.Errorf("%q: control characters reached the terminal: %q", page, r.err)
	}
}

func TestMetadataRunsNoProgram(t *testing.T) {
	t.Parallel()
	b := newRecorder(t)
	h := newHome(t, "KEYPORTER_BROWSER="+b.path, "KEYPORTER_LOG=info")
	s := newHostile(h, fakeas.Options{Devices: true})
	mark := filepath.Join(h.dir, "mark")
	h.do("add", "acme", s.mcp.URL())
	for _, page := range evilPages {
		s.says(member("authorization_endpoint", s.fill(page, mark)))
		wantNothingOpened(t, page, h.run("login", "acme"), b, mark)
	}
	s.says(nil)

	// The page of a device code is shown, and windows offer to open it.
	for _, page := range evilPages {
		s.answers(fakeas.Device, func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(map[string]any{"device_code": word + "-device", "user_code": "ABCD-EFGH", "expires_in": 60, "verification_uri": s.fill(page, mark)})
		})
		wantNothingOpened(t, "device: "+page, h.run("login", "acme", "--device"), b, mark)
	}
}

// What is an address, however odd, arrives as one argument that no program can
// take for an option or a command.
func TestOddAddressesReachTheBrowserAsOneArgument(t *testing.T) {
	t.Parallel()
	b := newRecorder(t)
	h := newHome(t, "KEYPORTER_BROWSER="+b.path+" --new-window")
	s := newHostile(h, fakeas.Options{})
	mark := filepath.Join(h.dir, "mark")
	h.do("add", "acme", s.mcp.URL())
	for i, odd := range []string{
		"/authorize?x=$(touch${IFS}MARK)", "/authorize?x=;touch&y=|sh&z=>MARK", "/authorize?--renderer-cmd-prefix=sh",
		"/%24(touch%20MARK)/authorize", "/authorize?q='%22%60&%00=1", "/authorize?redirect_uri=https://evil.example&state=mine&client_id=mine&code_challenge_method=plain",
	} {
		s.says(member("authorization_endpoint", s.as.URL()+s.fill(odd, mark)))
		cmd, _, ended := h.start("login", "acme")
		until(t, "the browser", func() bool { return len(b.starts()) == i+1 })
		check(t, cmd.Process.Signal(os.Interrupt))
		if r := <-ended; r.code != 130 {
			t.Errorf("%s: an interrupted login has exit code %d", odd, r.code)
		}
		argv := b.starts()[i]
		if len(argv) != 2 || argv[0] != "--new-window" || !strings.HasPrefix(argv[1], s.as.URL()+"/") || strings.ContainsAny(argv[1], " \"`<>|\\{}\n") {
			t.Errorf("%s: the browser got %q", odd, argv)
			continue
		}
		u, err := url.Parse(argv[1])
		check(t, err)
		for _, name := range []string{"redirect_uri", "state", "client_id", "code_challenge_method"} {
			if got := u.Query()[name]; len(got) != 1 || got[0] == "mine" || strings.Contains(got[0], "evil") || got[0] == "plain" {
				t.Errorf("%s: %s is %q", odd, name, got)
			}
		}
	}
	if _, err := os.Lstat(mark); err == nil {
		t.Error("a shell read an address")
	}
}
