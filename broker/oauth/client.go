// Package oauth speaks with authorization servers as a client: challenges (RFC
// 9110 section 11.6.1, RFC 6750), metadata (RFC 9728, RFC 8414, OpenID Connect
// Discovery), registration (RFC 7591) and token requests (RFC 6749, RFC 7523,
// RFC 8707, RFC 7009, RFC 8628, RFC 9449), with the rules of MCP authorization 2026-07-28 and the
// fall-backs for servers of 2025-03-26.
//
// A caller makes a Client for each MCP server, because what addresses a Client
// may speak to follows from the address that the user typed. It does not run
// sign-ins and keeps no tokens; those are broker/source/... and broker/vault.
// It starts no goroutines beyond net/http's own.
package oauth

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

const (
	maxBody      = 1 << 20          // bytes of an answer that are read at most
	maxTime      = 30 * time.Second // for one request with its answer
	maxRedirects = 3                // of a metadata request
	maxMoves     = 5                // of a document that is not metadata
)

// Options say what a Client may speak to, and with what.
type Options struct {
	// ServerURL is the address of the MCP server, as the user typed it. Optional:
	// empty for an account without a server. Its host may be private; on loopback
	// it may speak plain http.
	ServerURL string

	// AllowHosts are further hosts that the user named: names or literal
	// addresses, without a port. They have the same rights as ServerURL's host.
	// Optional.
	AllowHosts []string

	// AllowHTTP permits plain http to ServerURL's host and AllowHosts beyond
	// loopback. Optional.
	AllowHTTP bool

	// RootCAs verify servers' certificates. Optional; nil means the system's.
	RootCAs *x509.CertPool

	// Certificate is the user's for ServerURL's host, if that asks for one. Other
	// hosts do not get it. Optional.
	Certificate *tls.Certificate

	// Proxy chooses the proxy for a request. Optional; nil means
	// http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)

	// Resolver looks up host names. Optional; nil means net.DefaultResolver.
	Resolver *net.Resolver

	// Gate returns header fields that requests to ServerURL's origin need to reach
	// it: the token of a gate in front. Optional.
	Gate func(context.Context) (http.Header, error)

	// Transport sends requests in place of the guarded transport; the rules on
	// addresses are then checked on names and literals only. Optional; for tests.
	Transport http.RoundTripper

	// Now is the clock. Optional; nil means time.Now.
	Now func() time.Time

	// Log hears method, host, path and status of each request, at level debug.
	// Optional; nil means silence.
	Log *slog.Logger
}

// A Client sends requests to authorization servers and for metadata. Each
// request has a limit on time (30 s) and on the size of its answer (1 MiB), and
// goes only where the address rule allows: to the hosts that the user named, or
// to public addresses over https. It is safe for concurrent use.
type Client struct {
	rule   rule
	http   *http.Client
	gate   func(context.Context) (http.Header, error)
	origin string // of ServerURL, for gate
	now    func() time.Time
	log    *slog.Logger

	mu     sync.Mutex
	nonces map[string]string // of DPoP, by origin
}

// NewClient returns a Client. Its error names the option that is wrong.
func NewClient(o Options) (*Client, error) {
	r, err := newRule(o)
	if err != nil {
		return nil, err
	}
	c := &Client{rule: *r, now: o.Now, log: o.Log, nonces: map[string]string{}}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	rt := o.Transport
	if rt == nil {
		rt = newTransport(r, o)
	}
	if o.Gate != nil {
		if u, err := url.Parse(o.ServerURL); err == nil {
			c.gate, c.origin = o.Gate, account.Origin(u)
		}
	}
	c.http = &http.Client{Transport: rt, CheckRedirect: c.checkRedirect}
	return c, nil
}

// Follower returns an HTTP client for documents that may have moved: it follows a
// few redirects, to other hosts too, and goes only where the Client may. It has no
// limits of time and size of its own.
func (c *Client) Follower() *http.Client {
	return &http.Client{Transport: c.http.Transport, CheckRedirect: func(req *http.Request, via []*http.Request) error {
		if len(via) > maxMoves {
			return errors.New("too many redirects")
		}
		return c.rule.checkURL(req.URL)
	}}
}

// CloseIdle closes connections that no request uses.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// A response is an answer that has been read.
type response struct {
	host   string
	status int
	header http.Header
	body   []byte
	sent   []string      // secrets of the request, which are taken out of what is quoted
	ahead  time.Duration // how far our clock is ahead of the server's
	timed  []string      // codes of a refusal for which that may be the reason
}

// quote cleans a text of the answer for an error.
func (r *response) quote(text string, limit int) string {
	return secret.Quote(text, limit, r.sent...)
}

func (r *response) ok() bool { return r.status >= 200 && r.status < 300 }

// do sends one request and reads the answer. Its errors are hints, and hold
// neither the query of the address nor any part of a body.
func (c *Client) do(ctx context.Context, method, rawURL string, header http.Header, body []byte) (*response, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("%q is not an address", clean(rawURL, 200))
	}
	if err := c.rule.checkURL(u); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request to %s: %w", u.Host, unwrapURL(err))
	}
	req.Header = header
	req.Header.Set("User-Agent", "keyporter")
	sent := fieldSecrets(header.Values("Authorization"))
	if c.gate != nil && account.Origin(u) == c.origin {
		fields, err := c.gate(ctx)
		if err != nil {
			return nil, err
		}
		for name, values := range fields {
			sent = append(sent, fieldSecrets(values)...)
			if req.Header.Get(name) == "" { // a client's own authentication goes first
				req.Header[name] = values
			}
		}
	}
	res, err := c.http.Do(req)
	if err != nil {
		c.log.DebugContext(ctx, "request failed", "method", method, "host", u.Host, "path", u.Path, "error", unwrapURL(err))
		return nil, unreachable(ctx, u, unwrapURL(err))
	}
	defer res.Body.Close()
	c.log.DebugContext(ctx, "request", "method", method, "host", u.Host, "path", u.Path, "status", res.StatusCode)
	b, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, hint.Wrap(err, hint.Unreachable, fmt.Sprintf("%s began to answer and did not come to an end in time.", u.Host),
			"Try again later; if it happens again, ask whoever runs it.")
	case err != nil:
		return nil, unreachable(ctx, u, err)
	case len(b) > maxBody:
		return nil, hint.New(hint.Refused, fmt.Sprintf("%s answered with more than 1 MiB.", u.Host),
			"Ask whoever runs it; an answer of this kind is small.")
	}
	return &response{host: u.Host, status: res.StatusCode, header: res.Header, body: b, sent: sent, ahead: ClockAhead(c.now(), res.Header.Get("Date"))}, nil
}

// checkRedirect lets metadata requests follow a few redirects on the same host,
// and nothing else. What is not followed is answered as it came.
func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if c.gate != nil && account.Origin(first.URL) == c.origin && account.Origin(req.URL) != c.origin {
		return http.ErrUseLastResponse
	}
	if first.Header.Get("Authorization") != "" || first.Method != http.MethodGet || len(via) > maxRedirects ||
		hostOf(req.URL) != hostOf(first.URL) || first.URL.Scheme == "https" && req.URL.Scheme != "https" ||
		c.rule.checkURL(req.URL) != nil {
		return http.ErrUseLastResponse
	}
	return nil
}

// unwrapURL takes the address, whose query may be secret, off a net/http error.
func unwrapURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// unreachable gives a network error its words.
func unreachable(ctx context.Context, u *url.URL, err error) error {
	var words *hint.Error
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(err, &words): // the address rule, at dial time
		return words
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled):
		return fmt.Errorf("ask %s: %w", u.Host, context.Canceled)
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &cert):
		return hint.Wrap(err, hint.Refused, fmt.Sprintf("The certificate of %s is not trusted.", u.Host),
			"If your organisation has its own certificate authority, name its file with --ca or SSL_CERT_FILE.")
	}
	return hint.Wrap(err, hint.Unreachable, fmt.Sprintf("%s cannot be reached.", u.Host), "Check the network and try again.")
}

func tlsConfig(o Options) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.RootCAs}
}
