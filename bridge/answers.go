package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"hash/maphash"
	"maps"
	"sync"
	"time"

	"keyporter/bridge/frame"
	"keyporter/bridge/translate"
	"keyporter/broker/account"
	"keyporter/broker/local"
)

// answersLimit is how long the agent may take for the known answers. Clients
// that probe wait about two seconds.
const answersLimit = time.Second

// answers returns the last known answers of the server. While the agent is away
// they are those that were known when the user stopped it, if that is why; none
// otherwise.
func (b *bridge) answers(ctx context.Context) map[string]json.RawMessage {
	known, err := b.askAnswers(ctx)
	if err != nil {
		b.log.Debug("no known answers", "error", err)
		if last := b.last.Load(); last != nil {
			return maps.Clone(*last)
		}
	}
	return known
}

func (b *bridge) askAnswers(ctx context.Context) (map[string]json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, answersLimit)
	defer cancel()
	var a *local.Answers
	err := b.link.ask(ctx, func(agent Agent) (err error) {
		a, err = agent.Answers(ctx, local.Name{Name: b.name()})
		return err
	})
	if err != nil || a == nil {
		return nil, err
	}
	known := a.Results
	for method, r := range known {
		// They have been on disk; whatever is there must not reach the client
		// as anything but an object.
		if _, err := frame.Scan(r); err != nil || len(r) == 0 || r[0] != '{' {
			delete(known, method)
		}
	}
	return known, nil
}

// part takes leave of an agent that the user stops: it gets what waits for it,
// and gives the answers with which the client is served until the start.
func (b *bridge) part(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	b.keep.flush(ctx)
	b.audit.flush(ctx)
	if known, err := b.askAnswers(ctx); err == nil {
		b.last.Store(&known)
	}
}

// learn looks at a result on its way to the client: it reads header annotations,
// leaves invalid tools out, and keeps what the agent should know. It returns the
// message that the client gets. Only listings and introductions are looked at.
func (b *bridge) learn(c *call, f frame.Frame, msg []byte) []byte {
	result := f.Result
	switch c.f.Method {
	case methodListTools:
		if !c.modern() {
			b.tools.readLegacy(result)
		} else {
			result = b.tools.read(result, b.log)
		}
		if shown := b.shown(result); len(shown) != len(f.Result) {
			msg = frame.Set(msg, "result", shown)
		}
	case methodDiscover:
		if c.modern() && translate.Choose(result) != "" {
			b.back.newer.Store(true)
		}
	case methodInitialize, "prompts/list", "resources/list", "resources/templates/list":
	default:
		return msg
	}
	b.keep.note(c.f.Method, c.f.Cursor, result)
	return msg
}

// listMember is where the items of a list result stand.
var listMember = map[string]string{
	methodListTools: "tools", "prompts/list": "prompts", "resources/list": "resources", "resources/templates/list": "resourceTemplates",
}

// A keeper hands the server's introductions and complete lists to the agent,
// beside everything else and only when they have changed.
type keeper struct {
	link *link
	todo chan local.Answers // never closed
	seed maphash.Seed

	asked  chan chan struct{} // asks run to hand over; what it carries is closed then
	ending chan struct{}      // closed by finish
	ended  chan struct{}      // closed by run

	mu    sync.Mutex
	last  map[string]uint64 // hash of what was handed over, by method
	pages map[string]*pages
}

// pages are the pages of a list so far.
type pages struct {
	first []byte // the first page's result
	items []byte // elements with commas between
	next  []byte // the cursor of the page that continues it
}

func newKeeper(l *link) *keeper {
	return &keeper{link: l, todo: make(chan local.Answers, 16), asked: make(chan chan struct{}), ending: make(chan struct{}), ended: make(chan struct{}), seed: maphash.MakeSeed(), last: map[string]uint64{}, pages: map[string]*pages{}}
}

// note takes a result. It copies what it keeps and never waits.
func (k *keeper) note(method string, cursor, result []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if member := listMember[method]; member != "" {
		if result = k.whole(method, member, cursor, result); result == nil {
			return
		}
	}
	if len(result) > maxKept {
		return
	}
	sum := maphash.Bytes(k.seed, result)
	if k.last[method] == sum {
		return
	}
	select {
	case k.todo <- local.Answers{Results: map[string]json.RawMessage{method: bytes.Clone(result)}}:
		k.last[method] = sum
	default: // the agent is slow; the next one may fit
	}
}

// era hands over what the server was found to speak.
func (k *keeper) era(e account.Era) {
	select {
	case k.todo <- local.Answers{Era: e}:
	default: // found out again the next time
	}
}

// forget makes the keeper hand everything over again: the answers may be those
// of another account from now on.
func (k *keeper) forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.last)
	clear(k.pages)
}

// maxKept is how large an answer may be, in bytes, to be kept.
const maxKept = 4 << 20

// whole returns the complete list that this page ends, or nil.
func (k *keeper) whole(method, member string, cursor, result []byte) []byte {
	next := frame.Get(result, "nextCursor")
	if string(next) == "null" {
		next = nil
	}
	p := k.pages[method]
	if cursor == nil {
		if delete(k.pages, method); next == nil {
			return result
		}
		p = &pages{first: bytes.Clone(result)}
		k.pages[method] = p
	} else if p == nil || frame.Key(p.next) != frame.Key(cursor) {
		return nil
	}
	for e := range frame.Elements(frame.Get(result, member)) {
		if len(p.items) > 0 {
			p.items = append(p.items, ',')
		}
		p.items = append(p.items, e...)
	}
	p.next = bytes.Clone(next)
	if max(len(p.first), len(p.items)) > maxKept {
		delete(k.pages, method)
		return nil
	}
	if next != nil {
		return nil
	}
	delete(k.pages, method)
	list := append(append([]byte{'['}, p.items...), ']')
	return frame.Drop(frame.Set(p.first, member, list), "nextCursor")
}

// run hands answers over until finish is called or ctx is done.
func (k *keeper) run(ctx context.Context) {
	defer close(k.ended)
	for {
		select {
		case <-ctx.Done():
			return
		case a := <-k.todo:
			k.hand(ctx, a)
		case done := <-k.asked:
			k.handAll(ctx)
			close(done)
		case <-k.ending:
			k.handAll(ctx)
			return
		}
	}
}

// flush hands over what waits, now. It returns when that was tried or ctx ends.
func (k *keeper) flush(ctx context.Context) { askFor(ctx, k.asked, k.ended) }

func (k *keeper) handAll(ctx context.Context) {
	for len(k.todo) > 0 && ctx.Err() == nil {
		k.hand(ctx, <-k.todo)
	}
}

// finish hands over what is left, in five seconds at most.
func (k *keeper) finish() {
	close(k.ending)
	t := time.NewTimer(goodbye)
	defer t.Stop()
	select {
	case <-k.ended:
	case <-t.C:
	}
}

func (k *keeper) hand(ctx context.Context, a local.Answers) {
	v := k.link.view.Load()
	if v == nil || v.state == nil {
		return
	}
	for method, r := range a.Results {
		if k.link.sent.In(string(r)) { // it goes to a plain file
			k.link.log.Debug("answer not kept: it repeats what the server was sent", "method", method)
			return
		}
	}
	a.Server = v.state.Server
	ctx, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	if err := k.link.ask(ctx, func(agent Agent) error { return agent.KeepAnswers(ctx, a) }); err != nil {
		k.link.log.Debug("answers not kept", "error", err)
	}
}
