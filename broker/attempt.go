package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/broker/source/authcode"
	"keyporter/internal/hint"
)

const (
	// signInLimit is how long a sign-in waits for the browser.
	signInLimit = 10 * time.Minute
	// quiet is for how long a browser that was opened keeps the next one away
	// that no person asked for.
	quiet = 10 * time.Minute
	// deserted is after how long a sign-in that no person asked for ends when
	// nobody is left who waits for it: long enough for a client that is started
	// anew, or a person who types a code.
	deserted = 2 * time.Minute
	// maxUnasked is how many sign-ins for one server may begin within quiet
	// without a person's asking.
	maxUnasked = 3
)

// An asker is who wants a sign-in to begin.
type asker int

const (
	person asker = iota // somebody typed a command or clicked
	bridge              // a call came, and the server's way of signing in is browser
	tool                // the sign_in tool: a model, perhaps without its user
)

// An attempt is one sign-in under way. Its fields below the line are guarded by
// the Broker's mutex; waiters learn of changes through Broker.news.
type attempt struct {
	server string
	opens  bool // the agent opens the browser, so the attempt lives without waiters; see abandon
	cancel context.CancelFunc

	asker   asker // a person who joins makes it a person's
	flow    *authcode.Flow
	events  []*local.SignInEvent
	waiters int
	kept    bool // what it brought is at work; see underWay
	over    bool

	deserted bool // it ended because nobody was left who wanted it
	err      error
}

// signInHistory is when sign-ins of one server began, and how the last one ended.
type signInHistory struct {
	unasked  []time.Time // those that no person asked for
	browser  time.Time   // when the agent or a program last opened one
	failures int         // how many have failed
	failure  error       // of the last one; nil if it went well
	failed   time.Time
}

// begin starts a sign-in, or joins the one under way.
func (b *Broker) begin(s *account.Server, r local.SignInRequest, who asker) (at *attempt, joined bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := b.underWay(s.Name); at != nil {
		if who == person {
			at.asker = person
		}
		return at, true, nil
	}
	if err := allowed(b.policy, b.cfg, s); err != nil {
		return nil, false, err
	}
	ctx, cancel := context.WithTimeout(b.life, signInLimit)
	at = &attempt{server: s.Name, asker: who, opens: r.AgentOpen, cancel: cancel}
	started := b.spawn(func(context.Context) {
		defer cancel()
		b.finish(at, b.signIn(ctx, at, s, r))
	})
	if !started {
		cancel()
		return nil, false, hint.New(hint.Stopped, "Keyporter is stopping.", "Try again in a moment.")
	}
	b.attempts[s.Name] = at
	if who != person {
		h := b.historyOf(s.Name)
		h.unasked = append(h.unasked, b.opt.Now())
		b.spawn(func(context.Context) { b.abandon(ctx, at) })
	}
	if who != tool { // whose attempt may end at once, and then the notice stays
		b.dropNotice(s.Name)
	}
	return at, false, nil
}

// underWay returns the sign-in of that name (see attemptName) for which somebody may
// still wait, or nil. One that has only its end to note is over for everybody: what
// it brought shows, and the rules for the next one hold. b.mu is held.
func (b *Broker) underWay(name string) *attempt {
	if at := b.attempts[name]; at != nil && !at.kept {
		return at
	}
	return nil
}

// abandon ends an attempt that began for a bridge, and not because a person asked,
// when no bridge of its server has been there for a while and nobody else follows
// it: the client that wanted the sign-in is gone, and so is its user's reason. A
// sign-in that a person began waits for the browser as long as signInLimit.
func (b *Broker) abandon(ctx context.Context, at *attempt) {
	timer := time.NewTimer(deserted)
	defer timer.Stop()
	for waited := false; ; {
		news := b.news()
		b.mu.Lock()
		wanted := at.waiters > 0 || b.bridgesOf(at.server) > 0
		b.mu.Unlock()
		if wanted || waited {
			timer.Reset(deserted)
		}
		waited = wanted
		select {
		case <-ctx.Done():
			return
		case <-news:
		case <-timer.C:
			if !wanted {
				b.update(func() { at.deserted = true })
				at.cancel()
				return
			}
		}
	}
}

// bridgesOf returns how many bridges wait for sign-ins of that name. b.mu is held.
func (b *Broker) bridgesOf(name string) int {
	n := b.bridges[name]
	for server, bridges := range b.bridges {
		if server != name && b.attemptName(server) == name {
			n += bridges
		}
	}
	return n
}

// finish ends an attempt. It says so to everybody who waits.
func (b *Broker) finish(at *attempt, err error) {
	outcome := "ok"
	if err != nil {
		outcome = string(hint.CodeOf(err))
		b.opt.Log.Info("sign-in failed", "server", at.server, "err", err)
	}
	var asked bool // nobody has to be told of the end who does not know
	b.update(func() {
		at.over, at.err, asked = true, err, at.asker == person || at.deserted
		h := b.historyOf(at.server)
		if h.failure = err; err != nil && !errors.Is(err, errUnknownIssuer) {
			h.failures++
			h.failed = b.opt.Now()
		}
		if refusal(err) {
			delete(b.stepUps, at.server)
		}
		if oauth.CodeOf(err) == oauth.InvalidScope {
			b.mem.server(at.server).Scopes = nil // what was granted once is not on offer any more
		}
		if b.attempts[at.server] == at {
			delete(b.attempts, at.server)
		}
	})
	b.record(local.AuditRecord{Event: "sign_in", Server: at.server, Outcome: outcome})
	if !asked && (errors.Is(err, errUnknownIssuer) || needsSignIn(err)) {
		b.raiseNotice(at.server, "")
	}
}

// startSignIn begins a sign-in that no caller follows.
func (b *Broker) startSignIn(s *account.Server, who asker) error {
	b.mu.Lock()
	s = b.signsIn(s)
	b.mu.Unlock()
	_, _, err := b.begin(s, local.SignInRequest{Name: s.Name, AgentOpen: true}, who)
	return err
}

// PasteRedirect gives a waiting sign-in the address that the browser ended at.
func (b *Broker) PasteRedirect(_ context.Context, p local.PastedRedirect) error {
	s, err := b.signInServer(p.Name)
	if err != nil {
		return err
	}
	b.mu.Lock()
	at := b.underWay(s.Name)
	var flow *authcode.Flow
	if at != nil {
		flow = at.flow
	}
	b.mu.Unlock()
	if flow == nil {
		return hint.New(hint.Usage, fmt.Sprintf("No sign-in to %s is waiting.", s.Name), fmt.Sprintf("Start one: keyporter login %s", quoteArg(s.Name)))
	}
	return flow.Paste(p.URL.Reveal())
}

// CancelSignIn ends a sign-in that is under way.
func (b *Broker) CancelSignIn(_ context.Context, n local.Name) error {
	b.cancelAttempt(n.Name)
	return nil
}

func (b *Broker) cancelAttempt(server string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at := b.underWay(b.attemptName(server)); at != nil {
		at.cancel()
	}
}

// mayBegin reports whether a sign-in may begin that no person asked for: for a
// bridge at most three in ten minutes, for the tool no second browser within
// them.
func (b *Broker) mayBegin(server string, who asker) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if server = b.attemptName(server); b.underWay(server) != nil {
		return true
	}
	h := b.historyOf(server)
	recent := func(t time.Time) bool { return b.opt.Now().Sub(t).Abs() < quiet }
	h.unasked = slices.DeleteFunc(h.unasked, func(t time.Time) bool { return !recent(t) })
	if who == tool {
		return !recent(h.browser)
	}
	return len(h.unasked) < maxUnasked
}

// refusedLately returns why the last sign-in of a server was refused, if nothing
// suggests that another one would fare better: it is not long ago, and the server
// was not changed since.
func (b *Broker) refusedLately(server string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.historyOf(b.attemptName(server))
	if refusal(h.failure) && b.opt.Now().Sub(h.failed).Abs() < quiet {
		return h.failure
	}
	return nil
}

// refusal reports whether a sign-in failed for a reason that trying again does
// not change: somebody refused it.
func refusal(err error) bool {
	if err == nil {
		return false
	}
	code := hint.CodeOf(err)
	return code == hint.Refused || code == hint.Failed
}

// historyOf returns a server's history. b.mu is held.
func (b *Broker) historyOf(server string) *signInHistory {
	if b.history[server] == nil {
		b.history[server] = &signInHistory{}
	}
	return b.history[server]
}
