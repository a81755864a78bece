// Package streamable is the side of a bridge that the MCP server sees:
// Streamable HTTP of 2025-03-26 to 2026-07-28 with raw JSON-RPC messages. It
// POSTs messages, reads answers from JSON bodies and event streams, resumes
// streams, and keeps the GET stream of a legacy session open.
//
// It knows no accounts: an Access says where requests go and what stands on
// them. It looks into no message and starts no goroutine that outlives a call.
// A caller makes a Client and calls its methods from goroutines of its own.
package streamable

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"keyporter/internal/network"
)

// Credentials are where a request goes and what makes it welcome there. They do
// not change once they are handed out.
type Credentials struct {
	URL     *url.URL
	Header  http.Header // canonical names; the token among them
	Hash    string      // names the main token; empty if there is none
	In      string      // the header of the main token
	Further []Key       // the other tokens in Header
	Bound   bool        // Header holds secrets, which go to URL's origin and path only

	// Prove makes the DPoP proof for one request; nil if the token needs none.
	Prove func(ctx context.Context, method, url, nonce string) (string, error)
}

// An Access hands out credentials. It is safe for concurrent use.
type Access interface {
	// Credentials returns what to use now. It is called for each request and is quick.
	Credentials(ctx context.Context) (*Credentials, error)
	// Renew returns better credentials than the refused ones, which the server
	// answered with 401 and these WWW-Authenticate fields. header says which of their
	// tokens is to be another: that of a Key, or "" for the main one.
	Renew(ctx context.Context, refused *Credentials, header string, challenge []string) (*Credentials, error)
}

// Options are the settings of a Client.
type Options struct {
	Access     Access            // Required.
	Transport  http.RoundTripper // Optional. Nil means NewTransport().
	UserAgent  string            // Required.
	MaxMessage int               // Optional. The largest message of the server, in bytes; 0 means 64 MiB.
	Log        *slog.Logger      // Required.
}

// A Client sends messages to one server. It is safe for concurrent use.
type Client struct {
	access    Access
	transport http.RoundTripper
	agent     string
	nonce     atomic.Pointer[string] // DPoP-Nonce, as the server gave it last
	max       int
	log       *slog.Logger
	bufs      buffers
	answers   budget
	noted     sync.Once // a redirect that was mended
}

// New returns a Client.
func New(o Options) *Client {
	c := &Client{access: o.Access, transport: o.Transport, agent: o.UserAgent, max: o.MaxMessage, log: o.Log, answers: budget{max: maxAnswers}}
	if c.transport == nil {
		c.transport = NewTransport()
	}
	if c.max <= 0 {
		c.max = 64 << 20
	}
	return c
}

// NewTransport returns the HTTP transport of a bridge: many idle connections to
// one host, no limit on how long an answer takes, pings on quiet HTTP/2 streams.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           network.Dial(dialer()),
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   15 * time.Second,
		ExpectContinueTimeout: time.Second,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       90 * time.Second,
		DisableCompression:    true,
		ForceAttemptHTTP2:     true,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
		WriteBufferSize:       16 << 10,
		ReadBufferSize:        16 << 10,

		MaxResponseHeaderBytes: 64 << 10,
	}
}

// CloseIdle closes connections that are not in use.
func (c *Client) CloseIdle() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// do sends one HTTP request and returns the answer, whatever its status. On a
// 401 it renews the token that was refused and repeats, once for each token. It goes to the server's address,
// or to another one of its origin.
func (c *Client) do(ctx context.Context, method string, to *url.URL, body []byte, fill func(http.Header)) (*http.Response, error) {
	cred, err := c.access.Credentials(ctx)
	if err != nil {
		return nil, err
	}
	asked := map[string]int{} // how often for another token, by its header
	for {
		resp, err := c.proven(ctx, cred, method, to, body, fill)
		if err != nil {
			return resp, err
		}
		header, ok := cred.blame(resp, func(header string) bool { return asked[header] > 1 })
		if !ok {
			return resp, nil
		}
		challenge := resp.Header.Values("Www-Authenticate")
		drop(resp)
		refused := cred.hash(header)
		if cred, err = c.access.Renew(ctx, cred, header, challenge); err != nil {
			return nil, err
		}
		if asked[header]++; cred.hash(header) != refused {
			asked[header] = 2 // a young token is tried twice, another one once
		}
	}
}

// maxRedirects is how many redirects one request may take.
const maxRedirects = 5

// follow sends the request and follows redirects that keep method and body: 307
// and 308 within the origin. Others are answers like any other status.
func (c *Client) follow(ctx context.Context, cred *Credentials, method string, to *url.URL, body []byte, fill func(http.Header)) (*http.Response, error) {
	base := cred.URL
	if to != nil {
		if !sameOrigin(base, to) { // the address was changed meanwhile
			return nil, &RedirectError{From: base, To: to, Reason: "leads to another origin"}
		}
		base = to
	}
	target := base
	for range maxRedirects {
		resp, err := c.send(ctx, cred, target, method, body, fill)
		if err != nil || resp.StatusCode != http.StatusTemporaryRedirect && resp.StatusCode != http.StatusPermanentRedirect {
			return resp, err
		}
		location := resp.Header.Get("Location")
		drop(resp)
		next, err := target.Parse(location)
		if err != nil || location == "" {
			return nil, &RedirectError{From: target, Reason: "leads nowhere"}
		}
		next.Fragment = ""
		c.secured(base, next)
		switch {
		case !sameOrigin(base, next):
			return nil, &RedirectError{From: target, To: next, Reason: "leads to another origin"}
		case cred.Bound && !within(base, next):
			return nil, &RedirectError{From: target, To: next, Reason: "leads to another path"}
		}
		target = next
	}
	return nil, &RedirectError{From: base, Reason: "goes in circles"}
}

// secured mends the redirect of an application that does not know that it stands
// behind a TLS proxy: it leads to http on the same host, which no request of an
// https server may take, and means https.
func (c *Client) secured(base, next *url.URL) {
	if base.Scheme != "https" || next.Scheme != "http" || !strings.EqualFold(base.Hostname(), next.Hostname()) ||
		next.Port() != "" && next.Port() != "80" && next.Port() != base.Port() {
		return
	}
	next.Scheme, next.Host = "https", base.Host
	c.noted.Do(func() {
		c.log.Info("the server redirects to http and means https; its address in Keyporter can be changed to the one it redirects to", "path", next.EscapedPath())
	})
}

// send sends one request to target, once.
func (c *Client) send(ctx context.Context, cred *Credentials, target *url.URL, method string, body []byte, fill func(http.Header)) (*http.Response, error) {
	h := make(http.Header, len(cred.Header)+8)
	for k, v := range cred.Header {
		h[k] = v
	}
	h["User-Agent"] = []string{c.agent}
	h["Accept-Encoding"] = []string{"identity"}
	fill(h)
	req := (&http.Request{Method: method, URL: target, Host: target.Host, Header: h,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	if body != nil {
		h["Content-Type"] = []string{"application/json"}
		req.ContentLength = int64(len(body))
		req.Body = io.NopCloser(bytes.NewReader(body))
		// With GetBody, net/http repeats a request of which nothing was written.
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	}
	if cred.Prove != nil {
		if err := c.prove(ctx, cred, req); err != nil {
			return nil, err
		}
	}
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if cred.Prove != nil {
		c.keepNonce(resp)
	}
	unzip(resp)
	return resp, nil
}

// sameOrigin compares origins (RFC 6454 section 5).
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch p := u.Port(); {
	case p != "":
		return p
	case u.Scheme == "https":
		return "443"
	default:
		return "80"
	}
}

// within reports whether u is base's path, with or without a slash at its end,
// or beneath it. A path with dot segments in any spelling is not.
func within(base, u *url.URL) bool {
	for seg := range strings.SplitSeq(strings.ReplaceAll(u.Path, `\`, "/"), "/") {
		if seg == "." || seg == ".." {
			return false
		}
	}
	b := strings.TrimSuffix(base.Path, "/")
	return u.User == nil && (u.Path == b || strings.HasPrefix(u.Path, b+"/"))
}

// A RedirectError is a redirect that is not followed.
type RedirectError struct {
	From, To *url.URL // To may be nil
	Reason   string
}

func (e *RedirectError) Error() string {
	if e.To == nil {
		return fmt.Sprintf("redirect %s", e.Reason)
	}
	return fmt.Sprintf("redirect %s: %s://%s%s", e.Reason, e.To.Scheme, e.To.Host, e.To.EscapedPath())
}

// mediaType returns the Content-Type without parameters, in lower case.
func mediaType(resp *http.Response) string {
	t, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(t))
}

// ErrNoAnswer means that the server ended its answer before the message came
// that was waited for.
var ErrNoAnswer = errors.New("server ended the answer before it was complete")

// Kinds of ErrNoAnswer.
var (
	// ErrEmpty means that the answer was complete and had nothing in it.
	ErrEmpty = fmt.Errorf("%w: it is empty", ErrNoAnswer)
	// ErrUnusable means that the answer was one whole text, and not the message
	// that was waited for.
	ErrUnusable = fmt.Errorf("%w: it is something else", ErrNoAnswer)
)
