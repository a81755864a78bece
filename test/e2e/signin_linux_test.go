package e2e

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"keyporter/internal/fakeas"
)

// newDesktopHome returns a home of a user who sits at a desktop.
func newDesktopHome(t *testing.T, more ...string) (*home, *desktop) {
	t.Helper()
	h := newHome(t)
	d := newDesktop(t, h.dir)
	h.env = append(h.env, "DBUS_SESSION_BUS_ADDRESS="+d.address)
	h.env = append(h.env, more...)
	return h, d
}

func TestServerNeverSeenSignsInFromItsNotification(t *testing.T) {
	t.Parallel()
	h, d := newDesktopHome(t)
	w := newWorld(h, fakeas.Options{})
	h.do("add", "acme", w.mcp.URL())
	c := h.launch("acme")
	name, instructions := c.initialize()
	if name != "acme" || !containsAll(instructions, "sign_in", "keyporter login acme") {
		t.Errorf("the server in waiting is %q and says %q", name, instructions)
	}
	c.wantTools("sign_in")
	d.want(0)

	call := c.beginCall("sign_in", map[string]any{})
	n := d.first()
	if !containsAll(n.title, "Sign in", "acme") {
		t.Errorf("the notification says %q, %q", n.title, n.body)
	}
	// Nobody has seen this issuer yet, so only a click opens a browser.
	h.wantBrowsers(0)
	if got := w.as.Counters(); got.Requests[fakeas.Authorize] != 0 || got.Requests[fakeas.Register] != 0 {
		t.Errorf("before the click the authorization server counted %+v", got)
	}
	again := c.beginCall("sign_in", map[string]any{})

	d.click(n, "Sign in")
	c.hears("notifications/tools/list_changed")
	c.wantTools(tools...)
	c.wantText(c.add(1, 2), "3")
	c.wantText(c.beginCall("whoami", map[string]any{}), "alice")
	c.wantText(call, "Signed in.")
	c.wantText(again, "Signed in.")
	c.close()
	d.want(1)
	h.wantBrowsers(1)
	if got := w.as.Counters(); got.Signins != 1 {
		t.Errorf("%d sign-ins, want 1", got.Signins)
	}
}

// A modern client sends no initialize. What it is told in the place of a server
// that nobody has seen, and its subscription, have to do.
func TestServerNeverSeenSignsInForAModernClient(t *testing.T) {
	t.Parallel()
	h, d := newDesktopHome(t)
	w := newWorld(h, fakeas.Options{})
	h.do("add", "acme", w.mcp.URL())
	c := join(h, "acme", "")
	c.wantVersion(modern)
	if got := c.InitializeResult(); got.ServerInfo.Name != "acme" || !containsAll(got.Instructions, "sign_in") {
		t.Errorf("the server in waiting is %q and says %q", got.ServerInfo.Name, got.Instructions)
	}
	c.wantTools("sign_in")
	said := make(chan error, 1)
	go func() {
		r, err := c.CallTool(t.Context(), &mcp.CallToolParams{Name: "sign_in", Arguments: map[string]any{}})
		if err == nil && r.IsError {
			err = errors.New("the sign_in tool failed")
		}
		said <- err
	}()
	n := d.first()
	h.wantBrowsers(0)
	d.click(n, "Sign in")
	wants(t, "list_changed on the subscription", c.changed)
	c.wantTools(tools...)
	c.call("add", map[string]any{"a": 1, "b": 2}, "3")
	if err := wants(t, "the result of sign_in", said); err != nil {
		t.Error(err)
	}
	d.want(1)
	h.wantBrowsers(1)
	if versions := w.versions(); !slices.Equal(versions, []string{modern}) {
		t.Errorf("requests of the versions %v reached the server", versions)
	}
}

// versions are those of the POSTs of MCP that reached the server with a token.
func (w *world) versions() []string {
	var all []string
	for _, r := range w.mcp.Requests() {
		if r.Method == http.MethodPost && r.Bearer != "" {
			all = append(all, r.ProtocolVersion)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// knownBefore returns a home that has used acme and is signed out of it.
func knownBefore(t *testing.T) (*home, *desktop, *world) {
	t.Helper()
	h, d := newDesktopHome(t)
	w := newWorld(h, fakeas.Options{}).signedIn(h)
	c := h.launch("acme")
	c.initialize()
	c.wantTools(tools...)
	c.close()
	h.do("logout", "acme")
	return h, d, w
}

func TestServerKnownBeforeAnswersWhileItsCallWaitsForASignIn(t *testing.T) {
	t.Parallel()
	h, d, w := knownBefore(t)
	seen := len(w.mcp.Requests())
	c := h.launch("acme")
	if name, _ := c.initialize(); name != "fakemcp" {
		t.Errorf("the server known before is named %q", name)
	}
	c.wantTools(tools...)
	if n := len(w.mcp.Requests()); n != seen {
		t.Errorf("%d requests went to the server though nobody is signed in", n-seen)
	}
	d.want(0)

	call := c.add(1, 2)
	n := d.first() // the call waits
	h.do("login", "acme")
	c.wantText(call, "3")
	d.withdrawn(n)
	c.wantText(c.add(3, 4), "7")
	c.close()
	d.want(1)
	h.wantBrowsers(2) // both by keyporter login
}

// TestCallThatNobodySignsInForSaysWhatToDo takes the 45 seconds that a call
// waits for a person.
func TestCallThatNobodySignsInForSaysWhatToDo(t *testing.T) {
	t.Parallel()
	h, d, w := knownBefore(t)
	seen := len(w.mcp.Requests())
	c := h.launch("acme")
	c.initialize()
	call := c.begin("tools/call", map[string]any{
		"name": "add", "arguments": map[string]any{"a": 1, "b": 2}, "_meta": map[string]any{"progressToken": "p"},
	})
	progress := c.hears("notifications/progress")
	if !containsAll(string(progress.Params), `"progressToken":"p"`, "sign in to acme") {
		t.Errorf("while the call waits: %s", progress.Params)
	}
	c.wantFailure(call, "keyporter login acme")
	if n := len(w.mcp.Requests()); n != seen {
		t.Errorf("%d requests went to the server though nobody is signed in", n-seen)
	}
	c.close()
	d.want(1)
	h.wantBrowsers(1) // the first sign-in's
}

func TestSignInNeverAnswersWithAnError(t *testing.T) {
	t.Parallel()
	h, d := newDesktopHome(t)
	w := newWorld(h, fakeas.Options{})
	h.do("add", "acme", w.mcp.URL(), "--sign-in", "never")
	c := h.launch("acme")
	if m := c.ask("initialize", initializeParams); m.Error == nil || !containsAll(m.Error.Message, "acme", "keyporter login acme") {
		t.Errorf("initialize: %v", m)
	}
	c.close()
	d.want(0)
	h.wantBrowsers(0)
}

func TestSignInBrowserOpensItByItself(t *testing.T) {
	t.Parallel()
	h, d := newDesktopHome(t)
	w := newWorld(h, fakeas.Options{})
	h.do("add", "acme", w.mcp.URL(), "--sign-in", "browser")
	c := h.launch("acme")
	if name, _ := c.initialize(); name != "acme" { // nobody had to wait
		t.Errorf("before the sign-in the server is named %q", name)
	}
	c.hears("notifications/tools/list_changed")
	c.wantTools(tools...)
	c.wantText(c.add(1, 2), "3")
	c.close()
	h.wantBrowsers(1)

	// Known from before and signed out, only a call opens it.
	h.do("logout", "acme")
	c = h.launch("acme")
	if name, _ := c.initialize(); name != "fakemcp" {
		t.Errorf("after the sign-out the server is named %q", name)
	}
	c.wantTools(tools...)
	h.wantBrowsers(1)
	c.wantText(c.add(3, 4), "7")
	c.close()
	d.want(0)
	h.wantBrowsers(2)
}

func TestPauseHasWordsAndEndsWithResume(t *testing.T) {
	t.Parallel()
	h, d := newDesktopHome(t)
	w := newWorld(h, fakeas.Options{}).signedIn(h)
	h.do("pause")
	seen := len(w.mcp.Requests())
	c := h.launch("acme")
	if name, instructions := c.initialize(); name != "acme" || !containsAll(instructions, "Keyporter is paused.", "keyporter resume") {
		t.Errorf("the server in waiting is %q and says %q", name, instructions)
	}
	c.wantTools("sign_in")
	c.wantFailure(c.beginCall("sign_in", map[string]any{}), "Keyporter is paused.")
	if r := h.run("call", "acme", "whoami"); r.code != 4 || !strings.Contains(r.err, "Keyporter is paused.") {
		t.Errorf("keyporter call while paused: exit code %d, %s", r.code, h.said(r.err))
	}
	if n := len(w.mcp.Requests()); n != seen {
		t.Errorf("%d requests went to the server during the pause", n-seen)
	}
	h.do("resume")
	c.hears("notifications/tools/list_changed")
	c.wantTools(tools...)
	c.wantText(c.add(1, 2), "3")

	h.do("pause") // under a bridge that was connected
	call := c.add(3, 4)
	h.do("resume")
	c.wantText(call, "7")
	c.close()
	d.want(0)
	h.wantBrowsers(1)
}

func TestLockedVaultHasWordsAndEndsWithStart(t *testing.T) {
	t.Parallel()
	h, d := newDesktopHome(t)
	newWorld(h, fakeas.Options{}).signedIn(h)
	h.do("stop")
	withPassphrase := h.env
	h.env = slices.DeleteFunc(slices.Clone(h.env), func(kv string) bool { return strings.HasPrefix(kv, "KEYPORTER_PASSPHRASE_FILE=") })
	h.do("list") // ends the stop, and starts an agent that cannot open the vault
	c := h.launch("acme")
	if name, instructions := c.initialize(); name != "acme" || !containsAll(instructions, "vault is locked", "keyporter start") {
		t.Errorf("the server in waiting is %q and says %q", name, instructions)
	}
	c.wantFailure(c.beginCall("sign_in", map[string]any{}), "vault is locked")
	if r := h.run("call", "acme", "whoami"); r.code != 4 || !strings.Contains(r.err, "vault is locked") {
		t.Errorf("keyporter call with a locked vault: exit code %d, %s", r.code, h.said(r.err))
	}
	h.env = withPassphrase
	h.do("start")
	c.hears("notifications/tools/list_changed")
	c.wantTools(tools...)
	c.wantText(c.add(1, 2), "3")
	c.close()
	d.want(0)
	h.wantBrowsers(1)
}

// TestUnattendedStartAsksNobody is a host that starts each server twice, with
// nobody there, and then a user who comes and uses both.
func TestUnattendedStartAsksNobody(t *testing.T) {
	t.Parallel()
	h, d := newDesktopHome(t)
	w := newWorld(h, fakeas.Options{})
	h.do("add", "acme", w.mcp.URL())
	h.kill()
	hosts := []*host{h.launch("acme"), h.launch("acme")}
	for _, c := range hosts {
		if name, _ := c.initialize(); name != "acme" {
			t.Errorf("the server in waiting is named %q", name)
		}
		c.wantTools("sign_in")
		if m := c.ask("ping", map[string]any{}); m.Error != nil {
			t.Errorf("ping: %v", m)
		}
	}
	h.wantBrowsers(0)
	d.want(0)

	calls := []<-chan message{hosts[0].add(1, 2), hosts[1].add(3, 4)}
	n := d.first()
	until(t, "both calls at the agent", func() bool { return h.state().Bridges == 2 && len(h.state().Notices) == 1 })
	d.click(n, "Sign in")
	hosts[0].wantText(calls[0], "3")
	hosts[1].wantText(calls[1], "7")
	for _, c := range hosts {
		c.hears("notifications/tools/list_changed")
		c.wantTools(tools...)
		c.close()
	}
	d.want(1)
	h.wantBrowsers(1)
	if got := w.as.Counters(); got.Signins != 1 || got.CodesUsed != 1 {
		t.Errorf("the authorization server counted %+v", got)
	}
}

func TestSignInToolOpensOneBrowserForAKnownIssuer(t *testing.T) {
	t.Parallel()
	h, d := newDesktopHome(t)
	w := newWorld(h, fakeas.Options{}).signedIn(h)
	h.do("logout", "acme")
	// A new agent has no memory of the browser that the user opened just now.
	h.kill()
	c := h.launch("acme")
	c.initialize()
	c.wantTools("sign_in")
	call := c.beginCall("sign_in", map[string]any{})
	c.wantText(call, "Signed in.")
	h.wantBrowsers(2)
	d.want(0)

	// A second one within ten minutes opens none: it asks.
	h.do("logout", "acme")
	call = c.beginCall("sign_in", map[string]any{})
	until(t, "a notification", func() bool {
		select {
		case <-call: // the bridge had not heard of the sign-out yet
			call = c.beginCall("sign_in", map[string]any{})
		default:
		}
		return len(d.all()) > 0
	})
	n := d.first()
	h.wantBrowsers(2)
	d.click(n, "Sign in")
	c.wantText(call, "Signed in.")
	h.wantBrowsers(3)
	c.close()
	d.want(1)
	if got := w.as.Counters(); got.Signins != 3 {
		t.Errorf("%d sign-ins, want 3", got.Signins)
	}
}
