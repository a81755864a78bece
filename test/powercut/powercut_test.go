//go:build linux

// Package powercut replays what a power cut leaves of Keyporter's files. An agent
// is recorded with strace while it does what people do; then, after each of its
// calls that changed a file, the disk is put together as a power cut at that moment
// may have left it (disk_test.go), and the next agent has to find, of each thing,
// the old state or the new one.
package powercut

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyporter/broker/local"
)

// Environment of the recorded process.
const (
	jobEnv = "KEYPORTER_POWERCUT_JOB"
	dirEnv = "KEYPORTER_POWERCUT_DIR"
)

// jobs are what a recorded process can do, in a folder.
var jobs = map[string]func(dir string) error{
	"agent": func(dir string) error { return perform(dir, `{"theme": "dark"}`, script()) },
	"log":   writeLog,
	"scan": func(dir string) error {
		return perform(dir, rawKeys, []step{scan(local.ScanFix), scan(local.ScanUndo)})
	},
}

func TestMain(m *testing.M) {
	if job := os.Getenv(jobEnv); job != "" {
		if err := jobs[job](os.Getenv(dirEnv)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// folder returns a folder in memory, where there is one: what is put together here
// has been through no power cut yet, and need not wait for a disk.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "powercut")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// everyEnv says that each condition is looked at (make powercut); otherwise every
// third is, on three days in a row all of them.
const everyEnv = "KEYPORTER_POWERCUT_EVERY"

func chosen(t *testing.T, all []cut) (some []cut) {
	t.Helper()
	if os.Getenv(everyEnv) != "" {
		return all
	}
	const share = 3
	first := int(time.Now().Unix()/(24*60*60)) % share
	for i := first; i < len(all); i += share {
		some = append(some, all[i])
	}
	t.Logf("of %d conditions every third is looked at, from number %d on", len(all), first)
	return some
}

// A cut is a condition of the disk between two marks.
type cut struct {
	condition
	at            string // the call after which it is
	before, after string // the marks
}

// cuts replays a recording and returns the conditions that differ, in order, and
// how the disk was at each mark.
func cuts(t *testing.T, root string, calls []call) (all []cut, marks []string, at map[string]condition) {
	t.Helper()
	d := newDisk(root)
	at = map[string]condition{}
	last := ""
	seen := map[string]bool{}
	open := 0 // first cut whose mark after is not known
	for i := range calls {
		c := &calls[i]
		if name, ok := strings.CutPrefix(c.path(), markFolder); ok {
			for ; open < len(all); open++ {
				all[open].after = name
			}
			last, marks = name, append(marks, name)
			at[name] = d.conditions()[0]
			clear(seen)
			continue
		}
		if !d.apply(t, c) {
			continue
		}
		for _, cond := range d.conditions() {
			if k := cond.key(); !seen[k] {
				seen[k] = true
				all = append(all, cut{cond, fmt.Sprintf("%s %.80q", c.name, filepath.Base(c.path())), last, ""})
			}
		}
	}
	return all[:open], marks, at
}

// What a power cut leaves of the agent's files is, for each thing that a person can
// see, as it was before the step under way or as it is after it.
func TestAPowerCutLeavesTheOldOrTheNew(t *testing.T) {
	root := folder(t)
	calls := record(t, "agent", root)
	all, marks, at := cuts(t, root, calls)
	if want := len(script()) + 3; len(marks) != want {
		t.Fatalf("%d marks %q, want %d", len(marks), marks, want)
	}
	views := map[string]view{"": {}}
	for _, m := range marks {
		c := at[m]
		c.restore(t, root)
		v, err := look(root)
		if err != nil {
			t.Fatalf("without a power cut, after %q: %v", m, err)
		}
		views[m] = v
	}
	t.Logf("%d calls, %d conditions", len(calls), len(all))
	for i, c := range chosen(t, all) {
		c.restore(t, root)
		v, err := look(root)
		if err != nil {
			t.Errorf("cut %d, after %s in %q, %s: %v", i, c.at, c.after, c.how, err)
			continue
		}
		compare(t, c, v, views[c.before], views[c.after])
	}
}

// compare checks that each thing is as before or as after.
func compare(t *testing.T, c cut, got, before, after view) {
	t.Helper()
	for _, what := range []string{"problem", "paused", "stopped", "settings", "servers", "accounts", "answers", "profiles", "token", "log", "client"} {
		if g := got[what]; g != before[what] && g != after[what] {
			t.Errorf("after %s in %q, %s: %s is %q, was %q, becomes %q", c.at, c.after, c.how, what, g, before[what], after[what])
		}
	}
}
