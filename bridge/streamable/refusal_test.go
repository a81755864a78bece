package streamable

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
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
