package streamable

import (
	"io"
	"net"
	"net/http"
	"time"
)

// dialer makes connections that notice within a minute that their peer is gone
// without a word: keep-alives find out while nothing is under way, and unacked
// what was sent and never acknowledged, which keep-alives do not (RFC 5482).
func dialer() *net.Dialer {
	return &net.Dialer{Timeout: 15 * time.Second, Control: unacked, KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 20 * time.Second, Interval: 10 * time.Second, Count: 4}}
}

// quiet is how long a GET stream may bring nothing, not even a comment, before it is
// asked for anew: what is between may have forgotten the connection, and a proxy
// acknowledges what the server never gets.
const quiet = 5 * time.Minute

// A vigil closes a body that brings nothing for too long.
type vigil struct {
	io.ReadCloser
	timer *time.Timer
}

// watch keeps a vigil over the body of resp.
func watch(resp *http.Response) {
	body := resp.Body
	resp.Body = &vigil{body, time.AfterFunc(quiet, func() { body.Close() })}
}

func (v *vigil) Read(p []byte) (int, error) {
	n, err := v.ReadCloser.Read(p)
	v.timer.Reset(quiet)
	return n, err
}

func (v *vigil) Close() error {
	v.timer.Stop()
	return v.ReadCloser.Close()
}
