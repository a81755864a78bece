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
	if s.older != nil {
		era = account.EraLegacy // it has been asked
	}
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
		words += " " + b.quote(v, 20)
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
