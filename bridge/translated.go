package bridge

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
	"keyporter/bridge/translate"
)

// refusedForGood reports whether a subscription that failed in this way will
// not come about by trying again.
func refusedForGood(err error) bool {
	var object *translate.ServerError
	var status *streamable.StatusError
	switch {
	case errors.As(err, &object):
		return true
	case errors.As(err, &status):
		return status.Status >= 400 && status.Status < 500 && status.Status != http.StatusUnauthorized &&
			status.Status != http.StatusRequestTimeout && status.Status != http.StatusTooManyRequests
	}
	return false
}

// subscription is one subscriptions/listen stream. It begins when requests may go
// out, and is cut when they no longer may.
func (b *bridge) subscription(ctx context.Context, version string, f frame.Frame, sink func(frame.Frame) (bool, error)) error {
	if _, err := b.link.await(ctx, (*view).ready); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	b.spawn(func() {
		if _, err := b.link.await(ctx, func(v *view) bool { return !v.ready() }); err == nil {
			cancel()
		}
	})
	m := &streamable.Message{Body: f.Raw, Meta: streamable.Meta{Version: version, Method: methodListen}}
	return b.http.Exchange(ctx, m, func(msg []byte) (bool, error) {
		f, err := frame.Scan(msg)
		if err != nil {
			return false, nil
		}
		return sink(f)
	})
}

// throughTranslated answers a call of an older client whose server only speaks
// the newer protocol.
func (b *bridge) throughTranslated(c *call, t *translate.Session) error {
	switch c.f.Method {
	case methodPing:
	case methodSetLevel:
		if !t.Offers("logging") {
			return &rpcError{raw: frame.ErrorObject(codeMethodNotFound, "Method not found.", nil)}
		}
		if !t.SetLevel(c.f.Params) {
			return &rpcError{raw: frame.ErrorObject(codeInvalidParams, "The log level is missing.", nil)}
		}
	case methodSubscribe:
		if c.f.URI == nil {
			return &rpcError{raw: frame.ErrorObject(codeInvalidParams, "The resource's URI is missing.", nil)}
		}
		if err := t.Subscribe(c.ctx, c.f.URI); err != nil {
			return asRPC(err)
		}
	case methodUnsubscribe:
		t.Unsubscribe(c.f.URI)
	default:
		return b.rounds(c, t)
	}
	// Results of these have been empty, and clients may be strict about it.
	return b.reply(c, []byte("{}"))
}

func asRPC(err error) error {
	var e *translate.ServerError
	if errors.As(err, &e) {
		return &rpcError{raw: e.Object}
	}
	return err
}

// rounds sends a call, and again with the client's input as often as the server
// asks for some.
func (b *bridge) rounds(c *call, t *translate.Session) error {
	round, err := t.First(c.f)
	for err == nil {
		var wanted []byte
		if wanted, err = b.attempt(c, t, round.Request); err != nil || wanted == nil {
			return err
		}
		b.calls.wait(c, true) // for a person
		round, err = t.Next(c.ctx, round, c.f, wanted)
		b.calls.wait(c, false)
	}
	return err
}

// attempt sends one request for c. It returns the server's result if that asks
// for input; anything else has gone to the client.
func (b *bridge) attempt(c *call, t *translate.Session, f frame.Frame) (wanted []byte, err error) {
	own := &call{f: f, key: frame.Key(f.ID), version: t.Version(), ctx: c.ctx, cancel: c.cancel, began: c.began}
	own.take = func(answer frame.Frame, msg []byte) error {
		if translate.NeedsInput(answer.Result) {
			wanted = bytes.Clone(answer.Result)
			return nil
		}
		if own.key != c.key {
			msg = frame.Set(msg, "id", c.f.ID)
		}
		return b.hand(c, answer, msg)
	}
	err = b.throughModern(own)
	c.touched, c.outcome, c.received = c.touched || own.touched, own.outcome, c.received+own.received
	return wanted, err
}

// notifyTranslated takes a notification or a response of an older client.
func (b *bridge) notifyTranslated(ctx context.Context, t *translate.Session, f frame.Frame) {
	switch {
	case f.Kind == frame.Response:
		if !t.Answer(f) {
			b.log.Debug("response of the client dropped: nobody waits for it")
		}
	case f.Kind != frame.Notification || translate.Local(f.Method):
	default:
		rich, err := t.Enrich(f)
		if err == nil {
			err = b.http.Notify(ctx, &streamable.Message{Body: rich.Raw, Meta: streamable.Meta{Version: t.Version(), Method: f.Method}})
		}
		if err != nil {
			b.log.Warn("notification not accepted", "method", f.Method, "error", err)
		}
	}
}
