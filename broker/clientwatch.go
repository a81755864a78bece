package broker

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"keyporter/broker/install"
	"keyporter/broker/local"
)

// clientsEvery is how often the files that entries were put into are looked at.
// They are looked at and not watched: Claude Code's lies in the home folder, where
// a watch wakes up all day long, and on macOS opens everything that lies there
// (kqueue), for which the system asks the user's leave.
const clientsEvery = 3 * time.Second

// A glimpse is what a look at a file says without reading it.
type glimpse struct {
	size     int64
	modified time.Time
}

func glimpseOf(path string) glimpse {
	fi, err := os.Stat(path)
	if err != nil {
		return glimpse{size: -1}
	}
	return glimpse{fi.Size(), fi.ModTime()}
}

// watchClients notices when a client has rewritten a file and our entries are
// gone.
func (b *Broker) watchClients(ctx context.Context) {
	w := clientWatch{b: b, seen: map[string]glimpse{}, read: map[string]glimpse{}}
	tick := time.NewTicker(clientsEvery)
	defer tick.Stop()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// A clientWatch remembers how files looked.
type clientWatch struct {
	b    *Broker
	seen map[string]glimpse // at the last look
	read map[string]glimpse // when they were last read
}

// look looks at each file once. One that has just changed is read when it has not
// changed for one more look: clients write in several steps.
func (w *clientWatch) look(ctx context.Context) {
	for path, f := range w.b.writtenFiles("") {
		now := glimpseOf(path)
		before, known := w.seen[path]
		last, read := w.read[path]
		w.seen[path] = now
		if known && before != now || read && last == now {
			continue
		}
		w.read[path] = now
		w.b.lookAtClient(ctx, path, f)
	}
	w.b.showLost()
}

// lookAtClient reads one file.
func (b *Broker) lookAtClient(ctx context.Context, path string, f *clientFile) {
	c, err := install.Find(f.Client)
	if err != nil {
		return
	}
	select {
	case b.installs <- struct{}{}:
		defer func() { <-b.installs }()
	case <-ctx.Done():
		return
	}
	b.mu.Lock()
	now := b.mem.ClientFiles[path]
	b.mu.Unlock()
	if now == nil {
		return
	}
	lost := b.lostFrom(c, path, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.setLost(path, lost)
}

// lostFrom returns the servers that were put into a file and are gone, or whose
// entry launches a program that is gone. A file that cannot be read, or whose
// program or project was removed, has lost nothing.
func (b *Broker) lostFrom(c *install.Client, path string, f *clientFile) []string {
	if f.Folder != "" && !f.there() || f.Folder == "" && !slices.Contains(c.Files(b.getenv), path) {
		return nil
	}
	entries, err := c.Entries(path)
	if err != nil {
		return nil
	}
	cfg := b.config()
	var lost []string
	for _, s := range f.Servers {
		there := slices.ContainsFunc(entries, func(e install.Entry) bool { return e.Server == s && b.launches(e.Command) })
		if cfg.Servers[s] != nil && !there {
			lost = append(lost, s)
		}
	}
	return lost
}

// launches reports whether an entry's command leads to a program.
func (b *Broker) launches(command string) bool {
	if command == b.opt.Command {
		return true
	}
	_, err := os.Stat(command)
	return err == nil
}

// setLost remembers what a file has lost. b.mu is held.
func (b *Broker) setLost(path string, lost []string) {
	if b.lost[path] = lost; len(lost) == 0 {
		delete(b.lost, path)
	}
}

// lostBy returns what clients have lost, by client. b.mu is held.
func (b *Broker) lostBy() map[string][]string {
	out := map[string][]string{}
	for path, servers := range b.lost {
		f := b.mem.ClientFiles[path]
		if f == nil {
			continue
		}
		for _, s := range servers {
			if b.cfg.Servers[s] != nil && slices.Contains(f.Servers, s) {
				out[f.Client] = union(out[f.Client], s)
			}
		}
	}
	for _, servers := range out {
		slices.Sort(servers)
	}
	return out
}

// showLost makes one notice for each client that has lost something, and drops
// those that are over.
func (b *Broker) showLost() {
	b.mu.Lock()
	same := b.noticesSay(b.lostBy())
	b.mu.Unlock()
	if same {
		return
	}
	var show []local.Notice
	b.update(func() {
		lost := b.lostBy()
		b.dropNotices(func(n *notice) bool { return n.Kind == local.NoticeClientLost && len(lost[n.Client]) == 0 })
		for _, c := range install.Clients() {
			if servers := lost[c.ID]; len(servers) > 0 {
				if n := b.clientNotice(c, servers); n != nil {
					show = append(show, *n)
				}
			}
		}
	})
	for _, n := range show {
		b.showNotice(n, func() { b.repairClicked(n.Client) })
	}
}

// noticesSay reports whether the notices say what is lost. b.mu is held.
func (b *Broker) noticesSay(lost map[string][]string) bool {
	said := 0
	for _, n := range b.notices {
		if n.Kind != local.NoticeClientLost {
			continue
		}
		if !slices.Equal(n.Servers, lost[n.Client]) {
			return false
		}
		said++
	}
	return said == len(lost)
}

// clientNotice puts a notice into the list, and returns a copy if it has to be
// shown on the desktop. b.mu is held.
func (b *Broker) clientNotice(c *install.Client, servers []string) *local.Notice {
	i := slices.IndexFunc(b.notices, func(n *notice) bool { return n.Kind == local.NoticeClientLost && n.Client == c.ID })
	if i < 0 {
		i = len(b.notices)
		b.notices = append(b.notices, &notice{Notice: local.Notice{
			ID: "lost " + c.ID, Kind: local.NoticeClientLost, Client: c.ID, Program: c.Name, At: b.opt.Now(),
		}})
	}
	b.notices[i].Servers = servers
	return b.toShow(b.notices[i])
}

// repairClicked is the user's click on a notification that the agent showed.
func (b *Broker) repairClicked(client string) {
	b.task(func(ctx context.Context) {
		if _, err := b.RepairClients(ctx, local.RepairRequest{Client: client}); err != nil {
			b.opt.Log.Warn("repair from a notification", "client", client, "err", err)
		}
		b.showLost()
	})
}

// lostWords is the text of a notice about a client that has lost servers.
func lostWords(n local.Notice) string {
	return "Its config file was rewritten, and " + strings.Join(n.Servers, ", ") + " is gone from it."
}
