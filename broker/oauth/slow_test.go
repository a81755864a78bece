package oauth

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/internal/hint"
)

// A drip is a server that sends a byte of its answer each second, for ever.
type drip struct{ begin, again string }

// dial connects to it.
func (d drip) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	gone := make(chan struct{}) // closed when the client has gone
	go func() {
		defer close(gone)
		io.Copy(io.Discard, there)
	}()
	go func() {
		defer there.Close()
		_, err := io.WriteString(there, d.begin)
		for tick := time.Tick(time.Second); err == nil; {
			select {
			case <-tick:
				_, err = io.WriteString(there, d.again)
			case <-gone:
				return
			}
		}
	}()
	return here, nil
}

func TestAnswersThatDripAreGivenUp(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	for name, d := range map[string]drip{
		"status line":   {"HTTP/1.1", " "},
		"header fields": {head, "X-A: b\r\n"},
		"header field":  {head + "X-A: ", "b"},
		"body":          {head + "\r\n{", " "},
		"chunks":        {head + "Transfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n"},
		"1xx answers":   {"", "HTTP/1.1 103 Early Hints\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const server = "http://127.0.0.1"
				c := newClient(t, server, func(o *Options) { o.Transport = &http.Transport{DialContext: d.dial} })
				for what, ask := range map[string]func() error{
					"metadata": func() error { _, err := c.Discover(t.Context(), server+"/mcp", nil, ""); return err },
					"registration": func() error {
						_, err := c.Register(t.Context(), &AuthorizationServerMetadata{Issuer: server, RegistrationEndpoint: server + "/register"}, ClientMetadata{})
						return err
					},
					"token": func() error { _, err := c.Token(t.Context(), server+"/token", public, nil); return err },
				} {
					began := time.Now()
					err := ask()
					limit := maxTime
					if what == "metadata" {
						limit = discoveryTime
					}
					if took := time.Since(began); err == nil || took > limit {
						t.Errorf("%s: %v after %v", what, err, took)
					}
					if h := hint.Of(err); h.Code != hint.Unreachable || !strings.Contains(h.What, "127.0.0.1") || h.Do == "" {
						t.Errorf("%s: in words: %s %s (%v)", what, h.What, h.Do, err)
					}
				}
				c.CloseIdle()
			})
		})
	}
}
