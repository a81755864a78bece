package main

import (
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
	"keyporter/internal/peers"
	"keyporter/internal/trayhost"
)

// TestNoTextOfStrangersChangesTheMenuOrANotification goes with the real agent: somebody
// signs in whose name is made for terminals, menus and markup, at a server whose every
// error is, and a program of such a name asks for the account.
func TestNoTextOfStrangersChangesTheMenuOrANotification(t *testing.T) {
	const odd, shown = "Al\x1b[2J\u202eice\u200b\n&_x<b>%s%n", "Al[2Jice&_x<b>%s%n"
	programs := buildPrograms(t)
	ctx, d := testContext(t), newDesktop(t)
	service := newNotificationService(t, d)
	host := newHost(t, ctx, d)
	env, cli := d.commandLine(t, ctx, programs.keyporter, "KEYPORTER_BROWSER="+peers.Browser(t))
	as := fakeas.Start(t, fakeas.Options{User: odd, AutoApprove: true})
	cli("add", "acme", fakemcp.Start(t, fakemcp.Options{Issuer: as.Issuer()}).URL())
	cli("login", "acme")
	startProgram(t, programs.tray, env)
	item := must(host.Item(ctx))(t)
	wantPlainMenu(t, must(item.WaitMenu(ctx, func(m *trayhost.Row) bool { return m.Find("● acme · "+shown) != nil }))(t))

	cli("settings", "set", "approvals=first-use")
	stranger := filepath.Join(d.home, odd)
	check(t, exec.Command("cp", must(exec.LookPath("timeout"))(t), stranger).Run())
	cmd := exec.CommandContext(ctx, stranger, "60", programs.keyporter, "bridge", "acme")
	cmd.Env, cmd.SysProcAttr = env, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in := must(cmd.StdinPipe())(t)
	check(t, cmd.Start())
	must(io.WriteString(in, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}`+"\n"+
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`+"\n"+`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get_time","arguments":{}}}`+"\n"))(t)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // which timeout passes on
		_ = cmd.Wait()                          // with the exit code of a command that was ended
	})
	note := receive(t, ctx, service.shown)
	for _, text := range append([]string{note.summary, note.body}, note.actions...) {
		wantPlain(t, "the notification", text)
	}
	if !strings.Contains(note.body, shown) || strings.Count(note.body, "&_x<b>%s%n") != 2 {
		t.Errorf("the notification is %q, %q; want the program and the account by their names", note.summary, note.body)
	}
	wantPlainMenu(t, must(item.WaitMenu(ctx, func(m *trayhost.Row) bool { return strings.Contains(m.String(), "▲") }))(t))
}

func wantPlainMenu(t *testing.T, row *trayhost.Row) {
	t.Helper()
	wantPlain(t, "a row of the menu", row.Label)
	for _, r := range row.Rows {
		wantPlainMenu(t, r)
	}
}

// wantPlain checks that a text is one line, all of which shows.
func wantPlain(t *testing.T, what, text string) {
	t.Helper()
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp) }) {
		t.Errorf("%s is %q", what, text)
	}
}
