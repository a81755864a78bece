package streamable

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// How much is read of the body of an HTTP error, and for how long at a time: nobody
// waits for it as for an answer, and a server may let it drip for ever.
const (
	maxErrorBody = 1 << 20
	errorTime    = 5 * time.Second
)

// A StatusError is an HTTP answer that carries no messages.
type StatusError struct {
	Status      int
	ContentType string
	Body        []byte   // at most 1 MiB; it comes from the server
	Challenge   []string // WWW-Authenticate fields
	RetryAfter  string
	Gate        bool // a gate in front of the server said so, not the server

	back func() // gives back what Body takes of the budget; nil if that is nothing
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("server answered with HTTP status %d", e.Status)
}

// Forget gives up the body, and what it takes of the client's memory, before the
// request ends: the error is passed on to nobody. e may be nil.
func (e *StatusError) Forget() {
	if e != nil && e.back != nil {
		e.Body = nil
		e.back()
	}
}

// statusError reads what the server says about it. What that takes of the budget is
// given back by Forget, or when ctx, the life of the request, ends.
func (c *Client) statusError(ctx context.Context, resp *http.Response) error {
	defer resp.Body.Close()
	room := &share{of: &c.answers}
	body, err := refusalBody(ctx, resp, room)
	if err != nil {
		body = nil
	}
	e := &StatusError{Status: resp.StatusCode, ContentType: mediaType(resp), Body: body,
		Challenge: resp.Header.Values("Www-Authenticate"), RetryAfter: resp.Header.Get("Retry-After"), Gate: byGate(resp, body)}
	if _ = room.resize(ctx, len(body)); room.held > 0 { // it never grows here
		stop := context.AfterFunc(ctx, room.free)
		e.back = func() {
			if stop() {
				room.free()
			}
		}
	}
	return e
}

// refusalBody reads the body of an HTTP error, as much as is kept of it.
func refusalBody(ctx context.Context, resp *http.Response, room *share) ([]byte, error) {
	body, err := some(resp.Body, smallAnswer, errorTime)
	if err != nil || len(body) < smallAnswer {
		return body, err
	}
	if err := room.resize(ctx, maxErrorBody); err != nil {
		return nil, err
	}
	rest, err := some(resp.Body, maxErrorBody-smallAnswer, errorTime)
	return append(body, rest...), err
}

// some reads the first n bytes of a body, for a limited time.
func some(body io.ReadCloser, n int64, limit time.Duration) ([]byte, error) {
	defer time.AfterFunc(limit, func() { body.Close() }).Stop()
	return io.ReadAll(io.LimitReader(body, n))
}

// drop reads a little of a body that nobody wants, so that the connection can be
// used again, and closes it. An event stream may have no end.
func drop(resp *http.Response) {
	if mediaType(resp) != "text/event-stream" {
		_, _ = some(resp.Body, 16<<10, linger)
	}
	resp.Body.Close()
}
