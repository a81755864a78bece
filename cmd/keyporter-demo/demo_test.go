package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"keyporter/internal/paths"
)

// fakeKeyporter makes this test binary a keyporter that fails; see TestMain.
const fakeKeyporter = "DEMO_TEST_FAKE_KEYPORTER"

// fakeBrowser makes it a browser that sends the page's address to the address
// in this variable.
const fakeBrowser = "DEMO_TEST_FAKE_BROWSER"

func TestMain(m *testing.M) {
	if os.Getenv(fakeKeyporter) != "" {
		if len(os.Args) > 1 && os.Args[1] == "stop" {
			os.Exit(0)
		}
		fmt.Fprintln(os.Stderr, "keyporter: The vault is made of cheese.")
		os.Exit(1)
	}
	if to := os.Getenv(fakeBrowser); to != "" {
		res, err := http.Post(to, "text/plain", strings.NewReader(os.Args[len(os.Args)-1]))
		if err != nil {
			os.Exit(1)
		}
		res.Body.Close()
		os.Exit(0)
	}
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	if dir := builtIn; dir != "" {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

var builtIn string // the folder of the built programs

// programs builds keyporter and keyporter-demo, once, and returns their folder.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "keyporter-demo-test-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	cmd := exec.Command("go", "build", "-o", dir+string(filepath.Separator), "keyporter/cmd/keyporter", "keyporter/cmd/keyporter-demo")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return dir, nil
})

// demoCommand returns the built demo with a user's home of its own, and that home.
func demoCommand(t *testing.T, args ...string) (cmd *exec.Cmd, home string) {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	// Short: the paths of unix sockets have a limit.
	if home, err = os.MkdirTemp("", "kpd"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	temp := filepath.Join(home, "t")
	if err := os.Mkdir(temp, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(filepath.Join(dir, "keyporter-demo"), args...)
	cmd.Env = []string{"HOME=" + home, "USERPROFILE=" + home, "TMPDIR=" + temp, "TMP=" + temp, "PATH=" + os.Getenv("PATH"), "SYSTEMROOT=" + os.Getenv("SYSTEMROOT")}
	return cmd, home
}

// leftovers fails the test for each file that the demo left in the home.
func leftovers(t *testing.T, home string) {
	t.Helper()
	err := filepath.WalkDir(home, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() && !strings.HasSuffix(path, "-demo.lock") {
			t.Errorf("the demo left %s", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDemoRunsFromEndToEndAndLeavesNothing(t *testing.T) {
	cmd, home := demoCommand(t)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out.String(), errs.String())
	}
	for _, want := range []string{
		"$ keyporter add demo http://127.0.0.1:", "$ keyporter account add google-key demo-robot --key-file ",
		"$ keyporter login demo\n", "$ keyporter tools demo\n", "get_time", "$ keyporter bridge demo\n", "$ keyporter bridge demo-api\n",
		"whoami → alice, known from http://127.0.0.1:", "whoami → " + robot + ", known from https://accounts.google.com", "add 2 and 40 → 42",
		"before: token ", "after:  token ", `"mcpServers"`, `"KEYPORTER_HOME"`, "claude_desktop_config.json",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	if s := out.String() + errs.String(); strings.Contains(s, "SECRETWORD") || strings.Contains(s, "eyJ") {
		t.Error("the output holds a secret")
	}
	if t.Failed() {
		t.Logf("output:\n%s\n%s", out.String(), errs.String())
	}
	leftovers(t, home)
}

// withFakeKeyporter puts a keyporter that fails on the PATH.
func withFakeKeyporter(t *testing.T) (temp string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin, temp := t.TempDir(), t.TempDir()
	name := "keyporter"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if err := os.Symlink(self, filepath.Join(bin, name)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	t.Setenv("TMPDIR", temp)
	t.Setenv(fakeKeyporter, "1")
	return temp
}

func TestFailedStepIsSaidInWordsAndCleanedUp(t *testing.T) {
	temp := withFakeKeyporter(t)
	var out, errs bytes.Buffer
	if code := run(t.Context(), nil, nil, &out, &errs); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	for _, want := range []string{"keyporter add demo http://127.0.0.1:", "failed with exit code 1.", "The vault is made of cheese."} {
		if !strings.Contains(errs.String(), want) {
			t.Errorf("stderr lacks %q:\n%s", want, errs.String())
		}
	}
	leftovers(t, temp)
}

func TestFailureIsAJSONLineToo(t *testing.T) {
	withFakeKeyporter(t)
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"--json"}, nil, &out, &errs); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	all := lines(out.String())
	var last struct {
		FailedAt int `json:"failed_at"`
		Error    struct{ What string }
	}
	if err := json.Unmarshal([]byte(all[len(all)-1]), &last); err != nil || last.FailedAt != 3 || !strings.Contains(last.Error.What, "exit code 1") {
		t.Errorf("last line %s (%v), want failed_at 3", all[len(all)-1], err)
	}
}

func TestInterruptedDemoCleansUp(t *testing.T) {
	temp := withFakeKeyporter(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var errs bytes.Buffer
	out := writerFunc(func(b []byte) (int, error) {
		if bytes.Contains(b, []byte("$ keyporter add")) {
			cancel()
		}
		return len(b), nil
	})
	if code := run(ctx, nil, nil, out, &errs); code != exitInterrupted {
		t.Errorf("exit code %d, want %d: %s", code, exitInterrupted, errs.String())
	}
	leftovers(t, temp)
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

func TestMissingKeyporterIsSaidInWords(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var errs bytes.Buffer
	if code := run(t.Context(), nil, nil, io.Discard, &errs); code != exitFailed || !strings.Contains(errs.String(), "neither beside keyporter-demo nor on the PATH") {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

func TestTakenPortIsSaidInWords(t *testing.T) {
	withFakeKeyporter(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	if port > 65533 {
		port -= 2 // then it is the third of the three
	}
	var errs bytes.Buffer
	code := run(t.Context(), []string{"--port", fmt.Sprint(port)}, nil, io.Discard, &errs)
	if code != exitFailed || !strings.Contains(errs.String(), fmt.Sprintf("The ports %d to %d cannot be used.", port, port+2)) {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
}

func TestWrongUsage(t *testing.T) {
	for _, args := range [][]string{{"--kep"}, {"now"}, {"--port", "x"}, {"--port", "-1"}, {"--port", "65534"}} {
		var out, errs bytes.Buffer
		if code := run(t.Context(), args, nil, &out, &errs); code != exitUsage || out.Len() > 0 || !strings.Contains(errs.String(), "Usage:") {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q", args, code, out.String(), errs.String())
		}
	}
	var out bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, nil, &out, io.Discard); code != exitDone || !strings.HasPrefix(out.String(), "Usage:") {
		t.Errorf("--help: exit code %d, %q", code, out.String())
	}
}

func TestBrowseNeverPrintsTheAddress(t *testing.T) {
	var errs bytes.Buffer
	if code := run(t.Context(), []string{"browse", "http://127.0.0.1:1/authorize?state=SECRETWORD"}, nil, io.Discard, &errs); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
	if strings.Contains(errs.String(), "SECRETWORD") {
		t.Errorf("stderr holds the address: %s", errs.String())
	}
}

func TestHomeIsRemovedWithItsRuntimeFolder(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	t.Setenv("TMP", temp)
	// So long that a socket in it would have no name.
	h, err := makeHome(filepath.Join(temp, strings.Repeat("long", 30)), func(string) { t.Error("there is nothing left over") })
	if err != nil {
		t.Fatal(err)
	}
	p, err := paths.Find(func(name string) string { return environ(h.dir)[name] })
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Make(); err != nil {
		t.Fatal(err)
	}
	if err := h.remove(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{h.dir, p.Runtime} {
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there (%v)", dir, err)
		}
	}
}

func TestWhatAnEarlierDemoLeftIsRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "home")
	if err := os.MkdirAll(filepath.Join(dir, "answers"), 0o700); err != nil {
		t.Fatal(err)
	}
	asked := ""
	h, err := makeHome(dir, func(d string) { asked = d })
	if err != nil {
		t.Fatal(err)
	}
	if asked != dir {
		t.Errorf("asked about %q, want %q", asked, dir)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the new home holds %v (%v), want nothing", left, err)
	}
	if err := h.remove(); err != nil {
		t.Error(err)
	}
}
