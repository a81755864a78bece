package bridge

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	lookEvery = 10 * time.Second // how often the clock is looked at
	sleptFor  = 5 * time.Second  // what the clock may jump beyond that
)

// watchClock notices that the computer has slept: its clock has moved on without
// the bridge; or that it is in another network: it has other addresses.
// Connections may be dead by then without either end knowing, so no request goes
// out on one that was there before, and the server's own stream is asked for anew,
// from where it was. Requests under way are left to the keep-alives of their connections.
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
		here := b.opts.Addresses()
		b.seen.look(b.opts.Now(), func(since time.Duration) {
			if since > lookEvery+sleptFor || here != where {
				b.leaveConnections(since)
			}
		})
		where = here
	}
}

// wakeFirst is for a request that is about to go out: right after sleep the clock has
// not been looked at yet, and the request must not go where nobody is any more.
func (b *bridge) wakeFirst() {
	now := b.opts.Now()
	if b.seen.since(now) <= lookEvery+sleptFor {
		return
	}
	b.seen.look(now, func(since time.Duration) {
		if since > lookEvery+sleptFor { // nobody was faster
			b.leaveConnections(since)
		}
	})
}

func (b *bridge) leaveConnections(since time.Duration) {
	b.log.Debug("the computer has slept or changed its network", "since", since)
	b.http.CloseIdle()
	b.woke.fire()
}

// A glance is when the clock was last looked at.
type glance struct {
	mu sync.Mutex // held until what follows from a look is done
	at atomic.Int64
}

// since returns how long ago that was. It does not count on the monotonic clock, which
// may stand still in sleep.
func (g *glance) since(now time.Time) time.Duration {
	return time.Duration(now.UnixNano() - g.at.Load())
}

// look notes the time, and tells f how long ago the last look was.
func (g *glance) look(now time.Time, f func(since time.Duration)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(g.since(now))
	g.at.Store(now.UnixNano())
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
