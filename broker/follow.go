package broker

import (
	"context"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// signInOnce begins a sign-in for a person, or joins the one under way, and tells of
// it until it is over. One that everybody else had left just before may end for that alone:
// another one begins then.
func (b *Broker) signInOnce(ctx context.Context, s *account.Server, r local.SignInRequest, tell func(*local.SignInEvent) error) error {
	for {
		at, joined, err := b.begin(s, r, person)
		if err != nil {
			return err
		}
		err = b.follow(ctx, at, joined, tell)
		b.mu.Lock()
		again := joined && at.deserted && at.over && at.err != nil && hint.CodeOf(at.err) != hint.Refused
		b.mu.Unlock()
		if !again || ctx.Err() != nil {
			return err
		}
	}
}

// follow tells one caller of an attempt's events until it is over. A caller who
// leaves as the last one ends it, unless the agent opened the browser itself.
func (b *Broker) follow(ctx context.Context, at *attempt, joined bool, tell func(*local.SignInEvent) error) error {
	b.update(func() { at.waiters++ })
	defer b.update(func() {
		if at.waiters--; at.waiters == 0 && !at.opens {
			at.deserted = at.deserted || !at.over
			at.cancel()
		}
	})
	for told := 0; ; {
		news := b.news()
		b.mu.Lock()
		events, over, err := at.events[told:], at.over, at.err
		if at.deserted {
			events = nil // they lead nowhere
		}
		b.mu.Unlock()
		told += len(events)
		for _, ev := range events {
			mine := *ev
			mine.Joined = joined && ev.Open != ""
			if err := tell(&mine); err != nil {
				return err
			}
		}
		if over {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}
