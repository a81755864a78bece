package bridge

import (
	"bytes"
	"context"
	"errors"
	"net/http"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
	"keyporter/bridge/translate"
	"keyporter/broker/account"
	"keyporter/internal/hint"
)

// errNotModern means that a server does not speak 2026-07-28 or later.
var errNotModern = errors.New("server does not speak the newer protocol")

// era returns what the user set for the server, or what was found out before.
func (b *bridge) era() account.Era {
	if v := b.link.view.Load(); v != nil && v.state != nil {
		return v.state.Era
	}
	return ""
}

// handshake makes the server's side of the session with the client's initialize
// and gives take the answer. The wire is nil if the answer was an error. A server
// that turns initialize away is asked whether it only speaks the newer protocol
// (2026-07-28 basic/transports/streamable-http, backward compatibility); if so,
// that is remembered, and asked first the next time. c may be nil.
func (s *session) handshake(ctx context.Context, take func(frame.Frame) error, c *call) (*wire, error) {
	era := s.b.era()
	if s.b.transport() == account.TransportSSE {
		return s.overEvents(ctx, take, c)
	}
	if era == account.EraModern {
		if w, err := s.discover(ctx, take); !errors.Is(err, errNotModern) {
			return w, err
		}
	}
	var refusal []byte
	w, err := s.initialize(ctx, s.b.http, func(f frame.Frame) error {
		if f.Error == nil {
			return take(f)
		}
		refusal = bytes.Clone(f.OneLine())
		return nil
	}, c)
	switch {
	case w != nil && era == account.EraModern:
		s.b.keep.era(account.EraAuto)
	case w == nil && era != account.EraModern && era != account.EraLegacy && turnedAway(err):
		m, again := s.discover(ctx, take)
		if m != nil {
			s.b.keep.era(account.EraModern)
		}
		if m != nil || modernRefusal(err, refusal) && !errors.Is(again, errNotModern) || ctx.Err() != nil {
			return m, again
		}
	}
	if refusal == nil && s.b.mayBeEvents(err) {
		if e, again := s.overEvents(ctx, take, c); !errors.Is(again, streamable.ErrNotOffered) {
			return e, again
		}
	}
	if refusal != nil {
		f, scanned := frame.Scan(refusal)
		if scanned != nil {
			return nil, scanned
		}
		return nil, take(f)
	}
	return w, err
}

// turnedAway reports whether initialize ended in a way in which it does at a
// server that does not know it: with an error object, or one of these statuses.
func turnedAway(err error) bool {
	var e *streamable.StatusError
	if !errors.As(err, &e) {
		return err == nil
	}
	switch e.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return true
	}
	return false
}

// modernRefusal reports whether only a newer server refuses in this way.
func modernRefusal(err error, refusal []byte) bool {
	var e *streamable.StatusError
	if errors.As(err, &e) {
		refusal = e.Body
	}
	return translate.ModernError(frame.Get(refusal, "error"))
}

// discover makes the server's side of the session with server/discover.
func (s *session) discover(ctx context.Context, take func(frame.Frame) error) (*wire, error) {
	request, err := translate.DiscoverRequest(s.init)
	if err != nil {
		return nil, err
	}
	v, _ := frame.Text(request.Version)
	m := &streamable.Message{Body: request.Raw, Meta: streamable.Meta{Version: v, Method: methodDiscover}}
	var w *wire
	err = s.b.http.Exchange(ctx, m, func(msg []byte) (bool, error) {
		f, err := frame.Scan(msg)
		if err != nil || f.Kind != frame.Response {
			return false, nil
		}
		if f.Result == nil {
			return true, s.b.unspoken(f.Error)
		}
		if w = s.translated(f.Result); w == nil {
			return true, s.b.unspoken(frame.Set([]byte(`{"code":-32022}`), "data", frame.Set([]byte("{}"), "supported", orEmpty(frame.Get(f.Result, "supportedVersions")))))
		}
		s.b.keep.note(methodDiscover, nil, f.Result)
		asked, _ := frame.Text(frame.Get(s.init.Params, "protocolVersion"))
		answer, err := frame.Scan(frame.NewResult(s.init.ID, translate.InitializeResult(f.Result, asked, s.b.info())))
		if err != nil {
			return true, err
		}
		return true, take(answer)
	})
	var status *streamable.StatusError
	if errors.As(err, &status) && status.Status >= 400 && status.Status < 500 {
		if object := frame.Get(status.Body, "error"); translate.ModernError(object) {
			return nil, s.b.unspoken(object)
		} else if turnedAway(err) {
			return nil, errNotModern
		}
	}
	if err != nil && w != nil {
		w.stop()
		w = nil
	}
	return w, err
}

// translated returns the wire to a newer server; nil if it speaks no version of ours.
func (s *session) translated(discovered []byte) *wire {
	version := translate.Choose(discovered)
	if version == "" {
		return nil
	}
	asked, _ := frame.Text(frame.Get(s.init.Params, "protocolVersion"))
	w := &wire{version: translate.Agree(asked), caps: bytes.Clone(frame.Get(discovered, "capabilities"))}
	w.ctx, w.stop = context.WithCancel(s.b.ctx)
	w.modern = translate.New(translate.Options{Initialize: s.init, Discovered: bytes.Clone(discovered), Version: version, Agreed: w.version,
		Log: s.b.log, Write: s.b.write, Go: s.b.spawn, Life: w.ctx, Refused: refusedForGood,
		Listen: func(ctx context.Context, f frame.Frame, sink func(frame.Frame) (bool, error)) error {
			return s.b.subscription(ctx, version, f, sink)
		}})
	return w
}

// unspoken says why server/discover led nowhere: errNotModern, or that the
// versions which the server names are none of ours.
func (b *bridge) unspoken(object []byte) error {
	supported := frame.Get(object, "data", "supported")
	newer := false
	words := ""
	for raw := range frame.Elements(supported) {
		v, _ := frame.Text(raw)
		newer = newer || v > newestLegacy
		words += " " + clean(v, 20)
	}
	if !newer {
		return errNotModern
	}
	return hint.New(hint.Refused, "The server "+b.host()+" speaks only versions of the protocol that Keyporter does not know:"+words+".", "Update Keyporter.")
}

func orEmpty(raw []byte) []byte {
	if raw == nil {
		return []byte("[]")
	}
	return raw
}

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
		c.answered = true
		if c.take != nil {
			return c.take(answer, msg)
		}
		return b.write(msg)
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

// otherEra reports whether the server refuses a request in a way that shows that
// it does not, or no longer, speak the era that was taken for its own.
func otherEra(e *streamable.StatusError, w *wire) bool {
	object := frame.Get(e.Body, "error")
	if w.modern == nil {
		return translate.ModernError(object)
	}
	code := string(frame.Get(object, "code"))
	return (e.Status == http.StatusBadRequest || e.Status == http.StatusNotFound || e.Status == http.StatusMethodNotAllowed) &&
		(code == "" || code == "-32000")
}
