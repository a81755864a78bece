package streamable

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"
)

// endpointLimit is how long a server may take to name its endpoint.
const endpointLimit = 10 * time.Second

// A Line is a session of HTTP+SSE, the transport of 2024-11-05: everything that
// the server says comes as events of one stream, and messages are POSTed to an
// endpoint that the stream's first event names. A line that broke off cannot be
// resumed. It is safe for concurrent use.
type Line struct {
	c        *Client
	endpoint *url.URL
	resp     *http.Response
	events   *EventReader
	back     func() // gives back what events holds

	mu      sync.Mutex
	waiting map[string]*waiter // by Message.Key
	gone    bool
}

// A waiter is a request that has no answer yet.
type waiter struct {
	sink Sink
	done chan error // takes one value
}

// Open asks for the event stream and waits for the endpoint. Its origin is that of
// the server's address; unless anywhere is set, it also lies in the same folder,
// because other folders may be other people's. ctx is the life of the line. The
// error is ErrNotOffered if the server speaks no HTTP+SSE.
func (c *Client) Open(ctx context.Context, anywhere bool) (*Line, error) {
	resp, err := c.do(ctx, http.MethodGet, nil, nil, func(h http.Header) { h["Accept"] = []string{"text/event-stream"} })
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK || mediaType(resp) != "text/event-stream" {
		drop(resp)
		return nil, ErrNotOffered
	}
	l := &Line{c: c, resp: resp, events: NewEventReader(resp.Body, c.max), waiting: map[string]*waiter{}}
	l.back = c.lend(ctx, l.events)
	l.events.kind = "endpoint"
	defer time.AfterFunc(endpointLimit, func() { resp.Body.Close() }).Stop()
	where, err := l.events.Next()
	l.events.kind = "message"
	if err == nil {
		l.endpoint, err = endpoint(resp.Request.URL, string(bytes.TrimSpace(where)), anywhere)
	} else if ctx.Err() == nil {
		err = ErrNotOffered
	}
	if err != nil {
		resp.Body.Close()
		l.back()
		return nil, err
	}
	return l, nil
}

// endpoint returns the address that the server named, if it is one to POST to.
func endpoint(base *url.URL, where string, anywhere bool) (*url.URL, error) {
	u, err := base.Parse(where)
	switch {
	case err != nil || where == "":
		return nil, &RedirectError{From: base, Reason: "leads nowhere"}
	case !sameOrigin(base, u):
		return nil, &RedirectError{From: base, To: u, Reason: "leads to another origin"}
	case !anywhere && !within(&url.URL{Path: path.Dir("/" + strings.Trim(base.Path, "/"))}, u):
		return nil, &RedirectError{From: base, To: u, Reason: "leads to another path"}
	}
	u.Fragment = ""
	return u, nil
}

// Run gives each answer to the request that waits for it, as answers names it by
// its key, and all else to other, until the stream ends. It is called once.
func (l *Line) Run(answers func(msg []byte) string, other Sink) error {
	defer l.end()
	for {
		msg, err := l.events.Next()
		if err != nil {
			return fmt.Errorf("event stream ended: %w", err)
		}
		key := answers(msg)
		l.mu.Lock()
		w := l.waiting[key]
		delete(l.waiting, key)
		l.mu.Unlock()
		if w == nil || key == "" {
			if _, err := other(msg); err != nil {
				return err
			}
			continue
		}
		done, err := w.sink(msg)
		if err == nil && !done {
			err = ErrNoAnswer
		}
		w.done <- err
	}
}

// end breaks off what waits.
func (l *Line) end() {
	l.resp.Body.Close()
	l.back()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	for key, w := range l.waiting {
		delete(l.waiting, key)
		w.done <- ErrNoAnswer
	}
}

// Exchange is Client.Exchange on a line. It returns ErrSessionLost if the line is
// gone and the message has not been sent.
func (l *Line) Exchange(ctx context.Context, m *Message, sink Sink) error {
	w := &waiter{sink: sink, done: make(chan error, 1)}
	l.mu.Lock()
	if l.gone {
		l.mu.Unlock()
		return ErrSessionLost
	}
	l.waiting[m.Key] = w
	l.mu.Unlock()
	err := l.Notify(ctx, m)
	if err == nil {
		select {
		case err := <-w.done:
			return err
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	l.mu.Lock()
	taken := l.waiting[m.Key] != w
	if !taken {
		delete(l.waiting, m.Key)
	}
	l.mu.Unlock()
	if !taken {
		return err
	}
	// The answer is there, or the end; a refusal says more than that.
	if end := <-w.done; err == nil || !errors.Is(end, ErrNoAnswer) {
		return end
	}
	return err
}

// Notify POSTs a message. Whatever a 2xx answer says is not read.
func (l *Line) Notify(ctx context.Context, m *Message) error {
	l.mu.Lock()
	gone := l.gone
	l.mu.Unlock()
	if gone {
		return ErrSessionLost
	}
	resp, err := l.c.do(ctx, http.MethodPost, l.endpoint, m.Body, m.fill)
	if err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return l.c.statusError(ctx, resp)
	}
	drop(resp)
	return nil
}
