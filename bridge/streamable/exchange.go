package streamable

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// A Sink takes the messages of an answer in the order they come. msg is the
// sink's to change, the byte behind it too, and lives until it returns. done
// means that nothing more is waited for; an error ends the exchange.
type Sink func(msg []byte) (done bool, err error)

// A Message is what is POSTed.
type Message struct {
	Body   []byte
	Meta   Meta
	Key    string            // names the request, for a Line
	Resume bool              // a legacy request: a stream that breaks off is resumed by GET
	Header func(http.Header) // Optional. Sees the answer's header before its messages.
}

// linger is how long a stream may stay open behind the last message.
const linger = time.Second

// Exchange POSTs a request and gives the sink what comes back, until the sink
// is done. Errors are those of the Access, *StatusError, *RedirectError,
// ErrNoAnswer, ErrTooLarge, or the network's.
func (c *Client) Exchange(ctx context.Context, m *Message, sink Sink) error {
	resp, err := c.do(ctx, http.MethodPost, nil, m.Body, m.fill)
	if err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return c.statusError(ctx, resp)
	}
	if m.Header != nil {
		m.Header(resp.Header)
	}
	switch mediaType(resp) {
	case "text/event-stream":
		return c.stream(ctx, m, resp, sink)
	case "application/json":
		return c.whole(ctx, resp, sink)
	}
	if resp.StatusCode == http.StatusAccepted || resp.StatusCode == http.StatusNoContent {
		drop(resp)
		return ErrEmpty
	}
	return c.statusError(ctx, resp)
}

// Notify POSTs a message that is not answered. What the body of a 2xx answer
// says does not matter.
func (c *Client) Notify(ctx context.Context, m *Message) error {
	resp, err := c.do(ctx, http.MethodPost, nil, m.Body, m.fill)
	if err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return c.statusError(ctx, resp)
	}
	drop(resp)
	return nil
}

// End ends a session with DELETE (2025-03-26 and later, session management).
// Servers that do not do that answer 405, which is fine.
func (c *Client) End(ctx context.Context, meta Meta) error {
	resp, err := c.do(ctx, http.MethodDelete, nil, nil, meta.fill)
	if err != nil {
		return err
	}
	drop(resp)
	return nil
}

func (m *Message) fill(h http.Header) {
	h["Accept"] = []string{"application/json, text/event-stream"}
	m.Meta.fill(h)
}

// whole reads an answer that is one JSON text.
func (c *Client) whole(ctx context.Context, resp *http.Response, sink Sink) error {
	defer resp.Body.Close()
	room := &share{of: &c.answers}
	defer room.free()
	body, err := c.readBody(ctx, resp, room)
	defer func() { c.bufs.put(body) }()
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if len(body) == 0 {
		return ErrEmpty
	}
	done, err := sink(body)
	if err == nil && !done {
		err = ErrUnusable
	}
	return err
}

// readBody reads a body through the limit, in one piece where its length is
// known, and leaves room for a line end behind it. The buffer, and the share of
// the budget that it takes, are to be given back.
func (c *Client) readBody(ctx context.Context, resp *http.Response, room *share) ([]byte, error) {
	n := resp.ContentLength
	if n > int64(c.max) {
		return nil, ErrTooLarge
	}
	if n >= 0 {
		if err := room.resize(ctx, int(n)+1); err != nil {
			return nil, err
		}
		body := c.bufs.get(int(n) + 1)[:n]
		_, err := io.ReadFull(resp.Body, body)
		if err == nil {
			// Reading the end lets the connection be used again.
			resp.Body.Read(body[n : n+1 : n+1])
		}
		return body, err
	}
	body := c.bufs.get(16 << 10)
	for {
		if cap(body)-len(body) < 2 {
			most := c.max + 2 // one byte beyond the limit shows that it is passed
			if err := room.resize(ctx, nextSize(cap(body), most)); err != nil {
				return body, err
			}
			body = c.bufs.grow(body, most)
		}
		n, err := resp.Body.Read(body[len(body) : cap(body)-1])
		body = body[:len(body)+n]
		switch {
		case len(body) > c.max:
			return body, ErrTooLarge
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return body, err
		}
	}
}

// stream reads an answer that is an event stream and resumes it if it breaks
// off, has given event ids and may be resumed.
func (c *Client) stream(ctx context.Context, m *Message, resp *http.Response, sink Sink) error {
	var at Position
	done, err := c.events(ctx, resp, &at, sink)
	if done || err != nil && !broken(err) || !m.Resume || at.id == "" {
		return ended(done, err)
	}
	for failures := 0; failures < 5; failures++ {
		if err := pause(ctx, at.wait(failures)); err != nil {
			return err
		}
		resp, err := c.do(ctx, http.MethodGet, nil, nil, resumed(m.Meta, at.id))
		if err != nil {
			if ctx.Err() != nil || !retriable(err) {
				return err
			}
			continue
		}
		if resp.StatusCode != http.StatusOK || mediaType(resp) != "text/event-stream" {
			if temporary(resp.StatusCode) {
				drop(resp)
				continue
			}
			return c.statusError(ctx, resp)
		}
		before := at.id
		done, err := c.events(ctx, resp, &at, sink)
		if done || err != nil && !broken(err) {
			return ended(done, err)
		}
		if at.id != before {
			failures = -1
		}
	}
	return ErrNoAnswer
}

// ended says how a stream ended that is not resumed.
func ended(done bool, err error) error {
	switch {
	case done:
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return ErrNoAnswer
	default:
		return err
	}
}

// A Position is how far a stream has been read, and when its server wants to be
// asked again.
type Position struct {
	id    string
	retry time.Duration
}

// wait returns how long to wait before connecting again: what the server asked
// for, otherwise a second, and longer after failures.
func (p *Position) wait(failures int) time.Duration {
	d := time.Second
	if p.retry > 0 {
		d = p.retry
	}
	return min(d<<min(failures, 6), max(d, time.Minute))
}

// events gives the sink the events of one answer. It closes the body. The error
// is a brokenError if the stream broke off or ended.
func (c *Client) events(ctx context.Context, resp *http.Response, at *Position, sink Sink) (done bool, err error) {
	defer resp.Body.Close()
	r := NewEventReader(resp.Body, c.max)
	defer c.lend(ctx, r)()
	r.LastID, r.Retry = at.id, at.retry
	for {
		msg, err := r.Next()
		if at.id, at.retry = r.LastID, r.Retry; !carriable(at.id) {
			at.id = "" // the stream cannot be resumed there
		}
		if err != nil {
			if errors.Is(err, ErrTooLarge) {
				return done, err
			}
			return done, &brokenError{err}
		}
		now, err := sink(msg)
		if err != nil {
			return done, err
		}
		if now && !done {
			done = true
			// The server ends the stream now; the connection is good for
			// another request if that is seen.
			defer time.AfterFunc(linger, func() { resp.Body.Close() }).Stop()
		}
	}
}

// lend has a reader use the client's buffers, within the budget, until the
// function that it returns is called.
func (c *Client) lend(ctx context.Context, r *EventReader) (back func()) {
	room := &share{of: &c.answers}
	r.bufs, r.crowded = &c.bufs, room.beyond
	r.room = func(n int) error { return room.resize(ctx, n) }
	return func() {
		r.release()
		room.free()
	}
}

// A brokenError is the end of a stream, in order or not.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return "stream ended: " + e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

func broken(err error) bool {
	var b *brokenError
	return errors.As(err, &b)
}

func resumed(m Meta, id string) func(http.Header) {
	return func(h http.Header) {
		h["Accept"] = []string{"text/event-stream"}
		m.Method, m.Named, m.Params = "", false, nil
		m.fill(h)
		if id != "" {
			h[headerLastID] = []string{id}
		}
	}
}

func temporary(status int) bool {
	return status == http.StatusRequestTimeout || status == http.StatusConflict || status == http.StatusTooManyRequests || status >= 500
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
