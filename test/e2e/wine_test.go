//go:build wine && linux

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The tests in the files wine_*_test.go run the programs for Windows in wine
// ("make wine"), against servers that run natively. What wine cannot show:
//
//   - It has one user. That another user is refused is seen from the access
//     lists only.
//   - It keeps no access lists of files; what it makes of them is the mode of
//     the file beneath.
//   - Its Credential Manager is a part of the registry that only looks encrypted.
//   - It ends no programs with their job, has no Store packages (the folder that
//     they would see is made here), no PowerShell and no notifications.
//   - It lets a second program make a pipe of a name that is taken (wine 8 takes
//     FILE_CREATE for FILE_OPEN_IF there), so that a stranger who has the agent's
//     pipe first cannot be shown.
//   - Files that somebody has open can be removed and renamed, which Windows
//     refuses, and os.RemoveAll does not work at all (wine 8 does not know
//     FileDispositionInformationEx).
//   - Processes are killed and clocks run as Linux has it: nothing is said about
//     sleep, antivirus programs or updates.

// wineUser is the name of the user: a profile's path may have spaces, and
// letters that no single code page of Windows has together.
const wineUser = "Zoë Müller 山田"

// wineProgram and wineFolder are where Windows sees the program. It is where an
// administrator installs it: its path has a space.
const (
	wineFolder  = `C:\Program Files\Keyporter\`
	wineProgram = wineFolder + "keyporter.exe"
)

// A wine is a Windows for the tests of this run.
type wine struct {
	dir string // of the prefix, and of the user's home beside it
	env []string
}

// theWine is set up by the first test that needs it, and is ended by run.
var theWine = sync.OnceValues(setUpWine)

var wineDir string // what run removes

func init() {
	atEnd = append(atEnd, func() {
		if wineDir == "" {
			return
		}
		if w, err := theWine(); err == nil {
			_ = w.command(wineServer, "-k").Run() // ends all that runs in this prefix
			_ = w.command(wineServer, "-w").Run()
		}
		os.RemoveAll(wineDir)
	})
}

// Debian's packages wine64 and gcc-mingw-w64-x86-64 (scripts/setup wine).
const (
	wineLoader = "/usr/lib/wine/wine64"
	wineServer = "/usr/lib/wine/wineserver64"
	winGCC     = "x86_64-w64-mingw32-gcc"
)

func setUpWine() (*wine, error) {
	dir, err := os.MkdirTemp("", "kpwine")
	if err != nil {
		return nil, err
	}
	wineDir = dir
	w := &wine{dir: dir, env: []string{
		"HOME=" + filepath.Join(dir, "home"), "USER=" + wineUser, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8",
		"WINEPREFIX=" + filepath.Join(dir, "prefix"), "WINEDEBUG=-all", "WINEDLLOVERRIDES=bcryptprimitives=n;mscoree,mshtml=",
	}}
	if err := os.Mkdir(filepath.Join(dir, "home"), 0o700); err != nil {
		return nil, err
	}
	if _, err := w.output(wineLoader, "wineboot", "-i"); err != nil {
		return nil, err
	}
	programs := w.unix(wineFolder)
	if err := os.Mkdir(programs, 0o755); err != nil {
		return nil, err
	}
	stub := exec.Command(winGCC, "-shared", "-o", w.unix(`C:\windows\system32\bcryptprimitives.dll`), "testdata/wine/bcryptprimitives.c", "-ladvapi32")
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", programs+"/",
		"keyporter/cmd/keyporter", "keyporter/cmd/keyporter-demo", "keyporter/test/e2e/winprobe")
	build.Env = append(os.Environ(), "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0")
	for _, cmd := range []*exec.Cmd{stub, build} {
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", cmd.Args[0], err, out)
		}
	}
	return w, nil
}

func (w *wine) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.WaitDelay = w.env, wineLinger
	return cmd
}

// output runs a program to its end and returns what it printed.
func (w *wine) output(program string, args ...string) (string, error) {
	cmd := w.command(program, args...)
	var said output
	cmd.Stderr = &said
	out, err := cmd.Output()
	switch {
	case errors.Is(err, exec.ErrWaitDelay):
		err = nil
	case err != nil:
		err = fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, &said)
	}
	return string(out), err
}

// wineLinger is home.linger: programs in wine hand their standard error on,
// whatever Windows says.
const wineLinger = 200 * time.Millisecond

// unix returns where a path of drive C lies.
func (w *wine) unix(path string) string {
	rest, ok := strings.CutPrefix(path, `C:\`)
	if !ok {
		panic(path)
	}
	return filepath.Join(w.dir, "prefix", "drive_c", strings.ReplaceAll(rest, `\`, "/"))
}

// winProfile is the user's folder.
const winProfile = `C:\users\` + wineUser

// A winHome is a home in wine. Its pid and its kill are Windows's.
type winHome struct {
	*home
	wine   *wine
	folder string // what dir is for Windows
	data   string // KEYPORTER_HOME, or the folder that is used without it
}

// newWinHome returns a home with a folder of its own in the user's profile. The
// vault's key is in the Credential Manager. An empty name is the home that
// Keyporter uses when nobody says another.
func newWinHome(t *testing.T, name string, more ...string) *winHome {
	t.Helper()
	w, err := theWine()
	check(t, err)
	h := &winHome{wine: w, home: &home{t: t, program: wineLoader, first: []string{wineProgram}, linger: wineLinger, seen: &seen{secrets: map[string]bool{word: true}}}}
	if name == "" {
		h.folder, h.data = winProfile+`\`, winProfile+`\.keyporter`
	} else {
		h.folder = winProfile + `\` + name + `\`
		h.data = h.folder + "kp"
		more = append(more, "KEYPORTER_HOME="+h.data)
		check(t, os.Mkdir(w.unix(h.folder), 0o700))
	}
	h.dir = w.unix(h.folder)
	h.env = append(append(slices.Clone(w.env), "KEYPORTER_LOG=debug"), more...)
	t.Cleanup(h.leave)
	return h
}

// leave stops the agent and searches for secrets.
func (h *winHome) leave() {
	pid := h.pid()
	h.do("stop")
	if pid != 0 {
		h.probe("gone", strconv.Itoa(pid))
	}
	h.search()
	if h.t.Failed() {
		b, err := os.ReadFile(h.wine.unix(h.data + `\agent.log`))
		h.t.Logf("agent.log: %v\n%s", err, b)
	}
}

// probe runs a verb of winprobe.
func (h *winHome) probe(verb, argument string) string {
	h.t.Helper()
	out, err := h.wine.output(wineLoader, wineFolder+"winprobe.exe", verb, argument)
	check(h.t, err)
	return out
}

// kill ends the agent as nothing else can, and returns which it was.
func (h *winHome) kill() int {
	h.t.Helper()
	pid := h.pid()
	if pid == 0 {
		h.t.Fatal("there is no agent to kill")
	}
	h.probe("kill", strconv.Itoa(pid))
	return pid
}

// write writes a file of the user's.
func (h *winHome) write(path, content string) {
	h.t.Helper()
	at := h.wine.unix(path)
	check(h.t, os.MkdirAll(filepath.Dir(at), 0o700))
	check(h.t, os.WriteFile(at, []byte(content), 0o600))
}

func (h *winHome) read(path string) string {
	h.t.Helper()
	b, err := os.ReadFile(h.wine.unix(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.t.Fatal(err)
	}
	return string(b)
}
