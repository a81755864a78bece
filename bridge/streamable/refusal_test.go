package streamable

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// refusing answers with an HTTP error whose body is n bytes.
type refusing struct{ n int }

func (r refusing) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusInternalServerError, Header: http.Header{}, Request: req, ContentLength: -1,
		Body: io.NopCloser(bytes.NewReader(make([]byte, r.n)))}, nil
}

// A server that refuses everything with megabytes has no more of the bridge's memory
// than one that answers with them.
func TestLargeRefusalsWaitForRoomAndSmallOnesDoNot(t *testing.T) {
	for _, test := range []struct{ size, calls, read int }{
		{2 * maxErrorBody, 8, 3}, // two fill the budget, and one may go beyond it
		{smallAnswer - 1, 8, 8},
	} {
		synctest.Test(t, func(t *testing.T) {
			c := New(Options{Access: open{&Credentials{URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}}}, Transport: refusing{test.size},
				UserAgent: "test", Log: slog.New(slog.DiscardHandler)})
			c.answers.max = 2 * maxErrorBody
			ctx, cancel := context.WithCancel(t.Context())
			var read atomic.Int32
			for range test.calls {
				go func() {
					err := c.Exchange(ctx, &Message{Body: []byte(`{}`)}, func([]byte) (bool, error) { return true, nil })
					var status *StatusError
					if errors.As(err, &status) && len(status.Body) == min(test.size, maxErrorBody) {
						read.Add(1)
					}
				}()
			}
			synctest.Wait()
			if got := int(read.Load()); got != test.read {
				t.Errorf("%d of %d refusals of %d bytes were read at once, want %d", got, test.calls, test.size, test.read)
			}
			cancel() // the calls are over
			synctest.Wait()
			if c.answers.used != 0 {
				t.Errorf("%d bytes are used by nobody", c.answers.used)
			}
		})
	}
}

// breaking answers a POST with a stream that breaks off behind an event id, and
// counts the GETs that come for the rest.
type breaking struct {
	id   string
	gets atomic.Int32
}

func (b *breaking) RoundTrip(req *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Request: req, ContentLength: -1}
	text := "id: " + b.id + "\ndata:\n\n"
	if req.Method == http.MethodGet {
		b.gets.Add(1)
		text = "data: {}\n\n"
	}
	resp.Body = io.NopCloser(strings.NewReader(text))
	return resp, nil
}

func TestNoStreamIsResumedAtAnIdThatNoRequestCanCarry(t *testing.T) {
	for id, resumed := range map[string]bool{"e1": true, "été": true, "a\x1b[31mb": false, "a\tb": false, "a\u009bb": false, strings.Repeat("a", 1<<20): false} {
		synctest.Test(t, func(t *testing.T) {
			server := &breaking{id: id}
			c := New(Options{Access: open{&Credentials{URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}}}, Transport: server,
				UserAgent: "test", Log: slog.New(slog.DiscardHandler)})
			err := c.Exchange(t.Context(), &Message{Body: []byte(`{}`), Resume: true}, func([]byte) (bool, error) { return true, nil })
			if got := server.gets.Load() > 0; got != resumed || (err == nil) != resumed {
				t.Errorf("%.20q: resumed is %v, %v", id, got, err)
			}
		})
	}
}
