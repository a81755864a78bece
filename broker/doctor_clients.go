package broker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"keyporter/broker/install"
	"keyporter/broker/local"
	"keyporter/internal/autostart"
	"keyporter/internal/hint"
)

// examineClients looks at what launches bridges: MCP clients' configurations,
// processes that run twice, the start at login.
func (b *Broker) examineClients(ctx context.Context) *checkup {
	c := newCheckup("")
	b.checkClients(ctx, c)
	b.checkProcesses(c)
	b.checkAutostart(c)
	return c
}

func (b *Broker) checkClients(ctx context.Context, c *checkup) {
	const id = local.CheckClient
	list, err := b.Clients(ctx)
	if err != nil {
		c.fail(id, "", err)
		return
	}
	defer func() { c.subject = "" }()
	any := false
	for _, m := range list.Clients {
		if !m.Found {
			continue
		}
		any, c.subject = true, m.Name
		seen := strings.Join(m.Configs, ", ") + ": no servers of Keyporter"
		if len(m.Servers) > 0 {
			seen = fmt.Sprintf("%s: %s", strings.Join(m.Configs, ", "), strings.Join(m.Servers, ", "))
		}
		elsewhere := b.staleCommand(m)
		gone := slices.DeleteFunc(slices.Clone(m.Servers), func(s string) bool { _, err := lookupServer(b.config(), s); return err == nil })
		switch {
		case m.Problem != nil:
			c.fail(id, seen, m.Problem)
		case len(m.Lost) > 0:
			c.fail(id, seen, hint.New(hint.Failed, fmt.Sprintf("%s has written its file anew, and lost %s.", m.Name, strings.Join(m.Lost, ", ")),
				fmt.Sprintf("Put it back: keyporter clients repair %s", m.ID)))
		case elsewhere != "":
			c.fail(id, seen, hint.New(hint.Failed, fmt.Sprintf("%s launches %s, which is no longer there.", m.Name, elsewhere),
				fmt.Sprintf("Put in where Keyporter is now: keyporter install %s", m.ID)))
		case len(gone) > 0:
			c.fail(id, seen, hint.New(hint.NotFound, fmt.Sprintf("%s launches %s, which is not in the list of servers.", m.Name, strings.Join(gone, ", ")),
				fmt.Sprintf("Take it out: keyporter uninstall %s %s", m.ID, quoteArg(gone[0]))))
		default:
			c.ok(id, "%s", seen)
		}
	}
	if c.subject = ""; !any {
		c.note(id, "none", hint.New(hint.NotFound, "No MCP client was found on this computer.",
			"Start the one that you use once; keyporter clients lists those that are known."))
	}
}

// staleCommand returns a path of keyporter in a client's files at which there is no
// program, or "".
func (b *Broker) staleCommand(m local.MCPClient) string {
	c, err := install.Find(m.ID)
	if err != nil {
		return ""
	}
	for _, path := range m.Configs {
		entries, err := c.Entries(path)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if _, err := os.Stat(e.Command); err != nil && filepath.IsAbs(e.Command) {
				return clip(e.Command)
			}
		}
	}
	return ""
}

// enoughBridges is how many bridges of one server a program needs: hosts such as
// Claude Desktop start each server once for each of their panels.
const enoughBridges = 2

// checkProcesses looks for bridges that a program started over and over.
func (b *Broker) checkProcesses(c *checkup) {
	b.mu.Lock()
	count := map[[2]string]int{}
	total := 0
	for p := range b.joined {
		count[[2]string{p.server, p.program}]++
		total++
	}
	b.mu.Unlock()
	var most [2]string
	for k, n := range count {
		if n > count[most] || n == count[most] && slices.Compare(k[:], most[:]) < 0 {
			most = k
		}
	}
	seen := fmt.Sprintf("bridges that run: %d", total)
	if n := count[most]; n > enoughBridges {
		program := most[1]
		if program == "" {
			program = "One program"
		}
		c.note(local.CheckProcesses, seen, hint.New(hint.Failed, fmt.Sprintf("%s runs %d bridges of %s at the same time.", clip(program), n, most[0]),
			"Nothing breaks, and one sign-in serves all; to end those that it has forgotten, quit it entirely and start it again."))
		return
	}
	c.ok(local.CheckProcesses, "%s", seen)
}

// checkAutostart looks at the start at login, which is a comfort: bridges start the
// agent when they need it.
func (b *Broker) checkAutostart(c *checkup) {
	e := &autostart.Entry{ID: autostart.TrayID, Getenv: b.getenv}
	program, err := e.Starts()
	_, gone := os.Stat(program)
	switch {
	case err != nil:
		c.fail(local.CheckAutostart, "", hint.Wrap(err, hint.Failed, "Whether Keyporter starts at login cannot be found out.", "Look at the settings of your desktop."))
	case program == "":
		c.ok(local.CheckAutostart, "off; bridges start the agent when they need it")
	case gone != nil:
		c.fail(local.CheckAutostart, program, hint.New(hint.Failed, fmt.Sprintf("The program %s, which is to start at login, is no longer there.", program),
			"Install Keyporter again, or switch the start at login off and on in its settings."))
	default:
		c.ok(local.CheckAutostart, "on: %s", program)
	}
}
