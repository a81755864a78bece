package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/fakemcp"
)

// TestAThousandServersAreListedAndUsed prints what each takes, and judges only what
// is answered.
func TestAThousandServersAreListedAndUsed(t *testing.T) {
	const servers, accounts = 1000, 200
	h := newHome(t, "KEYPORTER_LOG=warn")
	s := fakemcp.Start(t, fakemcp.Options{Open: true})
	config := struct {
		Version  int                          `json:"version"`
		Servers  map[string]map[string]string `json:"servers"`
		Accounts map[string]map[string]string `json:"accounts"`
	}{1, map[string]map[string]string{}, map[string]map[string]string{}}
	for i := range accounts {
		config.Accounts[fmt.Sprintf("account-%03d", i)] = map[string]string{"kind": "static"}
	}
	for i := range servers - 1 {
		config.Servers[fmt.Sprintf("server-%04d", i)] = map[string]string{
			"url": fmt.Sprintf("https://s%d.example.com/mcp", i), "account": fmt.Sprintf("account-%03d", i%accounts)}
	}
	config.Servers["open"] = map[string]string{"url": s.URL()}
	b, err := json.Marshal(config)
	check(t, err)
	check(t, h.paths().Make())
	check(t, os.WriteFile(filepath.Join(h.dir, "kp/config.json"), b, 0o600))

	figure := func(what string, f func()) {
		began := time.Now()
		f()
		t.Logf(figures+"%d servers and %d accounts, %s: %v", servers, accounts, what, time.Since(began).Round(time.Millisecond))
	}
	list := func() {
		var all []local.ServerState
		check(t, json.Unmarshal([]byte(h.do("list", "--json")), &all))
		if len(all) != servers || all[0].Name != "open" || all[servers-1].Name != "server-0998" {
			t.Fatalf("%d servers in the list", len(all))
		}
	}
	figure("the agent's start and a list", list)
	figure("keyporter list --json", list)
	figure("keyporter list", func() {
		if n := strings.Count(h.do("list"), "server-"); n < servers-1 {
			t.Errorf("%d lines", n)
		}
	})
	figure("keyporter status --json", func() {
		if st := h.state(); len(st.Accounts) != accounts || len(st.Accounts[0].UsedBy) != 5 {
			t.Errorf("%d accounts", len(st.Accounts))
		}
	})
	figure("keyporter add", func() { h.do("add", "one-more", "https://more.example.com/mcp", "--offline") })
	figure("keyporter remove", func() { h.do("remove", "one-more") })
	figure("keyporter doctor of one", func() { h.do("doctor", "open") })
	var c *host
	figure("launch to the answer of initialize", func() {
		c = h.launch("open")
		c.initialize()
	})
	figure("a hundred calls", func() {
		for range 100 {
			c.wantText(c.add(1, 2), "3")
		}
	})
	t.Logf(figures+"%d servers and %d accounts, resident memory of the agent: %d KiB", servers, accounts, resident(t, h.pid()))
	c.close()
}
