package streamable

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// clientOf returns a client of a server that answers as transport does.
func clientOf(transport http.RoundTripper) *Client {
	return New(Options{Access: open{&Credentials{URL: &url.URL{Scheme: "http", Host: "127.0.0.1"}}}, Transport: transport,
		UserAgent: "test", Log: slog.New(slog.DiscardHandler)})
}

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
			c := clientOf(refusing{test.size})
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

// faltering breaks each stream off behind an event id, and refuses every second GET
// with a megabyte, until the answer comes.
type faltering struct{ gets int }

func (f *faltering) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet {
		f.gets++
	}
	if f.gets%2 == 1 {
		return refusing{maxErrorBody}.RoundTrip(req)
	}
	text := fmt.Sprintf("id: e%d\ndata:\n\n", f.gets)
	if f.gets == 40 {
		text = "data: {}\n\n"
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Request: req, ContentLength: -1,
		Body: io.NopCloser(strings.NewReader(text))}, nil
}

// A call whose stream is refused again and again before it goes on keeps no room from
// the answers of other calls.
func TestAStreamThatIsHardToResumeLeavesRoomForOtherAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, answered := clientOf(&faltering{}), false
		err := c.Exchange(t.Context(), &Message{Body: []byte(`{}`), Resume: true}, func([]byte) (bool, error) {
			answered = true
			if c.answers.used != 0 {
				t.Errorf("%d bytes are used by refusals that nobody hears of", c.answers.used)
			}
			return true, nil
		})
		if err != nil || !answered {
			t.Errorf("the call ended with %v", err)
		}
	})
}

// Of a refusal only what was read takes room, until it is forgotten or the call ends.
func TestARefusalTakesTheRoomOfWhatItSays(t *testing.T) {
	c := clientOf(refusing{3 * smallAnswer})
	ctx, cancel := context.WithCancel(t.Context())
	var last *StatusError
	for range 3 {
		last.Forget()
		if err := c.Exchange(ctx, &Message{Body: []byte(`{}`)}, nil); !errors.As(err, &last) || c.answers.used != 3*smallAnswer {
			t.Fatalf("%d bytes are used by one refusal of %d: %v", c.answers.used, 3*smallAnswer, err)
		}
	}
	last.Forget()
	last.Forget()
	cancel()
	if c.answers.used != 0 || last.Body != nil {
		t.Errorf("%d bytes are used by nobody", c.answers.used)
	}
}
