package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"keyporter/internal/fakeas"
)

// A volume is a small disk of a test's own.
type volume struct {
	t    *testing.T
	dirs []string
}

// newVolume mounts a disk on each of the folders, which it makes.
func newVolume(t *testing.T, dirs ...string) *volume {
	t.Helper()
	for _, dir := range dirs {
		check(t, os.MkdirAll(dir, 0o700))
		check(t, syscall.Mount("keyporter-test", dir, "tmpfs", 0, "size=4m,mode=700"))
		t.Cleanup(func() { check(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	}
	return &volume{t, dirs}
}

// fill takes all the space that is left.
func (v *volume) fill() {
	v.t.Helper()
	block := make([]byte, 4096)
	for _, dir := range v.dirs {
		f, err := os.Create(filepath.Join(dir, "filling"))
		check(v.t, err)
		for err == nil {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			v.t.Fatal(err)
		}
		check(v.t, f.Close())
	}
}

// free gives it back.
func (v *volume) free() {
	v.t.Helper()
	for _, dir := range v.dirs {
		check(v.t, os.Remove(filepath.Join(dir, "filling")))
	}
}

// readOnly makes the disk one that cannot be written to, or that can again.
func (v *volume) readOnly(on bool) {
	v.t.Helper()
	flags := uintptr(syscall.MS_REMOUNT)
	if on {
		flags |= syscall.MS_RDONLY
	}
	for _, dir := range v.dirs {
		until(v.t, "the end of the last writer to "+dir, func() bool {
			err := syscall.Mount("", dir, "", flags, "")
			if err != nil && !errors.Is(err, syscall.EBUSY) {
				v.t.Fatal(err)
			}
			return err == nil
		})
	}
}

const teamProfile = `{"version":1,"name":"Data team","issued_at":"2026-06-01T00:00:00Z","servers":{"wiki":{"url":"https://wiki.example.com/mcp"}}}`

// writers are the commands that write something, for a home that has what prepare
// puts into it.
func writers(h *home) [][]string {
	h.t.Helper()
	token, key := given(h.t, "other-"+word), given(h.t, "passphrase-"+word)
	profile := h.file("team.keyporter.json", teamProfile)
	kp := h.paths().State
	return [][]string{
		{"add", "third", "https://third.example.com/mcp", "--offline"},
		{"set", "notes", "scope=read"},
		{"rename", "notes", "diary"},
		{"remove", "old"},
		{"account", "add", "static", "eve", "--token-file", token},
		{"account", "rotate", "alice", "--key-file", token},
		{"account", "remove", "alice"},
		{"install", "claude-desktop", "acme"},
		{"scan", "--fix"},
		{"uninstall", "claude-desktop"},
		{"settings", "set", "language=ja"},
		{"join", profile, "--yes"},
		{"share", "acme", "-o", filepath.Join(kp, "out.keyporter.json")},
		{"bundle", "acme", "-o", filepath.Join(kp, "out.mcpb")},
		{"vault", "use", "passphrase", "--passphrase-file", key},
		{"logout", "acme"},
		{"settings", "set", "approvals=first-use"},
	}
}

const claudeDesktop = `{"mcpServers": {"exa": {"command": "npx", "args": ["-y", "mcp-remote", "https://exa.example.com/mcp", "--header", "Authorization: Bearer exa-SECRETWORD-abc123"]}}}`

func prepare(h *home) string {
	h.t.Helper()
	file := filepath.Join(h.dir, ".config/Claude/claude_desktop_config.json")
	check(h.t, os.MkdirAll(filepath.Dir(file), 0o700))
	check(h.t, os.WriteFile(file, []byte(claudeDesktop), 0o600))
	h.do("account", "add", "static", "alice", "--token-file", given(h.t, "token-"+word))
	h.do("add", "notes", "https://notes.example.com/mcp", "--offline", "--account", "alice")
	h.do("install", "claude-desktop", "notes")
	h.do("add", "old", "https://old.example.com/mcp", "--offline")
	h.do("settings", "set", "language=en")
	return file
}

// listed is what a person sees in lists, without when a server was used.
func listed(h *home) string {
	h.t.Helper()
	text := h.do("list", "--json") + h.do("account", "list", "--json") + h.do("settings", "get")
	return regexp.MustCompile(`,\s*"(last_used|tools|bridges)": [^,\n]*`).ReplaceAllString(text, "")
}

// refuses runs a command that cannot do what it is asked for, and checks that it
// says so in a sentence, with what to do.
func (h *home) refuses(reason string, args ...string) {
	h.t.Helper()
	r := h.run(args...)
	said := h.said(r.err)
	lines := strings.Split(said, "\n")
	if r.code != 1 || !strings.HasPrefix(said, "keyporter: ") || !strings.Contains(lines[0], reason) || len(lines) < 2 || !strings.HasPrefix(lines[1], "  ") {
		h.t.Errorf("keyporter %s: exit code %d, want 1 and %q\n%s%s", strings.Join(args, " "), r.code, reason, r.out, said)
	}
}

// damaged has the disk take nothing and checks that all that writes says why, that
// nothing is lost, that the bridge goes on with the token it has, and that all goes
// on by itself afterwards.
func damaged(h *home, w *world, reason string, damage func() *host, repair func()) {
	t := h.t
	file := prepare(h)
	all := writers(h)
	c := damage()
	before, client := listed(h), read(t, file)
	for _, args := range all {
		h.refuses(reason, args...)
		if after := listed(h); after != before {
			t.Errorf("keyporter %s changed\n%s to\n%s", strings.Join(args, " "), before, after)
		}
		if now := read(t, file); now != client {
			t.Errorf("keyporter %s changed a client's file to\n%s", strings.Join(args, " "), now)
		}
	}
	c.wantText(c.add(1, 2), "3")
	h.refuses(reason, "pause")
	if !h.state().Paused {
		t.Error("keyporter pause is not followed when it cannot be saved")
	}
	h.refuses(reason, "resume")
	c.wantText(c.add(2, 2), "4")
	until(t, "status to say what cannot be saved", func() bool { return strings.Contains(h.do("status"), reason) })

	// A refresh token is spent only where its successor can be kept.
	w.refuse()
	if m := c.take("an answer", c.add(2, 3)); !strings.Contains(m.String(), reason) {
		t.Errorf("a call that needs a new token: %v", m)
	}
	if n := w.as.Counters().Refreshed; n != 0 {
		t.Errorf("%d refresh tokens were spent", n)
	}
	// An agent that starts now serves what it can.
	h.kill()
	until(t, "the next agent to show the same", func() bool { return listed(h) == before })

	repair()
	until(t, "a call with a new token", func() bool {
		return c.take("an answer", c.add(2, 3)).Error == nil
	})
	for _, args := range all {
		h.do(args...)
	}
	until(t, "status to have no problem", func() bool { return h.state().Problem == nil })
	if got := w.as.Counters(); got.InvalidGrant != 0 || got.Reused != 0 {
		t.Errorf("the authorization server counted %+v", got)
	}
}

func TestFullDiskIsSaidAndForgottenOnceThereIsSpace(t *testing.T) {
	if !inside(t) {
		return
	}
	h := bareHome(t)
	v := newVolume(t, filepath.Join(h.dir, "kp"), filepath.Join(h.dir, ".config")) // which is there until the agent has ended
	keyporterIn(h)
	w := newWorld(h, fakeas.Options{}).signedIn(h)
	damaged(h, w, "there is no space left", func() *host {
		c := settled(h, w)
		v.fill()
		return c
	}, v.free)
}

// The folders are the usual ones, so that the socket is on another disk. Nobody
// makes a disk read-only while a program writes to it, so the agent begins there.
func TestReadOnlyHomeIsSaidAndServedFrom(t *testing.T) {
	if !inside(t) {
		return
	}
	ownRuntime(t)
	h := bareHome(t)
	v := newVolume(t, filepath.Join(h.dir, ".local"), filepath.Join(h.dir, ".config"))
	keyporterIn(h, "KEYPORTER_HOME=")
	w := newWorld(h, fakeas.Options{}).signedIn(h)
	var c *host
	damaged(h, w, "read-only", func() *host {
		h.kill()
		v.readOnly(true)
		c = settled(h, w)
		return c
	}, func() { v.readOnly(false) })

	// What is stopped now cannot be told to those who start it again; it stops.
	c.close() // it would start an agent that writes
	h.kill()
	v.readOnly(true)
	listed(h)
	pid := h.pid()
	h.refuses("Keyporter is stopped, but", "stop")
	until(t, "the agent's end", func() bool { return !alive(pid) })
	v.readOnly(false)
}

// With KEYPORTER_HOME the socket is on that disk, so there is no agent. Nobody said why.
func TestAHomeInWhichNoAgentCanStartIsNamedByEveryCommand(t *testing.T) {
	if !inside(t) {
		return
	}
	t.Run("read-only disk", func(t *testing.T) {
		h := newHome(t)
		v := newVolume(t, h.paths().State)
		newWorld(h, fakeas.Options{}).signedIn(h)
		h.kill()
		v.readOnly(true)
		c := namesHome(h, "its disk is read-only")
		v.readOnly(false)
		h.goesOn(c)
	})
	t.Run("folder that is not to be written to", func(t *testing.T) {
		h := plainHome(t)
		newWorld(h, fakeas.Options{}).signedIn(h)
		h.kill()
		check(t, os.Chmod(h.paths().State, 0o500))
		c := namesHome(h, "the system does not allow it")
		check(t, os.Chmod(h.paths().State, 0o700))
		h.goesOn(c)
	})
}

// namesHome has every kind of command say why there is no agent, and a bridge, which
// it returns.
func namesHome(h *home, why string) *host {
	h.t.Helper()
	reason := "the folder " + h.paths().State + " cannot be written to: " + why
	for _, args := range [][]string{{"list"}, {"show", "acme"}, {"start"}, {"token", "acme"}, {"call", "acme", "add", "{}"},
		{"tools", "acme"}, {"log"}, {"set", "acme", "scope=read"}, {"agent"}, {"agent", "--foreground"}} {
		h.refuses(reason, args...)
	}
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"doctor"}} {
		if r := h.run(args...); !strings.Contains(r.out, reason) || strings.Contains(r.out, "starts by itself") {
			h.t.Errorf("keyporter %s: %s", strings.Join(args, " "), r.out)
		}
	}
	c := h.launch("acme")
	if m := c.ask("initialize", nil); m.Error == nil || !strings.Contains(m.Error.Message, reason) {
		h.t.Errorf("a bridge answers initialize with %v", m)
	}
	return c
}

// goesOn has the bridge work at its next request, and status forget the reason.
func (h *home) goesOn(c *host) {
	h.t.Helper()
	c.initialize()
	c.wantText(c.add(1, 2), "3")
	c.close()
	h.kill()
	if out := h.do("status"); strings.Contains(out, "written") {
		h.t.Errorf("status still says: %s", out)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	check(t, err)
	return string(b)
}
