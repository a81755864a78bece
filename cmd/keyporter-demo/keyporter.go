package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"keyporter/internal/hint"
)

// A keyporter is the program keyporter with the demo's home.
type keyporter struct {
	path string
	self string // this program
	env  []string
}

// findKeyporter finds the program beside this one, else on the PATH.
func findKeyporter() (path, self string, err error) {
	if self, err = os.Executable(); err != nil {
		return "", "", err
	}
	if path, err = exec.LookPath(filepath.Join(filepath.Dir(self), "keyporter")); err == nil {
		return path, self, nil
	}
	if path, err = exec.LookPath("keyporter"); err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", "", hint.Wrap(err, hint.NotFound, "The program keyporter is neither beside keyporter-demo nor on the PATH.", "Build both with make build, or run make demo.")
	}
	return path, self, nil
}

// newKeyporter returns the program with dir as its home. Settings of the user's
// own Keyporter do not reach it; without a real browser none is opened.
func newKeyporter(path, self, dir string, realBrowser bool) *keyporter {
	k := &keyporter{path: path, self: self}
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "KEYPORTER_") || name == "KEYPORTER_LOG" || name == "KEYPORTER_BROWSER" && realBrowser {
			k.env = append(k.env, kv)
		}
	}
	for name, value := range environ(dir) {
		k.env = append(k.env, name+"="+value)
	}
	if !realBrowser {
		k.env = append(k.env, "KEYPORTER_BROWSER=none")
	}
	return k
}

// withBrowser returns k with this program's browse verb as the browser. Its name
// alone is given, with its folder on the PATH: KEYPORTER_BROWSER is split into
// words, and the folder's name may have spaces.
func (k *keyporter) withBrowser() *keyporter {
	b := *k
	path := filepath.Dir(k.self) + string(os.PathListSeparator) + os.Getenv("PATH")
	b.env = append(slices.Clone(k.env), "KEYPORTER_BROWSER="+filepath.Base(k.self)+" browse", "PATH="+path)
	return &b
}

// command returns the command for keyporter with args. It is asked to leave when
// ctx ends, and made to after five seconds.
func (k *keyporter) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, k.path, args...)
	cmd.Env = k.env
	cmd.WaitDelay = 5 * time.Second
	cmd.Cancel = func() error {
		if runtime.GOOS == "windows" { // it cannot be asked there
			return cmd.Process.Kill()
		}
		return cmd.Process.Signal(os.Interrupt)
	}
	return cmd
}

// do runs keyporter and returns what it printed: the answer, and what it said
// beside it.
func (k *keyporter) do(ctx context.Context, args ...string) (answer string, said []string, err error) {
	cmd := k.command(ctx, args...)
	var out, errs limited
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	if ctx.Err() != nil {
		return "", nil, ctx.Err()
	}
	if err != nil {
		return "", nil, childFailed(err, args, errs.String())
	}
	return out.String(), lines(errs.String()), nil
}

// childFailed says that keyporter failed, in its own words if it had some.
func childFailed(err error, args []string, said string) error {
	what := fmt.Sprintf("%s could not be run.", quoteAll(append([]string{"keyporter"}, args...)))
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		what = fmt.Sprintf("%s failed with exit code %d.", quoteAll(append([]string{"keyporter"}, args...)), exit.ExitCode())
	}
	if words := lines(said); len(words) > 0 {
		return hint.New(hint.Failed, what, "It said: "+strings.Join(words, " "))
	}
	return hint.Wrap(err, hint.Failed, what, "")
}

// lines returns the lines of a text that are not empty, trimmed.
func lines(text string) []string {
	var all []string
	for l := range strings.Lines(text) {
		if l = strings.TrimSpace(l); l != "" {
			all = append(all, l)
		}
	}
	return all
}

// answerLines returns the lines of an answer that are not empty, with the space
// before them.
func answerLines(answer string) []string {
	var all []string
	for l := range strings.Lines(answer) {
		if l = strings.TrimRight(l, " \r\n"); l != "" {
			all = append(all, l)
		}
	}
	return all
}

// maxOutput is how much of a program's output is kept.
const maxOutput = 1 << 20

// limited is a buffer that stops growing. It is safe for concurrent use.
type limited struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Write(p[:min(len(p), maxOutput-l.b.Len())])
	return len(p), nil
}

func (l *limited) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
