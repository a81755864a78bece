package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"keyporter/internal/peers"
)

// TestPersonSignsInFromTheTray is the main way through everything, with nothing
// replaced: an MCP client launches a bridge for a server that nobody has signed
// in to; the tray shows it; a click there opens the browser; the person signs in
// at the demo's identity provider; and the bridge that was waiting goes live.
// The vault's key is in a real keyring. Quitting the tray leaves the bridge.
func TestPersonSignsInFromTheTray(t *testing.T) {
	programs := buildPrograms(t)
	ctx, d := testContext(t), newDesktop(t)
	browser, opened := fakeBrowser(t, d.home)
	env := d.environ("KEYPORTER_BROWSER=" + browser)
	startKeyring(t, ctx, d, env)
	service := newNotificationService(t, d)
	host := newHost(t, ctx, d)

	cli := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, programs.keyporter, args...)
		cmd.Env = env
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("keyporter %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	cli("add", "demo", startServers(t, programs.demo, env))
	t.Cleanup(func() {
		cmd := exec.Command(programs.keyporter, "stop")
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("keyporter stop: %v\n%s", err, out)
		}
	})
	began := time.Now()
	tray := startProgram(t, programs.tray, env)
	item := must(host.Item(ctx))(t)
	t.Logf("start to icon, with the race detector: %v", time.Since(began).Round(time.Millisecond))
	must(item.WaitRow(ctx, "▲ Sign in to demo…"))(t)
	waitIcon(t, ctx, item, "attention")

	client := startClient(t, ctx, programs.keyporter, env)
	client.send(`{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`)
	client.answer("hello")
	client.send(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	client.send(`{"jsonrpc":"2.0","id":"before","method":"tools/list"}`)
	if got := client.answer("before"); !strings.Contains(got, `"sign_in"`) || strings.Contains(got, `"add"`) {
		t.Errorf("before the sign-in the tools are %s", got)
	}
	client.send(`{"jsonrpc":"2.0","id":"asks","method":"tools/call","params":{"name":"sign_in","arguments":{}}}`)
	note := receive(t, ctx, service.shown)
	if note.summary != "Sign in to demo" || len(note.actions) < 2 {
		t.Errorf("the notification is %+v", note)
	}

	check(t, item.Click(ctx, "▲ Sign in to demo…"))
	page := receive(t, ctx, opened)
	must(item.WaitRow(ctx, "◌ demo: waiting for the browser… (cancel)"))(t)
	chrome := peers.StartChrome(t)
	chrome.Open(page)
	chrome.Click("button[value=sign-in]")
	chrome.Shows("signed in")

	client.notified("notifications/tools/list_changed")
	if got := client.answer("asks"); !strings.Contains(got, "Signed in.") {
		t.Errorf("the tool that asked for the sign-in answered %s", got)
	}
	client.add("after", 3)
	must(item.WaitRow(ctx, "● demo · alice"))(t)
	waitIcon(t, ctx, item, "ready")
	if got := receive(t, ctx, service.gone); got != note.number {
		t.Errorf("notification %d was withdrawn, want %d", got, note.number)
	}
	if len(opened) > 0 || len(service.shown) > 0 {
		t.Errorf("%d more pages and %d more notifications", len(opened), len(service.shown))
	}
	if got := cli("status", "--json"); !strings.Contains(got, `"backend": "keyring"`) {
		t.Errorf("status is %s", got)
	}

	check(t, item.Quit(ctx, "Quit (bridges keep running)"))
	tray.wait(t, ctx, 0)
	client.add("without the tray", 3)
}

// built are the programs of a folder, as they are installed.
type built struct{ keyporter, demo, tray string }

// buildPrograms makes a folder with the programs; keyporter-tray is this test
// binary, so that the race detector watches it.
func buildPrograms(t *testing.T) built {
	t.Helper()
	dir := t.TempDir()
	b := built{filepath.Join(dir, "keyporter"), filepath.Join(dir, "keyporter-demo"), filepath.Join(dir, "keyporter-tray")}
	build := exec.Command("go", "build", "-o", dir, "keyporter/cmd/keyporter", "keyporter/cmd/keyporter-demo")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	src := must(os.Open(must(os.Executable())(t)))(t)
	defer src.Close()
	dst := must(os.OpenFile(b.tray, os.O_CREATE|os.O_WRONLY, 0o700))(t)
	must(io.Copy(dst, src))(t)
	check(t, dst.Close())
	return b
}

// startKeyring starts the desktop's keyring, unlocked, as a login does.
func startKeyring(t *testing.T, ctx context.Context, d *desktop, env []string) {
	t.Helper()
	if _, err := exec.LookPath("gnome-keyring-daemon"); err != nil {
		t.Fatal("gnome-keyring-daemon is not installed: run apt-get install gnome-keyring")
	}
	conn := must(dbus.Connect(d.bus))(t)
	owners := make(chan *dbus.Signal, 16) // closed by conn.Close
	conn.Signal(owners)
	check(t, conn.AddMatchSignal(dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, "org.freedesktop.secrets")))
	cmd := exec.Command("gnome-keyring-daemon", "--foreground", "--components=secrets", "--unlock")
	cmd.Env, cmd.Stdin = env, strings.NewReader("SECRETWORD of the login")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		check(t, conn.Close())
	})
	for sig := receive(t, ctx, owners); !strings.HasSuffix(sig.Name, ".NameOwnerChanged"); {
		sig = receive(t, ctx, owners) // the bus has told us our own name before
	}
}

// startServers starts the demo's servers and returns the address of the one with
// a sign-in.
func startServers(t *testing.T, program string, env []string) string {
	t.Helper()
	cmd := exec.Command(program, "--servers")
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in := must(cmd.StdinPipe())(t)
	out := must(cmd.StdoutPipe())(t)
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close() // ends it
		check(t, cmd.Wait())
	})
	var where struct{ MCP string }
	check(t, json.NewDecoder(out).Decode(&where))
	return where.MCP
}

// A client is an MCP client that has launched a bridge.
type client struct {
	t     *testing.T
	ctx   context.Context
	in    io.Writer
	lines <-chan string
	kept  []string // read, and asked for by nobody yet
}

func startClient(t *testing.T, ctx context.Context, program string, env []string) *client {
	t.Helper()
	cmd := exec.Command(program, "bridge", "demo")
	cmd.Env, cmd.Stderr = env, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in := must(cmd.StdinPipe())(t)
	out := must(cmd.StdoutPipe())(t)
	check(t, cmd.Start())
	lines, read := make(chan string, 64), make(chan struct{}) // both closed when nothing more comes
	go func() {
		defer close(read)
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		_ = in.Close() // ends it
		<-read
		check(t, cmd.Wait())
	})
	return &client{t: t, ctx: ctx, in: in, lines: lines}
}

func (c *client) send(message string) {
	c.t.Helper()
	must(io.WriteString(c.in, message+"\n"))(c.t)
}

// answer returns the answer to a request, notified waits for a notification.
func (c *client) answer(id string) string { c.t.Helper(); return c.find(`"id":"` + id + `"`) }
func (c *client) notified(method string)  { c.t.Helper(); c.find(`"method":"` + method + `"`) }

func (c *client) find(part string) string {
	c.t.Helper()
	for i := 0; ; i++ {
		if i == len(c.kept) {
			c.kept = append(c.kept, receive(c.t, c.ctx, c.lines))
		}
		if line := c.kept[i]; strings.Contains(line, part) {
			c.kept = append(c.kept[:i], c.kept[i+1:]...)
			return line
		} else if line == "" {
			c.t.Fatal("the bridge ended")
		}
	}
}

// add calls the server's tool add with 1 and 2.
func (c *client) add(id string, want int) {
	c.t.Helper()
	c.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%q,"method":"tools/call","params":{"name":"add","arguments":{"a":1,"b":2}}}`, id))
	if got := c.answer(id); !strings.Contains(got, fmt.Sprintf(`"text":"%d"`, want)) {
		c.t.Errorf("add answered %s", got)
	}
}
