package bridge

import (
	"context"
	"errors"
	"net/http"
	"time"

	"keyporter/bridge/streamable"
	"keyporter/broker/local"
)

// maxStepUps is how often one call may ask for more permissions.
const maxStepUps = 3

// permitted is through. A server that wants more permissions for the call than
// the token has (403 with insufficient_scope, MCP authorization, scope challenge
// handling) gets the call again once the agent has a token with them; that may
// need the person, so the call waits as for a sign-in.
func (b *bridge) permitted(c *call) error {
	for n := 0; ; n++ {
		v, err := b.link.current(c.ctx)
		if err != nil {
			return err
		}
		err = b.through(c)
		var status *streamable.StatusError
		if c.touched || n == maxStepUps || !v.ready() || !errors.As(err, &status) || !insufficient(status) {
			return err
		}
		if err := b.stepUp(c, v, status); err != nil {
			if c.ctx.Err() != nil {
				return err
			}
			return b.refuse(c, err)
		}
	}
}

// insufficient reports whether a server wants more permissions (RFC 6750 section 3.1).
func insufficient(e *streamable.StatusError) bool {
	return e.Status == http.StatusForbidden && !e.Gate && challengeParam(e.Challenge, "error") == "insufficient_scope"
}

// stepUp asks the agent for a token with more permissions than the one of v, and
// waits for it, 45 s at most.
func (b *bridge) stepUp(c *call, v *view, refused *streamable.StatusError) error {
	b.calls.wait(c, true)
	defer b.calls.wait(c, false)
	ctx, cancel := context.WithTimeout(c.ctx, holdLimit+goodbye)
	defer cancel()
	header := v.authorization()
	asked := make(chan error, 1) // takes the one answer
	b.spawn(func() {
		var t *local.Token
		err := b.link.ask(ctx, func(a Agent) (err error) {
			t, err = a.StepUp(ctx, local.StepUpRequest{Server: v.state.Server, Refused: v.hash(header), Challenge: b.link.heard(refused.Challenge), Wait: holdLimit})
			return err
		})
		if err == nil && t == nil {
			err = errors.New("agent gave no token")
		}
		if err == nil {
			b.link.take(t, header, v.hash(header))
		}
		asked <- err
	})
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case err := <-asked:
			return err
		case <-tick.C:
			b.progress(c, n, signInAwaited)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
