package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// AwaitReady waits until a server is ready, for a bridge that holds a call.
func (b *Broker) AwaitReady(ctx context.Context, r local.AwaitRequest) error {
	s, err := lookupServer(b.config(), r.Server)
	if err != nil {
		return err
	}
	if err := b.awaitApproval(ctx, s, r.Wait); err != nil {
		return err
	}
	if err := b.missing(s.Name); err == nil {
		return nil
	}
	if s.SignIn == account.SignInNever {
		if err := b.tryAgain(ctx, s, r.Wait); err != nil {
			return err
		}
		return b.missing(s.Name)
	}
	if _, err := b.openedVault(ctx); err != nil && ctx.Err() == nil {
		b.opt.Log.Debug("call waits for the vault", "err", err)
	}
	began := time.Now()
	if err := b.tryAgain(ctx, s, r.Wait); err != nil && !hint.NeedsPerson(err) {
		return err
	}
	if needsSignIn(b.missing(s.Name)) {
		if err := b.callForSignIn(s, b.programOf(ctx)); err != nil {
			return err
		}
	}
	return b.await(ctx, s.Name, r.Wait-time.Since(began))
}

// tryAgain gets the tokens of a server whose last ones could not be had: what was
// wrong may have passed, and nothing else would find out while calls wait. It waits
// for a try that is due within limit, and goes on while errors pass by themselves.
func (b *Broker) tryAgain(ctx context.Context, s *account.Server, limit time.Duration) error {
	deadline := time.Now().Add(limit)
	for _, l := range s.Layers() {
		for b.lacksToken(l) {
			_, err := b.serverToken(ctx, l, local.TokenRequest{Name: l.Name})
			var held *token.RetryError
			switch {
			case err == nil:
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.As(err, &held):
				wait := held.Next.Sub(b.opt.Now())
				if wait > time.Until(deadline) || !b.pauseUnless(ctx, wait, func() bool { return !b.lacksToken(l) }) {
					return err
				}
			case !token.Temporary(err):
				return err
			}
		}
	}
	return nil
}

// pauseUnless waits for d, or until over reports true, looking again at each change.
// It reports false when ctx ends first.
func (b *Broker) pauseUnless(ctx context.Context, d time.Duration, over func() bool) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		news := b.news()
		if over() {
			return true
		}
		select {
		case <-timer.C:
			return true
		case <-news:
		case <-ctx.Done():
			return false
		}
	}
}

// lacksToken reports whether the last attempt to get a token for a server failed,
// and another one is due some time.
func (b *Broker) lacksToken(s *account.Server) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	a := b.standing(s)
	return a.status == local.Failed && a.record.Kind != "" && b.problems[problemKey(s)] != nil
}

// callForSignIn does what a server's way of signing in says about a call that needs
// one, which program made: a notice, or a browser at once. A browser that was opened
// for a call before and was refused is not opened again; the error says why it was.
func (b *Broker) callForSignIn(s *account.Server, program string) error {
	if s.SignIn == account.SignInBrowser {
		if err := b.refusedLately(s.Name); err != nil {
			b.raiseNotice(s.Name, program)
			return err
		}
		if b.mayBegin(s.Name, bridge) && b.startSignIn(s, bridge) == nil {
			return nil
		}
	}
	b.raiseNotice(s.Name, program)
	return nil
}

func needsSignIn(err error) bool {
	return err != nil && hint.CodeOf(err) == hint.SignInNeeded
}

// missing returns what keeps a server from being ready, or nil.
func (b *Broker) missing(name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.cfg.Servers[name]
	if s == nil {
		return hint.New(hint.NotFound, fmt.Sprintf("The server %q was removed.", name), "")
	}
	a, _ := b.whole(s)
	if a.ready() {
		return nil
	}
	if a.problem == nil {
		return hint.New(hint.Failed, fmt.Sprintf("%s is not ready.", name), "See keyporter status.")
	}
	return a.problem
}

// await waits until a server is ready, at most for limit.
func (b *Broker) await(ctx context.Context, name string, limit time.Duration) error {
	return b.awaitUntil(ctx, name, limit, func() error { return b.missing(name) })
}

// errStillWaiting says that nothing has changed.
var errStillWaiting = errors.New("still waiting")

// awaitUntil waits until missing returns nil, looking again at each change, at
// most for limit. A sign-in of the server that fails meanwhile ends the wait with
// its error.
func (b *Broker) awaitUntil(ctx context.Context, server string, limit time.Duration, missing func() error) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	failures, _ := b.failuresOf(server)
	for {
		news := b.news()
		err := missing()
		if err == nil {
			return nil
		}
		if hint.CodeOf(err) == hint.Stopped {
			return err
		}
		if n, failure := b.failuresOf(server); n > failures {
			return failure
		}
		select {
		case <-news:
		case <-timer.C:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// failuresOf returns how many sign-ins of a server have failed, and why the last
// one did.
func (b *Broker) failuresOf(server string) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.historyOf(b.attemptName(server))
	return h.failures, h.failure
}
