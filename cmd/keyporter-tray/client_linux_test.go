package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/internal/trayhost"
)

// commandLine returns the environment of programs on the desktop, whose vault has a
// passphrase, and runs keyporter there. Its agent is stopped in the end.
func (d *desktop) commandLine(t *testing.T, ctx context.Context, keyporter string, more ...string) (env []string, run func(args ...string)) {
	t.Helper()
	pass := filepath.Join(d.home, "pass")
	check(t, os.WriteFile(pass, []byte("SECRETWORD of the vault\n"), 0o600))
	env = d.environ(append(more, "KEYPORTER_VAULT=passphrase", "KEYPORTER_PASSPHRASE_FILE="+pass)...)
	runIn := func(ctx context.Context, args ...string) {
		t.Helper()
		cmd := exec.CommandContext(ctx, keyporter, args...)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("keyporter %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	t.Cleanup(func() { runIn(context.Background(), "stop") }) // ctx has ended by then
	return env, func(args ...string) { t.Helper(); runIn(ctx, args...) }
}

// TestClientThatForgotItsServersIsRestored goes through everything with the real
// agent: Claude Desktop rewrites its file while the tray is connected, the tray
// says so on the desktop, and the notification's button puts the servers back.
func TestClientThatForgotItsServersIsRestored(t *testing.T) {
	programs := buildPrograms(t)
	ctx, d := testContext(t), newDesktop(t)
	service := newNotificationService(t, d)
	host := newHost(t, ctx, d)
	env, cli := d.commandLine(t, ctx, programs.keyporter)
	file := filepath.Join(d.home, ".config", "Claude", "claude_desktop_config.json")
	check(t, os.MkdirAll(filepath.Dir(file), 0o700))
	cli("add", "Notion", "https://mcp.example.com/mcp", "--offline")
	cli("install", "claude-desktop", "Notion")
	startProgram(t, programs.tray, env)
	item := must(host.Item(ctx))(t)
	must(item.WaitRow(ctx, "Pause everything"))(t)

	check(t, os.WriteFile(file, []byte(`{"mcpServers": {}}`), 0o600))
	note := receive(t, ctx, service.shown)
	if note.summary != "Claude Desktop forgot its servers" || !strings.Contains(note.body, "rewritten") {
		t.Errorf("the notification says %q, %q", note.summary, note.body)
	}
	must(item.WaitRow(ctx, "▲ Restore the servers of Claude Desktop"))(t)
	service.click(t, note)
	must(item.WaitMenu(ctx, func(m *trayhost.Row) bool { return m.Find("Keyporter — everything is ready") != nil }))(t)
	if now := must(os.ReadFile(file))(t); !strings.Contains(string(now), `"Notion"`) {
		t.Errorf("the file holds %s", now)
	}
}
