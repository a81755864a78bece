package streamable

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"time"

	"keyporter/internal/hint"
)

// ErrNotOffered means that the server has no GET stream, ErrSessionLost that it
// does not know the session any more.
var (
	ErrNotOffered  = errors.New("server offers no stream")
	ErrSessionLost = errors.New("server does not know the session any more")
)

// Listen keeps the GET stream of a legacy session open (2025-03-26 and later,
// "listening for messages from the server") and gives the sink what comes. It
// begins at the position, which it moves. It
// comes back after the time that the server asks for, or with growing pauses,
// and asks for what it missed. started is called, perhaps more than once, when the
// server has been asked. It returns ErrNotOffered, ErrSessionLost, the sink's
// error, or the context's.
func (c *Client) Listen(ctx context.Context, meta Meta, at *Position, sink Sink, started func()) error {
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { started() }})
	opened := false
	for failures := 0; ; failures++ {
		began := time.Now()
		resp, err := c.do(ctx, http.MethodGet, nil, nil, resumed(meta, at.id))
		started()
		switch {
		case err != nil:
			c.log.Debug("GET stream failed", "error", err)
		case resp.StatusCode == http.StatusOK && mediaType(resp) == "text/event-stream":
			opened = true
			watch(resp)
			before := at.id
			if _, err := c.events(ctx, resp, at, never(sink)); err != nil && !broken(err) {
				return err
			}
			// A stream that lived or brought something was no failure.
			if at.id != before || time.Since(began) > 10*time.Second {
				failures = -1
			}
		default:
			drop(resp)
			if err := final(resp.StatusCode, opened, meta.Session != ""); err != nil {
				return err
			}
			c.log.Debug("GET stream refused", "status", resp.StatusCode)
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		d := at.wait(max(failures, 0))
		if err := pause(ctx, d+rand.N(d/10+1)); err != nil {
			return err
		}
	}
}

// never keeps a sink from ending the stream.
func never(sink Sink) Sink {
	return func(msg []byte) (bool, error) {
		_, err := sink(msg)
		return false, err
	}
}

// final returns why there is no use in asking for the stream again, or nil. A
// 404 means a lost session only if the stream was there before: some servers
// have no GET at all and answer 404 instead of 405.
func final(status int, opened, session bool) error {
	switch {
	case status == http.StatusNotFound && opened && session:
		return ErrSessionLost
	case status == http.StatusUnauthorized || temporary(status):
		return nil
	case status < 300 && opened:
		return nil
	}
	return ErrNotOffered
}

// retriable reports whether an error may go away by itself: one of the network,
// not one with words, which comes from the Access.
func retriable(err error) bool {
	var redirect *RedirectError
	var words *hint.Error
	return !errors.As(err, &redirect) && !errors.As(err, &words)
}
