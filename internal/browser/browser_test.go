//go:build unix

package browser

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"keyporter/internal/hint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A desk is a folder of fake programs, as the only one on PATH.
type desk struct {
	dir string
	env map[string]string
}

func newDesk(t *testing.T, env ...string) *desk {
	t.Helper()
	d := &desk{dir: t.TempDir(), env: map[string]string{}}
	d.env["PATH"] = d.dir
	for _, kv := range env {
		k, v, _ := strings.Cut(kv, "=")
		d.env[k] = v
	}
	return d
}

func (d *desk) getenv(k string) string { return d.env[k] }

// program puts a program there that records its arguments, each with a zero
// byte after it, and then does what the script says.
func (d *desk) program(t *testing.T, name, script string) string {
	t.Helper()
	p := filepath.Join(d.dir, name)
	content := "#!/bin/sh\nPATH=/usr/bin:/bin\n{ printf '%s\\0' " + name + " \"$@\"; } >>" + d.dir + "/argv\n" + script + "\n"
	if err := os.WriteFile(p, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

func (d *desk) argv(t *testing.T) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(d.dir, "argv"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
}

const authorize = "https://as.example/authorize?client_id=a%2fb%2Fc&state=x%20y+z&redirect_uri=http%3A%2F%2F127.0.0.1%3A4711%2F"

func equal(t *testing.T, got []string, want ...string) {
	t.Helper()
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got the arguments %q, want %q", got, want)
	}
}

func TestOwnCommandGetsTheAddressLastAndByteForByte(t *testing.T) {
	d := newDesk(t, "KEYPORTER_BROWSER=  mine --profile  'work' ")
	d.program(t, "mine", "echo noise; echo noise >&2")
	if err := Open(t.Context(), authorize, d.getenv); err != nil {
		t.Fatal(err)
	}
	equal(t, d.argv(t), "mine", "--profile", "'work'", authorize)
}

func TestOwnCommandMayBeAPath(t *testing.T) {
	d := newDesk(t)
	d.env["KEYPORTER_BROWSER"] = d.program(t, "mine", "")
	d.env["PATH"] = ""
	if err := Open(t.Context(), authorize, d.getenv); err != nil {
		t.Fatal(err)
	}
	equal(t, d.argv(t), "mine", authorize)
}

func TestNoneOpensNothing(t *testing.T) {
	d := newDesk(t, "KEYPORTER_BROWSER=none", "DISPLAY=:0")
	d.program(t, "xdg-open", "")
	d.program(t, "none", "")
	err := Open(t.Context(), authorize, d.getenv)
	if !errors.Is(err, ErrNone) {
		t.Errorf("got %v, want ErrNone", err)
	}
	equal(t, d.argv(t))
}

func TestFailureOfTheProgramIsReportedWithoutTheAddress(t *testing.T) {
	d := newDesk(t, "KEYPORTER_BROWSER=mine")
	d.program(t, "mine", "exit 3")
	failed := Open(t.Context(), authorize, d.getenv)
	d.env["KEYPORTER_BROWSER"] = "missing"
	missing := Open(t.Context(), authorize, d.getenv)
	d.env["KEYPORTER_BROWSER"] = d.dir + "/argv" // is there, but no program
	notProgram := Open(t.Context(), authorize, d.getenv)
	for name, err := range map[string]error{"failed": failed, "missing": missing, "no program": notProgram} {
		if err == nil || hint.Of(err).What != "The browser could not be opened." {
			t.Errorf("%s: got %v", name, err)
		} else if strings.Contains(err.Error(), "as.example") {
			t.Errorf("%s: the error shows the address: %v", name, err)
		}
	}
}

// gate makes a fifo: opening it for writing waits for the reader.
func (d *desk) gate(t *testing.T, name string) string {
	t.Helper()
	p := filepath.Join(d.dir, name)
	if err := syscall.Mkfifo(p, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProgramThatStaysIsNotWaitedFor(t *testing.T) {
	d := newDesk(t)
	gate := d.gate(t, "gate")
	p := d.program(t, "mine", "read x <"+gate+"; exit 3")
	if err := run(t.Context(), []string{p, authorize}, d.getenv, nil, time.Millisecond); err != nil {
		t.Errorf("got %v", err)
	}
	if err := os.WriteFile(gate, []byte("go\n"), 0); err != nil { // goleak sees that it is reaped
		t.Fatal(err)
	}
}

func TestEndOfTheContextEndsTheWaitButNotTheBrowser(t *testing.T) {
	d := newDesk(t)
	gate, alive := d.gate(t, "gate"), d.gate(t, "alive")
	p := d.program(t, "mine", "read x <"+gate+"; echo alive >"+alive)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- run(ctx, []string{p, authorize}, d.getenv, nil, time.Hour) }()
	f, err := os.OpenFile(gate, os.O_WRONLY, 0) // now it runs
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if _, err := f.WriteString("go\n"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if b, err := os.ReadFile(alive); err != nil || string(b) != "alive\n" {
		t.Errorf("the browser said %q, %v", b, err)
	}
}

func TestHostileAddressesReachNoProgram(t *testing.T) {
	d := newDesk(t, "KEYPORTER_BROWSER=mine")
	d.program(t, "mine", "")
	for _, url := range []string{
		"", "-", "--flag", "--renderer-cmd-prefix=xterm", "-https://as.example", " https://as.example",
		"javascript:alert(1)", "file:///etc/passwd", "data:text/html,x", "vbscript:x", "ms-msdt:/id", "smb://host/share", "//as.example/x", "as.example",
		"https:as.example", "https:", "https://", "https:///path", "http://as.example/authorize", "http://127.0.0.1.as.example/", "http://10.0.0.1/", "http://localhost.as.example/",
		"https://as.example/a\nb", "https://as.example/\r\nHost: x", "https://as.example/\x00", "https://as.example/\x1b[2J", "https://as.example/\x7f", "https://as.example/\u0085", "https://as.example/\u202e", "https://as.example/\u2028",
		"https://as.example/\xff", "https://login.example@evil.example/", "https://user:pw@as.example/", "https://as.example:port/", "https://as.exa mple/", `https://as.example"/`, "https://as.example`id`/", "https://$(id)/", "https://аs.example/", "https://as.example%2f/",
		"https://as.example/%zz\x01", "https://[::1/", "https://as.example/" + strings.Repeat("a", maxAddress),
	} {
		err := Open(t.Context(), url, d.getenv)
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%.60q: got %v, want ErrRefused", url, err)
		} else if len(url) > 20 && strings.Contains(err.Error(), url) {
			t.Errorf("%.60q: the error quotes the address", url)
		}
	}
	equal(t, d.argv(t))
}

func TestAwkwardAddressesArriveAsOneHarmlessArgument(t *testing.T) {
	for url, want := range map[string]string{
		authorize: authorize,
		"HTTPS://AS.example:8443/Path?q=%e3%81%82#frag": "HTTPS://AS.example:8443/Path?q=%e3%81%82#frag",
		"http://127.0.0.1:8080/cb":                      "http://127.0.0.1:8080/cb",
		"http://[::1]:8080/cb":                          "http://[::1]:8080/cb",
		"http://localhost/":                             "http://localhost/",
		"https://as.example/a?x=$(touch${IFS}pwned)":    "https://as.example/a?x=$(touch$%7BIFS%7Dpwned)",
		"https://as.example/a?x=`id`;id&&id|id>id":      "https://as.example/a?x=%60id%60;id&&id%7Cid%3Eid",
		`https://as.example/a?x="b" 'c' \d`:             `https://as.example/a?x=%22b%22%20'c'%20%5Cd`,
		"https://as.example/日本?x=^%20%2B":               "https://as.example/%E6%97%A5%E6%9C%AC?x=%5E%20%2B",
		"https://as.example/?--flag -x":                 "https://as.example/?--flag%20-x",
	} {
		d := newDesk(t, "KEYPORTER_BROWSER=mine")
		d.program(t, "mine", "")
		if err := Open(t.Context(), url, d.getenv); err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		equal(t, d.argv(t), "mine", want)
	}
}
