package broker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// A clientWorld is a world with MCP clients in a home folder, and two servers.
type clientWorld struct {
	*world
	home    string
	watch   *clientWatch
	desktop chan local.Notice // what the agent shows
	click   func()            // on the last one
}

func newClientWorld(t *testing.T) *clientWorld {
	t.Helper()
	home := t.TempDir()
	program := filepath.Join(home, "keyporter")
	c := &clientWorld{home: home, desktop: make(chan local.Notice, 10)}
	c.world = newWorldWith(t, func(o *Options) {
		o.Command = program
		o.Notify = func(_ context.Context, n local.Notice, click func()) error {
			c.click = click
			c.desktop <- n
			return nil
		}
		o.Getenv = func(name string) string {
			return map[string]string{"HOME": home, "USERPROFILE": home}[name]
		}
	})
	c.restart()
	for _, name := range []string{"notes", "sales"} {
		c.addOffline(name)
	}
	c.write("keyporter", "")
	return c
}

func (c *clientWorld) addOffline(name string) {
	c.t.Helper()
	put := local.PutServer{Name: name, Offline: true}
	put.Server.URL = "https://" + name + ".example.com/mcp"
	if _, err := c.AddServer(c.t.Context(), put); err != nil {
		c.t.Fatal(err)
	}
}

// restart forgets how the files looked, as a new agent does.
func (c *clientWorld) restart() {
	c.watch = &clientWatch{b: c.Broker, seen: map[string]glimpse{}, read: map[string]glimpse{}}
}

func (c *clientWorld) path(file string) string {
	return filepath.Join(c.home, filepath.FromSlash(file))
}

func (c *clientWorld) write(file, text string) {
	c.t.Helper()
	if err := os.MkdirAll(filepath.Dir(c.path(file)), 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(c.path(file), []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c *clientWorld) text(file string) string {
	c.t.Helper()
	b, err := os.ReadFile(c.path(file))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}

func (c *clientWorld) install(client string, servers ...string) {
	c.t.Helper()
	if _, err := c.InstallClient(c.t.Context(), local.InstallRequest{Client: client, Servers: servers}); err != nil {
		c.t.Fatal(err)
	}
}

// installInto puts a server into a project.
func (c *clientWorld) installInto(client, folder string) {
	c.t.Helper()
	if _, err := c.InstallClient(c.t.Context(), local.InstallRequest{Client: client, Servers: []string{"notes"}, Folder: folder}); err != nil {
		c.t.Fatal(err)
	}
}

// lostNow says what the notices say, after two looks.
func (c *clientWorld) lostNow() string {
	c.t.Helper()
	c.watch.look(c.t.Context())
	c.watch.look(c.t.Context())
	st, err := c.State(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	var out []string
	for _, n := range st.Notices {
		if n.Kind == local.NoticeClientLost {
			out = append(out, n.Client+": "+strings.Join(n.Servers, " "))
		}
	}
	return strings.Join(out, "; ")
}

const cursorFile, codexFile = ".cursor/mcp.json", ".codex/config.toml"

func TestAClientThatForgotItsServersIsRepaired(t *testing.T) {
	c := newClientWorld(t)
	const before = "{\n  \"mcpServers\": {\"mine\": {\"command\": \"x\"}}\n}\n"
	c.write(cursorFile, before)
	c.write(codexFile, "# mine\n")
	c.install("cursor", "notes", "sales")
	c.install("codex", "notes")
	installed := c.text(cursorFile)
	if got := c.lostNow(); got != "" {
		t.Fatalf("nothing was lost, but %s", got)
	}
	// The client writes its file anew, without what it did not know.
	c.write(cursorFile, before)
	c.watch.look(t.Context())
	if st, _ := c.State(t.Context()); len(st.Notices) != 0 {
		t.Error("a file that has just changed is believed at once")
	}
	if got := c.lostNow(); got != "cursor: notes sales" {
		t.Errorf("lost: %q", got)
	}
	if n := c.shown(); n.Program != "Cursor" || !slices.Equal(n.Servers, []string{"notes", "sales"}) {
		t.Errorf("shown: %+v", n)
	}
	all, err := c.Clients(t.Context())
	i := slices.IndexFunc(all.Clients, func(m local.MCPClient) bool { return m.ID == "cursor" })
	if err != nil || !slices.Equal(all.Clients[i].Lost, []string{"notes", "sales"}) || len(all.Clients[i].Servers) != 0 {
		t.Errorf("listed as %+v (%v)", all.Clients[i], err)
	}
	out, err := c.RepairClients(t.Context(), local.RepairRequest{})
	if err != nil || len(out.Clients) != 1 || !slices.Equal(out.Clients[0].Changed, []string{"notes", "sales"}) || out.Clients[0].Next == "" {
		t.Errorf("repaired %+v, %v", out, err)
	}
	if got := c.text(cursorFile); got != installed {
		t.Errorf("the file holds\n%s\nwant\n%s", got, installed)
	}
	if st, _ := c.State(t.Context()); len(st.Notices) != 0 {
		t.Error("the notice is still there")
	}
	if out, err = c.RepairClients(t.Context(), local.RepairRequest{Client: "cursor"}); err != nil || len(out.Clients) != 0 {
		t.Errorf("a second repair did %+v, %v", out, err)
	}
	if _, err := c.UninstallClient(t.Context(), local.InstallRequest{Client: "cursor"}); err != nil || c.text(cursorFile) != before {
		t.Errorf("after uninstall (%v):\n%s", err, c.text(cursorFile))
	}
}

// shown waits for the notification that the agent shows on the desktop.
func (c *clientWorld) shown() local.Notice {
	c.t.Helper()
	select {
	case n := <-c.desktop:
		return n
	case <-time.After(10 * time.Second):
		c.t.Fatal("nothing was shown")
	}
	panic("not reached")
}

func TestOneClickOnTheNotificationRepairs(t *testing.T) {
	c := newClientWorld(t)
	c.write(cursorFile, "{}")
	c.install("cursor", "notes")
	installed := c.text(cursorFile)
	if err := os.Remove(c.path(cursorFile)); err != nil {
		t.Fatal(err)
	}
	if got := c.lostNow(); got != "cursor: notes" {
		t.Fatalf("lost: %q", got)
	}
	c.shown()
	c.click()
	c.until("the repair", func(st *local.State) bool { return len(st.Notices) == 0 })
	if got := c.lostNow(); got != "" {
		t.Errorf("still lost: %q", got)
	}
	if got := c.text(cursorFile); !strings.Contains(got, `["bridge", "notes"]`) || !strings.Contains(installed, `["bridge", "notes"]`) {
		t.Errorf("the file holds %s", got)
	}
}

// What is not the client's doing raises no notice.
func TestWhatIsNotLost(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, c *clientWorld){
		"uninstalled": func(t *testing.T, c *clientWorld) { c.uninstall(local.InstallRequest{Client: "cursor"}) },
		"one uninstalled": func(t *testing.T, c *clientWorld) {
			c.uninstall(local.InstallRequest{Client: "cursor", Servers: []string{"notes"}})
		},
		"server removed": func(t *testing.T, c *clientWorld) { c.must(c.RemoveServer(t.Context(), local.Name{Name: "notes"})) },
		"server renamed": func(t *testing.T, c *clientWorld) {
			c.must(c.RenameServer(t.Context(), local.Rename{Old: "notes", New: "Notes 2"}))
		},
		"client removed":     func(t *testing.T, c *clientWorld) { c.must(os.RemoveAll(c.path(".cursor"))) },
		"file being written": func(t *testing.T, c *clientWorld) { c.write(cursorFile, "{\"mcpServers\": {") },
		"entry moved by the client": func(t *testing.T, c *clientWorld) {
			c.write(cursorFile, fmt.Sprintf(`{"mcpServers":{"other":{"args":["bridge","sales"],"command":%q,"env":{}},"notes":{"command":%[1]q,"args":["bridge","notes"]}}}`, c.path("keyporter")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClientWorld(t)
			c.write(cursorFile, "{}")
			c.install("cursor", "notes", "sales")
			change(t, c)
			if got := c.lostNow(); got != "" {
				t.Errorf("lost: %q", got)
			}
		})
	}
}

func (c *clientWorld) uninstall(r local.InstallRequest) {
	c.t.Helper()
	_, err := c.UninstallClient(c.t.Context(), r)
	c.must(err)
}

func (c *clientWorld) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// A server that is renamed or removed in Keyporter is renamed or removed where it
// was put in.
func TestClientsFollowTheList(t *testing.T) {
	c := newClientWorld(t)
	c.write(cursorFile, "{} // mine\n")
	c.write(codexFile, "# mine\n")
	c.install("cursor", "notes", "sales")
	c.install("codex", "notes")
	c.must(c.RenameServer(t.Context(), local.Rename{Old: "notes", New: "Meine Notizen"}))
	for _, f := range []string{cursorFile, codexFile} {
		if got := c.text(f); !strings.Contains(got, `["bridge", "Meine Notizen"]`) || strings.Contains(got, `"bridge", "notes"`) {
			t.Errorf("%s holds %s", f, got)
		}
	}
	c.must(c.RemoveServer(t.Context(), local.Name{Name: "Meine Notizen"}))
	if got := c.text(codexFile); got != "# mine\n" {
		t.Errorf("%s holds %s", codexFile, got)
	}
	c.must(c.RemoveServer(t.Context(), local.Name{Name: "sales"}))
	if got := c.text(cursorFile); got != "{} // mine\n" {
		t.Errorf("%s holds %s", cursorFile, got)
	}
}

// An agent that starts learns what was lost while none ran, and so does one whose
// program was moved.
func TestLossesWhileNoAgentRan(t *testing.T) {
	c := newClientWorld(t)
	c.write(cursorFile, "{}")
	c.install("cursor", "notes")
	c.stop()
	c.write(cursorFile, "{}")
	c.start()
	c.restart()
	if got := c.lostNow(); got != "cursor: notes" {
		t.Errorf("lost: %q", got)
	}
	if _, err := c.RepairClients(t.Context(), local.RepairRequest{Client: "cursor"}); err != nil {
		t.Fatal(err)
	}
	c.must(os.Remove(c.path("keyporter")))
	c.stop()
	change := c.change
	c.change = func(o *Options) { change(o); o.Command = c.path("moved/keyporter") }
	c.start()
	c.restart()
	if got := c.lostNow(); got != "cursor: notes" {
		t.Errorf("with a program that went: %q", got)
	}
	if _, err := c.RepairClients(t.Context(), local.RepairRequest{Client: "cursor"}); err != nil || !strings.Contains(c.text(cursorFile), "moved/keyporter") {
		t.Errorf("repaired (%v): %s", err, c.text(cursorFile))
	}
}

func TestAProjectsFileIsWatchedToo(t *testing.T) {
	c := newClientWorld(t)
	project := c.path("work")
	c.must(os.Mkdir(project, 0o700))
	out, err := c.InstallClient(t.Context(), local.InstallRequest{Client: "vscode", Servers: []string{"notes"}, Folder: project})
	if err != nil || !slices.Equal(out.Client.Configs, []string{filepath.Join(project, ".vscode", "mcp.json")}) || !slices.Equal(out.Client.Servers, []string{"notes"}) {
		t.Fatalf("installed %+v, %v", out, err)
	}
	c.must(os.RemoveAll(filepath.Join(project, ".vscode")))
	if got := c.lostNow(); got != "vscode: notes" {
		t.Errorf("lost: %q", got)
	}
	if _, err := c.RepairClients(t.Context(), local.RepairRequest{}); err != nil || !strings.Contains(c.text("work/.vscode/mcp.json"), "notes") {
		t.Errorf("repaired: %v", err)
	}
	c.uninstall(local.InstallRequest{Client: "vscode", Folder: project})
	c.installInto("vscode", project)
	c.uninstall(local.InstallRequest{Client: "vscode"}) // from all projects
	if left, _ := os.ReadDir(project); len(left) != 0 {
		t.Errorf("%d things are left in the project", len(left))
	}
	c.must(os.RemoveAll(project))
	if _, err := c.InstallClient(t.Context(), local.InstallRequest{Client: "vscode", Folder: project}); hint.CodeOf(err) != hint.NotFound {
		t.Errorf("into a project that is gone: %v", err)
	}
}
