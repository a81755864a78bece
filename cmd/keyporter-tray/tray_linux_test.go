package main

import (
	"bufio"
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"keyporter/assets"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/trayhost"
)

// Three servers, of which one needs the user, or none.
func state(sales local.Status) *local.State {
	soon := time.Now().Add(90*time.Minute + 30*time.Second)
	s := &local.State{
		Vault: local.VaultState{Backend: "keyring", Open: true},
		Servers: []local.ServerState{
			{Name: "Data platform", Kind: account.GoogleKey, State: local.Ready, Identity: "etl@proj", ExpiresAt: soon},
			{Name: "Notion", Kind: account.OAuth, State: local.Ready, Identity: "name@example.com", ExpiresAt: soon},
			{Name: "Sales_data", Kind: account.OAuth, State: sales},
		},
		Accounts: []local.AccountState{}, Notices: []local.Notice{},
	}
	if sales == local.Ready {
		s.Servers[2].Identity = "me@example.com"
	}
	return s
}

// TestTraySignsIn drives the real program from a panel: menu, icon, sign-in, new
// state, quit.
func TestTraySignsIn(t *testing.T) {
	ctx, d := testContext(t), newDesktop(t)
	agent := serveAgent(t, filepath.Join(d.home, "kp"), state(local.SignInNeeded))
	agent.open = "https://id.example.com/authorize?state=a%20b&scope=x"
	browser, opened := fakeBrowser(t, d.home)
	host := newHost(t, ctx, d)

	p := start(t, d.environ("KEYPORTER_BROWSER="+browser))
	item := must(host.Item(ctx))(t)
	if w := <-agent.watchers; !w.Tray {
		t.Error("the tray watches without saying that it is one")
	}
	want := `Keyporter — 1 server needs you (off)
────
▲ Sign in to Sales_data…
────
● Data platform · etl@proj (key)
    Uses etl@proj (key) · 1 h left (off)
    ────
    Copy config for Claude Desktop
    Show in window
● Notion · name@example.com
    Signed in as name@example.com · 1 h left (off)
    ────
    Sign in as somebody else…
    Sign out
    Copy config for Claude Desktop
    Show in window
▲ Sales_data · signed out
    Signed out (off)
    ────
    Sign in…
    Sign out (off)
    Copy config for Claude Desktop
    Show in window
────
Pause everything
Open Keyporter…
Quit (bridges keep running)
`
	_, err := item.WaitMenu(ctx, func(m *trayhost.Row) bool { return m.String() == want })
	if err != nil {
		t.Fatalf("%v\nwant\n%s", err, want)
	}
	waitIcon(t, ctx, item, "attention")

	check(t, item.Click(ctx, "▲ Sign in to Sales_data…"))
	if got := receive(t, ctx, agent.signIns); got != "Sales_data" {
		t.Errorf("sign-in for %q, want Sales_data", got)
	}
	if got := receive(t, ctx, opened); got != agent.open {
		t.Errorf("the browser got %q, want %q", got, agent.open)
	}
	must(item.WaitRow(ctx, "Waiting for the browser… (cancel)"))(t)
	waitIcon(t, ctx, item, "busy")

	agent.set(state(local.Ready))
	must(item.WaitRow(ctx, "Keyporter — everything is ready"))(t)
	must(item.WaitRow(ctx, "● Sales_data · me@example.com"))(t)
	waitIcon(t, ctx, item, "ready")

	check(t, item.Quit(ctx, "Quit (bridges keep running)"))
	p.wait(t, ctx, 0)
}

// TestPanelHearsOfOneTextWhenOneChanged is what keeps an open menu still while an
// expiry counts down: the panel is told of that row alone, never to read the menu
// again, and the rows keep their numbers.
func TestPanelHearsOfOneTextWhenOneChanged(t *testing.T) {
	ctx, d := testContext(t), newDesktop(t)
	later := func(left time.Duration) *local.State {
		s := state(local.Ready)
		s.Servers[0].ExpiresAt = time.Now().Add(left + 30*time.Second)
		return s
	}
	agent := serveAgent(t, filepath.Join(d.home, "kp"), later(42*time.Minute))
	host := newHost(t, ctx, d)
	start(t, d.environ())
	item := must(host.Item(ctx))(t)
	before := must(item.WaitRow(ctx, "Uses etl@proj (key) · 42 min left"))(t)
	if tip := must(item.Tooltip(ctx))(t); tip != "Keyporter — everything is ready" {
		t.Errorf("the tooltip is %q", tip)
	}
	first := func(told []trayhost.Change) bool { return len(told) > 0 }
	must(host.Changes(ctx, first))(t)

	agent.set(later(41 * time.Minute))
	told := must(host.Changes(ctx, first))(t)
	after := must(item.WaitRow(ctx, "Uses etl@proj (key) · 41 min left"))(t)
	if len(told) != 1 || !slices.Equal(told[0].Rows, []int32{before.ID}) || after.ID != before.ID {
		t.Errorf("one text changed, of row %d, now %d; the panel was told %v", before.ID, after.ID, told)
	}

	less := later(41 * time.Minute)
	less.Servers = less.Servers[:len(less.Servers)-1]
	agent.set(less)
	told = must(host.Changes(ctx, first))(t)
	if len(told) != 1 || told[0].Rows != nil {
		t.Errorf("one row went; the panel was told %v", told)
	}
}

// TestNotificationSignsIn follows notices of the agent to the desktop: one that is
// over is withdrawn, one that is clicked opens the browser.
func TestNotificationSignsIn(t *testing.T) {
	ctx, d := testContext(t), newDesktop(t)
	waiting := func(id string) *local.State {
		s := state(local.SignInNeeded)
		s.Notices = []local.Notice{{ID: id, Kind: local.NoticeSignIn, Server: "Sales_data", Program: "Claude Desktop"}}
		return s
	}
	agent := serveAgent(t, filepath.Join(d.home, "kp"), waiting("n1"))
	agent.open = "https://id.example.com/authorize"
	service := newNotificationService(t, d)
	browser, opened := fakeBrowser(t, d.home)
	start(t, d.environ("KEYPORTER_BROWSER="+browser))

	note := receive(t, ctx, service.shown)
	if note.summary != "Sign in to Sales_data" || note.body != "Claude Desktop wants to use it." {
		t.Errorf("the notification says %q, %q", note.summary, note.body)
	}
	agent.set(state(local.Ready))
	if got := receive(t, ctx, service.gone); got != note.number {
		t.Errorf("notification %d was withdrawn, want %d", got, note.number)
	}
	agent.set(waiting("n2"))
	service.click(t, receive(t, ctx, service.shown))
	if got := receive(t, ctx, opened); got != agent.open {
		t.Errorf("the browser got %q, want %q", got, agent.open)
	}
	if got := receive(t, ctx, agent.signIns); got != "Sales_data" {
		t.Errorf("sign-in for %q, want Sales_data", got)
	}
}

// TestTrayCancelsASignIn also ends the program with a signal.
func TestTrayCancelsASignIn(t *testing.T) {
	ctx, d := testContext(t), newDesktop(t)
	agent := serveAgent(t, filepath.Join(d.home, "kp"), state(local.SignInNeeded))
	agent.open = "https://id.example.com/authorize"
	host := newHost(t, ctx, d)
	browser, opened := fakeBrowser(t, d.home)
	p := start(t, d.environ("KEYPORTER_BROWSER="+browser))
	item := must(host.Item(ctx))(t)

	must(item.WaitRow(ctx, "Sign in…"))(t)
	check(t, item.Click(ctx, "▲ Sign in to Sales_data…"))
	receive(t, ctx, opened)
	must(item.WaitRow(ctx, "Waiting for the browser… (cancel)"))(t)
	check(t, item.Click(ctx, "◌ Sales_data: waiting for the browser… (cancel)"))
	if got := receive(t, ctx, agent.cancels); got != "Sales_data" {
		t.Errorf("cancel for %q, want Sales_data", got)
	}
	must(item.WaitRow(ctx, "▲ Sign in to Sales_data…"))(t)

	check(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.wait(t, ctx, 0)
}

func TestTrayInJapanese(t *testing.T) {
	ctx, d := testContext(t), newDesktop(t)
	serveAgent(t, filepath.Join(d.home, "kp"), state(local.SignInNeeded))
	host := newHost(t, ctx, d)
	p := start(t, d.environ("LANG=ja_JP.UTF-8"))
	item := must(host.Item(ctx))(t)

	must(item.WaitRow(ctx, "▲ Sales_data にサインイン…"))(t)
	const quit = "終了(ブリッジは動作を続けます)"
	menu := must(item.WaitMenu(ctx, func(m *trayhost.Row) bool { return m.Find("サインアウト") != nil && m.Find(quit) != nil }))(t)
	if last := menu.Rows[len(menu.Rows)-1].Label; last != quit {
		t.Errorf("the last row is %q: Fyne added one of its own", last)
	}
	check(t, item.Quit(ctx, quit))
	p.wait(t, ctx, 0)
}

// TestTrayAppearsWhenThePanelStartsLater is a login at which the panel is slow.
func TestTrayAppearsWhenThePanelStartsLater(t *testing.T) {
	ctx, d := testContext(t), newDesktop(t)
	agent := serveAgent(t, filepath.Join(d.home, "kp"), state(local.Ready))
	looking := lookingForPanels(t, d)
	p := start(t, d.environ())
	receive(t, ctx, agent.watchers)
	receive(t, ctx, looking)
	host := newHost(t, ctx, d)
	item := must(host.Item(ctx))(t)
	must(item.WaitRow(ctx, "Keyporter — everything is ready"))(t)
	if !strings.Contains(p.out.String(), "AppIndicator") {
		t.Error("no word about the missing panel")
	}
	must(item.WaitRow(ctx, "Sign out"))(t)
	check(t, item.Quit(ctx, "Quit (bridges keep running)"))
	p.wait(t, ctx, 0)
}

func TestWithoutADisplayOrABusItSaysSo(t *testing.T) {
	ctx, d := testContext(t), newDesktop(t)
	for _, c := range []struct{ name, env, want string }{
		{"no display", "DISPLAY=", "There is no display"},
		{"dead display", "DISPLAY=:60999", "There is no display"},
		{"no bus", "DBUS_SESSION_BUS_ADDRESS=", "There is no D-Bus session"},
		{"dead bus", "DBUS_SESSION_BUS_ADDRESS=unix:path=" + d.home + "/gone", "There is no D-Bus session"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, d.environ(c.env))
			p.wait(t, ctx, 1)
			if out := p.out.String(); !strings.Contains(out, c.want) || strings.Contains(out, "panic") {
				t.Errorf("it wrote %q, want %q", out, c.want)
			}
		})
	}
}

// fakeBrowser returns a command and the addresses that it is started with.
func fakeBrowser(t *testing.T, dir string) (command string, opened <-chan string) {
	t.Helper()
	pipe, script := filepath.Join(dir, "opened"), filepath.Join(dir, "browser")
	check(t, syscall.Mkfifo(pipe, 0o600))
	check(t, os.WriteFile(script, []byte("#!/bin/sh\nprintf '%s\\n' \"$1\" >'"+pipe+"'\n"), 0o700))
	f := must(os.OpenFile(pipe, os.O_RDWR, 0))(t) // both ends, so that neither waits for the other
	addresses := make(chan string, 4)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(f); lines.Scan(); {
			addresses <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		f.Close()
		<-ended
	})
	return script, addresses
}

func newHost(t *testing.T, ctx context.Context, d *desktop) *trayhost.Host {
	t.Helper()
	h := must(trayhost.New(ctx, d.bus))(t)
	t.Cleanup(func() { check(t, h.Close()) })
	return h
}

// waitIcon waits for the picture of a condition on a dark panel.
func waitIcon(t *testing.T, ctx context.Context, item *trayhost.Item, condition string) {
	t.Helper()
	_, b := assets.TrayIcon(condition, true)
	want := must(png.Decode(bytes.NewReader(b)))(t)
	err := item.WaitIcon(ctx, want.Bounds().Dx(), func(got image.Image) bool { return same(got, want) })
	if err != nil {
		t.Fatalf("icon %s: %v", condition, err)
	}
}

// same reports whether two pictures are the same, where they can be seen.
func same(got, want image.Image) bool {
	if got.Bounds() != want.Bounds() {
		return false
	}
	for y := range got.Bounds().Dy() {
		for x := range got.Bounds().Dx() {
			g := color.NRGBAModel.Convert(got.At(x, y)).(color.NRGBA)
			w := color.NRGBAModel.Convert(want.At(x, y)).(color.NRGBA)
			if g.A != w.A || w.A != 0 && g != w {
				return false
			}
		}
	}
	return true
}

func receive[T any](t *testing.T, ctx context.Context, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-ctx.Done():
		t.Fatal("it did not happen")
		panic("unreachable")
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		check(t, err)
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestHelpPrintsTheHelpAlone also in a locale that Fyne does not know.
func TestHelpPrintsTheHelpAlone(t *testing.T) {
	for _, locale := range []string{"C", "C.UTF-8", "ja_JP.UTF-8"} {
		p := start(t, []string{programEnv + "=1", "LANG=" + locale}, "--help")
		p.wait(t, testContext(t), 0)
		if got := p.out.String(); got != usage {
			t.Errorf("with the locale %s it prints\n%s", locale, got)
		}
	}
}
