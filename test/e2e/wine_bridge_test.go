//go:build wine && linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyporter/internal/fakeas"
)

// worldOf signs in to a server that runs natively, with the browser that
// Windows opens addresses with.
func (h *winHome) worldOf(o fakeas.Options) *world {
	h.t.Helper()
	// The path of the browser that wine starts has to be plain.
	plain := filepath.Join(h.wine.dir, "browser")
	check(h.t, os.RemoveAll(plain))
	check(h.t, os.Symlink(h.browser(), plain))
	_, err := h.wine.output(wineLoader, "reg", "add", `HKCU\Software\Wine\WineBrowser`, "/v", "Browsers", "/d", plain, "/f")
	check(h.t, err)
	return newWorld(h.home, o).signedIn(h.home)
}

func TestWineBridgeCarriesCallsThroughTheDeathOfItsAgent(t *testing.T) {
	h := newWinHome(t, "bridge")
	w := h.worldOf(fakeas.Options{AccessLife: 2 * time.Second})
	h.kill()
	c := h.launch("acme") // starts an agent
	if name, _ := c.initialize(); name == "" {
		t.Error("the server has no name")
	}
	c.wantTools(tools...)
	c.wantText(c.beginCall("greet", map[string]any{"name": "Zoë 山田"}), "Zoë 山田")
	for range 3 {
		first, renewed := h.kill(), w.as.Counters().Refreshed
		c.wantText(c.add(3, 4), "7")
		until(t, "a renewal by the next agent", func() bool {
			c.wantText(c.add(5, 6), "11")
			return w.as.Counters().Refreshed > renewed
		})
		if second := h.pid(); second == 0 || second == first {
			t.Errorf("agent %d after agent %d was killed", second, first)
		}
	}

	h.do("stop")
	c.wantFailure(c.add(3, 4), "Keyporter is stopped. Start it with keyporter start.")
	c.wantTools(tools...) // what there was
	if pid := h.pid(); pid != 0 {
		t.Errorf("the bridge started agent %d after stop", pid)
	}
	h.do("start")
	c.hears("notifications/tools/list_changed")
	c.wantText(c.add(5, 6), "11")
	c.close()
	h.wantBrowsers(1)
	if got := w.as.Counters(); got.Signins != 1 || got.InvalidGrant != 0 || got.Reused != 0 {
		t.Errorf("the authorization server counted %+v", got)
	}
	if log := h.do("log", "--verify"); !strings.Contains(h.do("log"), "tools/call") {
		t.Errorf("the audit log has no calls: %s", log)
	}
}

// The demo cannot take its folder away in wine (see wine_test.go), which is all
// that may go wrong.
func TestWineDemoRunsToItsEnd(t *testing.T) {
	w, err := theWine()
	check(t, err)
	out, err := w.output(wineLoader, wineFolder+"keyporter-demo.exe")
	if !strings.Contains(out, "All steps worked.") {
		t.Errorf("%v\n%s", err, out)
	}
	if err != nil && !containsAll(err.Error(), "unlinkat", "Invalid function") {
		t.Error(err)
	}
	left, err := filepath.Glob(w.unix(winProfile+`\Temp`) + "/keyporter-demo-*")
	check(t, err)
	for _, dir := range left {
		check(t, os.RemoveAll(dir))
	}
}
