package bridge

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	lookEvery = 10 * time.Second // how often the clock is looked at
	sleptFor  = 5 * time.Second  // what the clock may jump beyond that
)

// watchClock notices that the computer has slept: its clock has moved on without
// the bridge; or that it is in another network: it has other addresses.
// Connections may be dead by then without either end knowing, so those that are
// idle are closed, and the server's own stream is asked for anew, from where it
// was. Requests under way are left to the keep-alives of their connections.
//
// It also sees when the process is gone that launched the bridge.
func (b *bridge) watchClock() {
	where := b.opts.Addresses()
	parent := 0
	if b.opts.Parent != nil {
		parent = b.opts.Parent()
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	last := b.opts.Now().Round(0) // without the monotonic clock, which may stand still in sleep
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-tick.C:
		}
		if b.opts.Parent != nil && b.opts.Parent() != parent {
			b.log.Info("the MCP client is gone")
			close(b.orphan)
			return
		}
		now := b.opts.Now().Round(0)
		here := b.opts.Addresses()
		if now.Sub(last) > lookEvery+sleptFor || here != where {
			b.log.Debug("the computer has slept or changed its network", "for", now.Sub(last), "moved", here != where)
			b.http.CloseIdle()
			b.woke.fire()
		}
		last, where = now, here
	}
}

// addresses are those from which other computers are reached: of every interface
// but the loopback, without the temporary ones of IPv6, which come and go, so by
// network.
func addresses() string {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	networks := map[string]bool{}
	for _, a := range all {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLoopback() && !p.Addr().IsLinkLocalUnicast() {
			if p.Addr().Is6() {
				p = p.Masked()
			}
			networks[p.String()] = true
		}
	}
	return strings.Join(slices.Sorted(maps.Keys(networks)), " ")
}

// A pulse is an event that happens again and again. The zero value is ready.
type pulse struct {
	mu   sync.Mutex
	next chan struct{} // closed by the next fire; nil while nobody waits
}

// wait returns a channel that the next fire closes.
func (p *pulse) wait() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		p.next = make(chan struct{})
	}
	return p.next
}

func (p *pulse) fire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next != nil {
		close(p.next)
		p.next = nil
	}
}
