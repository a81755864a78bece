package bridge

import (
	"context"
	"fmt"
	"reflect"
	"time"

	"keyporter/bridge/frame"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// holdLimit is how long a call waits for a person. Hosts give a request about a minute.
const holdLimit = 45 * time.Second

// browserMoment is how long listings wait for a browser that has just been opened.
const browserMoment = 5 * time.Second

// progressEvery is how often a waiting call reports progress.
const progressEvery = 5 * time.Second

// hold waits for the person, or for what passes by itself, and then sends the call
// through.
func (b *bridge) hold(c *call, entry *view, cause error) error {
	err := b.await(c, entry, cause)
	if err == nil {
		if err = b.permitted(c); !missing(err) || c.answered.Load() {
			return err
		}
	}
	if c.ctx.Err() != nil {
		return err
	}
	if !isHint(err) {
		err = cause
	}
	return b.refuse(c, err)
}

// await waits until the server is ready, 45 s at most, and reports progress if
// the client asked for it. cause is why it is not ready; the error says what is
// missing.
func (b *bridge) await(c *call, entry *view, cause error) error {
	b.calls.wait(c, true)
	defer b.calls.wait(c, false)
	ctx, cancel := context.WithTimeout(c.ctx, holdLimit+goodbye)
	defer cancel()

	asked := make(chan error, 1)
	b.spawn(func() {
		asked <- b.link.ask(ctx, func(a Agent) error {
			return a.AwaitReady(ctx, local.AwaitRequest{Server: b.name(), Wait: holdLimit})
		})
	})
	ready := make(chan struct{}, 1)
	b.spawn(func() {
		if _, err := b.link.await(ctx, entry.outdated); err == nil {
			ready <- struct{}{}
		}
	})
	says := signInAwaited
	if hint.CodeOf(cause) != hint.SignInNeeded {
		says = "Waiting until %s can be used."
	}
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ready:
			return nil
		case err := <-asked:
			if err == nil {
				return b.settled(ctx, entry)
			}
			return err
		case <-tick.C:
			b.progress(c, n, says)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// settled waits for the view that follows the agent's word that all is ready. A
// server that was ready before, as far as one knew, may have no newer one.
func (b *bridge) settled(ctx context.Context, entry *view) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	_, err := b.link.await(ctx, entry.outdated)
	if err == nil || entry.ready() {
		return nil
	}
	if v := b.link.view.Load(); v.err != nil {
		return v.err
	}
	return err
}

const signInAwaited = "Waiting for somebody to sign in to %s with Keyporter."

// progress tells a client that asked for it that its call still waits. says has a
// place for the server's name.
func (b *bridge) progress(c *call, n int, says string) {
	if c.f.ProgressToken == nil {
		return
	}
	params := frame.Set([]byte("{}"), "progressToken", c.f.ProgressToken)
	params = frame.Set(params, "progress", fmt.Append(nil, n))
	params = frame.Set(params, "message", text(fmt.Sprintf(says, b.name())))
	b.write(frame.Set([]byte(`{"jsonrpc":"2.0","method":"notifications/progress"}`), "params", params))
}

// A question is one to the agent that opens a browser, without a call that waits
// for the answer.
type question struct {
	answered chan struct{} // closed at the end
	err      error         // set before that
	until    time.Time     // when listings stop waiting for it
}

// askIfBrowser lets the agent open the browser, without holding up an answer, for
// a server that nobody has seen and whose way of signing in that is. For one that
// is known only a call does so: hosts start their servers unattended. It returns
// nil where nothing is asked.
func (b *bridge) askIfBrowser(entry *view, cause error) *question {
	if entry.state == nil || entry.state.SignIn != account.SignInBrowser || !missing(cause) {
		return nil
	}
	q := &question{answered: make(chan struct{}), until: time.Now().Add(browserMoment)}
	if !b.asking.CompareAndSwap(nil, q) {
		return b.asking.Load()
	}
	b.spawn(func() {
		defer close(q.answered)
		defer b.asking.Store(nil)
		q.err = b.link.ask(b.ctx, func(a Agent) error {
			return a.AwaitReady(b.ctx, local.AwaitRequest{Server: b.name(), Wait: holdLimit})
		})
		if q.err != nil {
			b.log.Debug("not ready", "error", q.err)
		}
	})
	return q
}

// goneWell waits a moment for the answer to q, and reports whether the server is
// ready. Hosts that hear no list_changed so get the server's own lists where the
// browser answers without the person: they are signed in to the provider there.
func (b *bridge) goneWell(ctx context.Context, entry *view, q *question) bool {
	if q == nil {
		return false
	}
	ctx, cancel := context.WithDeadline(ctx, q.until)
	defer cancel()
	select {
	case <-q.answered:
		return q.err == nil && b.settled(ctx, entry) == nil
	case <-ctx.Done():
		return false
	}
}

// refuse answers a call that nobody made possible: a tool call with a result
// that the model can read, everything else with an error.
func (b *bridge) refuse(c *call, cause error) error {
	if c.f.Method != methodCallTool || !isHint(cause) {
		return cause
	}
	c.outcome = string(hint.CodeOf(cause))
	return b.reply(c, b.toolResult(c, hint.Of(cause).Text(), true))
}

// followState makes the real session as soon as the server is ready, for a
// client whose initialize was answered in its place.
func (b *bridge) followState() {
	var last *view
	away := false
	for {
		v, err := b.link.await(b.ctx, func(v *view) bool { return v != last })
		if err != nil {
			return
		}
		if last == nil {
			last = b.link.first // which the client may have been answered by
		}
		if last.state != nil && v.state != nil && !reflect.DeepEqual(last.state.Tools, v.state.Tools) {
			b.announce("tools")
		}
		if last = v; !v.ready() {
			away = true
			continue
		}
		b.last.Store(nil)
		if away {
			away = false
			b.keep.forget() // somebody else may have signed in
		}
		if s := b.legacy.Load(); s != nil {
			b.bring(s)
		}
	}
}

// bring makes the server's side of a session that has none yet, and tells a
// client that has been given lists in the server's place to ask again.
func (b *bridge) bring(s *session) {
	if w := s.wire.Load(); w != nil {
		if b.stale.Swap(false) {
			s.changed(w)
		}
		return
	}
	s.mu.Lock()
	standIn := s.standIn
	s.mu.Unlock()
	if !standIn {
		return
	}
	if _, err := s.establish(b.ctx, nil); err != nil {
		b.log.Debug("session not made yet", "error", err)
	}
}
