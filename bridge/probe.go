package bridge

import (
	"context"
	"encoding/json"
	"time"

	"keyporter/bridge/frame"
	"keyporter/broker/account"
	"keyporter/internal/hint"
)

// probeLimit is how long server/discover of a newer client waits for the agent's
// first word. A client that hears nothing for long takes the server for an older
// one (2026-07-28 basic/transports/stdio, backward compatibility).
const probeLimit = time.Second

// probe answers server/discover of a newer client: with the server's own answer
// if it can be had, else with the last known one. Where a server is known to be an
// older one the client is let go on with initialize at once. If it goes on without,
// it is served as well as can be; see older.go.
func (b *bridge) probe(c *call) error {
	ctx, cancel := context.WithTimeout(c.ctx, probeLimit)
	defer cancel()
	v, err := b.link.latest(ctx)
	switch {
	case c.ctx.Err() != nil:
		return context.Cause(c.ctx)
	case err != nil:
		return b.recall(c, b.answers(c.ctx), hint.Wrap(err, hint.Failed, "Keyporter has not told yet how to reach the server.", ""))
	case v.state != nil && v.state.Era == account.EraLegacy:
		return fallBack(hint.New(hint.Refused, "The server is set to the older protocol in Keyporter.", "Begin with initialize."))
	case !v.ready():
		return b.standIn(c, v, v.err)
	}
	if err = b.through(c); missing(err) && !c.answered.Load() {
		return b.standIn(c, v, err)
	}
	return err
}

// recall answers server/discover with what is known. Where a person has to do
// something first, a server that nobody has seen is introduced as one of both
// eras, because a client may know only one; what it speaks is found out later. Any
// other cause may pass soon, and a client of both is better off with initialize.
func (b *bridge) recall(c *call, known map[string]json.RawMessage, cause error) error {
	if result := known[methodDiscover]; result != nil {
		return b.reply(c, b.ofEra(c, result))
	}
	if known[methodInitialize] == nil && (missing(cause) || b.era() == account.EraModern) {
		b.offer.Store(true)
		return b.reply(c, b.discovered(c, cause))
	}
	return fallBack(cause)
}

// fallBack is an error after which clients go on with initialize: any but those
// that only newer servers send (2026-07-28 basic/versioning).
func fallBack(cause error) error {
	h := hint.Of(cause)
	return &rpcError{raw: frame.ErrorObject(codeMethodNotFound, "Method not found.", &failure{Keyporter: h.Code, What: h.What, Do: h.Do})}
}
