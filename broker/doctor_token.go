package broker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// Tried is what a session with a server showed.
type Tried struct {
	Version string // the protocol that was agreed on
	Title   string // what the server calls itself
	Tools   int
	Took    time.Duration // from the first message to the list of tools
}

// tripLimit bounds a session with a server.
const tripLimit = 20 * time.Second

// checkToken looks at the token, and tries it. The session comes before the claims
// are judged: a server that takes the token is right about what it expects.
func (x *examination) checkToken(ctx context.Context) {
	tok := x.checkGrant(ctx)
	tried, tripErr := x.try(ctx)
	x.checkClaims(ctx, tok, tripErr)
	switch id := local.CheckRoundTrip; {
	case x.waits(id, local.CheckTLS, local.CheckAnswer, local.CheckAgent, local.CheckGrant):
	case tripErr != nil && x.waits(id, local.CheckClaims, local.CheckClock):
	case tripErr != nil:
		x.fail(id, "", tripErr)
	case tried != nil:
		x.ok(id, "%s", x.tripSeen(tried))
	}
}

func (x *examination) tripSeen(t *Tried) string {
	seen := fmt.Sprintf("%d tools after %d ms, protocol %s", t.Tools, t.Took.Milliseconds(), clip(claimed(t.Version)))
	if title := claimed(t.Title); title != "" {
		seen += fmt.Sprintf("; the server calls itself %q", title)
	}
	return seen
}

// checkGrant gets a token. The one that is returned is nil where none is needed.
func (x *examination) checkGrant(ctx context.Context) *local.Token {
	const id = local.CheckGrant
	a := x.sign.access
	needed := x.s.Account != "" || len(x.s.SecretHeaders) > 0
	switch {
	case x.waits(id, local.CheckAgent), needed && x.waits(id, local.CheckVault):
		return nil
	case !needed && (x.found == nil || !x.found.refused()):
		if !x.waits(id, local.CheckTLS, local.CheckAnswer) {
			x.ok(id, "not needed")
		}
		return nil
	case x.s.Account == "" && needed:
		if !a.ready() {
			x.fail(id, "", a.problem)
			return nil
		}
		x.ok(id, "secret headers: %s", strings.Join(x.s.SecretHeaders, ", "))
		return nil
	}
	r := local.TokenRequest{Name: x.s.Name}
	if !needed { // the server refused a request without a token, so it wants one
		r.Challenge = x.found.answer.fields
	}
	tok, err := x.b.serverToken(ctx, x.s, r)
	if err != nil {
		// Why none can be had stands before, if it is there.
		if !x.waits(id, local.CheckRegistration, local.CheckAuthServer, local.CheckClock) {
			x.fail(id, "", err)
		}
		return nil
	}
	x.b.mu.Lock()
	a = x.b.standing(x.s)
	x.b.mu.Unlock()
	x.sign.access = a
	x.ok(id, "%s", grantSeen(a, x.b.opt.Now()))
	return x.b.wireToken(x.s, tok)
}

// grantSeen says whose token it is and how long it is good.
func grantSeen(a *access, now time.Time) string {
	who := "account " + a.account.Name
	if a.identity != "" {
		who = clip(a.identity)
	}
	seen := "a token of " + who
	if left := a.expiry.Sub(now); !a.expiry.IsZero() {
		seen += fmt.Sprintf(", good for %s", left.Round(time.Second))
	}
	if a.renews {
		return seen + ", renewed by itself"
	}
	return seen
}

// try has a session with the server, unless something before failed that it needs.
func (x *examination) try(ctx context.Context) (*Tried, error) {
	if x.b.opt.Try == nil || x.cause(local.CheckTLS, local.CheckAnswer, local.CheckAgent, local.CheckGrant) != "" {
		return nil, nil
	}
	limit, cancel := context.WithTimeout(ctx, tripLimit)
	defer cancel()
	tried, err := x.b.opt.Try(limit, x.s.Name)
	if err != nil && limit.Err() != nil && ctx.Err() == nil {
		err = hint.Wrap(err, hint.Unreachable, fmt.Sprintf("%s did not finish the first exchange in %s.", x.s.Name, tripLimit), "Try again later, or ask the owner of the server.")
	}
	return tried, err
}

// checkClaims compares what is in the token with what the server expects.
func (x *examination) checkClaims(ctx context.Context, tok *local.Token, tripErr error) {
	const id = local.CheckClaims
	switch {
	case x.waits(id, local.CheckGrant):
	case tok == nil:
		x.ok(id, "there is no token")
	}
}
