package broker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
	"keyporter/internal/network"
)

// reached is what was seen on the way to a server.
type reached struct {
	answer *answer
	err    error
	failed local.CheckID // at which step the way ended; empty: there is an answer
	via    *url.URL      // the proxy; nil: none
	at     time.Time     // when the answer came, by this computer's clock

	mu        sync.Mutex // guards what the trace writes: it may go on after an error
	addresses []string
	connected string // the address at the other end
	took      time.Duration
	refusal   int // the proxy's status for CONNECT, when it refused
}

// ask asks a server, on a connection of its own so that each step is seen.
func (r *reached) ask(ctx context.Context, b *Broker, s *account.Server) {
	way, err := b.way(s)
	if err != nil {
		r.err, r.failed = err, local.CheckProxy
		return
	}
	choose, err := way.Way()
	if err != nil {
		r.err, r.failed = err, local.CheckProxy
		return
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, http.NoBody)
	if err == nil && b.opt.HTTP == nil {
		if r.via, err = choose(req); r.via != nil {
			r.via = &url.URL{Scheme: r.via.Scheme, Host: r.via.Host} // its login is nobody's business
		}
	}
	if err != nil {
		r.err, r.failed = err, local.CheckProxy
		return
	}
	client, done, err := b.tracedClient(way, r)
	if err != nil {
		r.err, r.failed = err, local.CheckTLS
		return
	}
	defer done()
	began := b.opt.Now()
	r.answer, r.err = probeBy(httptrace.WithClientTrace(ctx, r.trace(began, b.opt.Now)), client, s)
	r.at = b.opt.Now()
	switch {
	case r.err != nil:
		r.failed = r.step()
	case r.via != nil && r.answer.status == http.StatusProxyAuthRequired:
		r.failed, r.refusal = local.CheckProxy, r.answer.status
	}
}

// tracedClient is serverClient without connections from before, hearing what a
// proxy says.
func (b *Broker) tracedClient(way network.Settings, r *reached) (*http.Client, func(), error) {
	if b.opt.HTTP != nil {
		return b.httpClient(), func() {}, nil
	}
	t := newTransport()
	if err := way.Apply(t); err != nil {
		return nil, nil, err
	}
	t.OnProxyConnectResponse = func(_ context.Context, _ *url.URL, _ *http.Request, res *http.Response) error {
		if res.StatusCode != http.StatusOK {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.refusal = res.StatusCode
		}
		return nil
	}
	return &http.Client{Transport: t, Timeout: requestLimit}, t.CloseIdleConnections, nil
}

func (r *reached) trace(began time.Time, now func() time.Time) *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		DNSDone: func(i httptrace.DNSDoneInfo) {
			r.mu.Lock()
			defer r.mu.Unlock()
			for _, a := range i.Addrs {
				r.addresses = append(r.addresses, a.String())
			}
		},
		ConnectDone: func(_, address string, err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if err == nil && r.connected == "" {
				r.connected, r.took = address, now().Sub(began)
			}
		},
	}
}

// step returns the step at which the way to the server ended.
func (r *reached) step() local.CheckID {
	var dns *net.DNSError
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	r.mu.Lock()
	defer r.mu.Unlock()
	proxied := r.via != nil
	switch {
	case r.refusal == http.StatusProxyAuthRequired, r.refusal == http.StatusForbidden:
		return local.CheckProxy
	case r.refusal != 0: // it could not reach the server itself
		return local.CheckConnection
	case errors.As(r.err, &cert), errors.As(r.err, &record), errors.As(r.err, &alert), errors.Is(r.err, http.ErrSchemeMismatch):
		return local.CheckTLS
	case proxied && (r.connected == "" || errors.As(r.err, &op) && op.Op == "proxyconnect"):
		return local.CheckProxy
	case errors.As(r.err, &dns):
		return local.CheckDNS
	case r.connected == "":
		return local.CheckConnection
	}
	return local.CheckAnswer
}

// checkNetwork says how far the way to the server went.
func (x *examination) checkNetwork() {
	r := &x.reach
	r.mu.Lock()
	defer r.mu.Unlock()
	u, err := url.Parse(x.s.URL)
	if err != nil {
		u = &url.URL{}
	}
	failed := false
	step := func(id local.CheckID, seen func() string, words func() error) {
		switch {
		case r.failed == id:
			failed = true
			x.fail(id, "", words())
		case failed || id == local.CheckTLS && r.failed == local.CheckClock:
			x.skip(id, r.failed)
		default:
			x.ok(id, "%s", seen())
		}
	}
	step(local.CheckDNS, func() string {
		switch {
		case r.via != nil:
			return "left to the proxy"
		case len(r.addresses) == 0:
			return "not needed"
		}
		return u.Hostname() + " is " + strings.Join(r.addresses[:min(4, len(r.addresses))], ", ")
	}, func() error {
		return hint.Wrap(r.err, hint.Unreachable, fmt.Sprintf("The name %s is not known to this computer's name service.", u.Hostname()),
			"Check the spelling of the address, and the network or VPN that knows the name.")
	})
	step(local.CheckProxy, func() string {
		if r.via == nil {
			return "none"
		}
		return r.via.Scheme + "://" + r.via.Host
	}, x.proxyWords)
	step(local.CheckConnection, func() string {
		switch {
		case r.connected == "":
			return "there is one"
		case r.via != nil:
			return fmt.Sprintf("through the proxy at %s, after %d ms", r.connected, r.took.Milliseconds())
		}
		return fmt.Sprintf("%s, after %d ms", r.connected, r.took.Milliseconds())
	}, func() error { return x.connectionWords(u) })
	step(local.CheckTLS, func() string { return r.certificate(u) }, func() error { return x.certificateWords(u) })
	if who := r.inspector(); who != "" && !failed {
		last := x.checks[len(x.checks)-1]
		last.Result, last.Problem = local.CheckNote, hint.New(hint.Failed,
			fmt.Sprintf("%s opens this connection on its way and looks into it; this computer trusts it.", who),
			"Nothing needs to be done while it works; if the server refuses requests, ask your IT to leave this host alone.")
	}
}

// direct goes around a proxy.
func (x *examination) direct() string {
	return fmt.Sprintf("keyporter set %s proxy=direct", quoteArg(x.s.Name))
}

func (x *examination) proxyWords() error {
	r, direct := &x.reach, x.direct()
	var worded *hint.Error
	switch {
	case errors.As(r.err, &worded):
		return r.err
	case r.refusal == http.StatusProxyAuthRequired:
		return hint.New(hint.Refused, fmt.Sprintf("The proxy %s wants a password (407).", r.via.Host),
			"Set the proxy with its user name and password in the environment (HTTPS_PROXY), then keyporter stop and keyporter start.")
	case r.refusal != 0:
		return hint.New(hint.Refused, fmt.Sprintf("The proxy %s refuses connections to this server (%d).", r.via.Host, r.refusal),
			"Ask your IT to allow it, or go around the proxy: "+direct)
	case r.via != nil:
		return hint.Wrap(r.err, hint.Unreachable, fmt.Sprintf("The proxy %s cannot be reached.", r.via.Host),
			"Check the address in HTTPS_PROXY or in the server's proxy setting; without a proxy: "+direct)
	}
	return hint.Wrap(r.err, hint.Failed, "The proxy setting cannot be understood.", "Look at HTTPS_PROXY and at the server's proxy setting.")
}

func (x *examination) connectionWords(u *url.URL) error {
	r := &x.reach
	if r.refusal != 0 {
		return hint.New(hint.Unreachable, fmt.Sprintf("The proxy %s could not reach %s (%d).", r.via.Host, u.Host, r.refusal),
			"Check the address; if only this computer can reach it, go around the proxy: "+x.direct())
	}
	return hint.Wrap(r.err, hint.Unreachable, fmt.Sprintf("Nothing answers at %s.", u.Host),
		"Check that the server runs, that the port is right, and that no firewall or missing VPN is in between.")
}

// certificate says whose certificate was seen.
func (r *reached) certificate(u *url.URL) string {
	switch {
	case u.Scheme == "http":
		return "not used: the address begins with http://"
	case r.answer == nil || r.answer.tls == nil || len(r.answer.tls.PeerCertificates) == 0:
		return "the certificate is trusted"
	}
	c := r.answer.tls.PeerCertificates[0]
	return fmt.Sprintf("%s, issued by %s, good until %s", tls.VersionName(r.answer.tls.Version), issuerOf(c), c.NotAfter.Format(time.DateOnly))
}

// issuerOf names who issued a certificate.
func issuerOf(c *x509.Certificate) string {
	name := c.Issuer.CommonName
	if org := c.Issuer.Organization; len(org) > 0 && !strings.Contains(name, org[0]) {
		name = strings.TrimSpace(org[0] + " " + name)
	}
	if name == "" {
		return "somebody without a name"
	}
	return clip(claimed(name))
}

// chain returns the certificates that were shown, trusted or not.
func (r *reached) chain() []*x509.Certificate {
	var cert *tls.CertificateVerificationError
	switch {
	case errors.As(r.err, &cert):
		return cert.UnverifiedCertificates
	case r.answer != nil && r.answer.tls != nil:
		return r.answer.tls.PeerCertificates
	}
	return nil
}

func (r *reached) inspector() string { return network.Inspector(r.chain()) }

// certificateWords says what is wrong with a server's certificate.
func (x *examination) certificateWords(u *url.URL) error {
	r := &x.reach
	var worded *hint.Error
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	give := fmt.Sprintf("keyporter set %s ca=FILE", quoteArg(x.s.Name))
	chain := r.chain()
	switch who := r.inspector(); {
	case errors.As(r.err, &worded):
		return r.err
	case who != "" && !errors.As(r.err, &name):
		return hint.Wrap(r.err, hint.Refused, fmt.Sprintf("%s opens the connection to %s and looks into it, and this computer does not trust its certificate.", who, u.Host),
			fmt.Sprintf("Ask your IT for the root certificate of %s as a PEM file, then: %s (for all servers: SSL_CERT_FILE).", who, give))
	case errors.As(r.err, &record), errors.Is(r.err, http.ErrSchemeMismatch):
		return hint.Wrap(r.err, hint.Refused, fmt.Sprintf("%s does not speak TLS there.", u.Host), "Check the port of the address; https:// usually has 443.")
	case errors.As(r.err, &name):
		return hint.Wrap(r.err, hint.Refused, fmt.Sprintf("The certificate at %s belongs to another host.", u.Host),
			"Check the address; if it is right, ask the owner of the server to correct its certificate.")
	case errors.As(r.err, &invalid) && invalid.Reason == x509.Expired && len(chain) > 0:
		return hint.Wrap(r.err, hint.Refused, fmt.Sprintf("The certificate of %s is good only from %s to %s.", u.Host, chain[0].NotBefore.Format(time.DateOnly), chain[0].NotAfter.Format(time.DateOnly)),
			"Ask the owner of the server to renew it.")
	case len(chain) > 0:
		return hint.Wrap(r.err, hint.Refused, fmt.Sprintf("The certificate of %s is issued by %s, which this computer does not trust.", u.Host, issuerOf(chain[len(chain)-1])),
			fmt.Sprintf("If that is your organisation's own authority, give its certificate as a PEM file: %s (for all servers: SSL_CERT_FILE).", give))
	}
	return hint.Wrap(r.err, hint.Refused, fmt.Sprintf("No safe connection to %s could be made.", u.Host), "Ask the owner of the server which TLS versions it speaks.")
}

const (
	// clockNotice is from which difference on a clock is worth a word. The Date
	// field has whole seconds.
	clockNotice = 5 * time.Second
	// clockLimit is from which difference on servers refuse fresh tokens.
	clockLimit = 30 * time.Second
)

// checkClock compares this computer's clock with the server's. A certificate that
// seems to have ended may only show that this clock is wrong, so then the server
// is asked for its time over a connection that is not trusted, and nothing else.
func (x *examination) checkClock(ctx context.Context) {
	r := &x.reach
	var invalid x509.CertificateInvalidError
	ended := r.failed == local.CheckTLS && errors.As(r.err, &invalid) && invalid.Reason == x509.Expired
	var theirs time.Time
	switch {
	case r.answer != nil && r.failed == "":
		theirs = r.answer.date
	case ended:
		theirs, r.at = x.untrustedTime(ctx), x.b.opt.Now()
	case r.failed != "":
		x.skip(local.CheckClock, r.failed)
		return
	}
	if theirs.IsZero() {
		x.ok(local.CheckClock, "the server does not say what time it has")
		return
	}
	off := r.at.Sub(theirs).Round(time.Second)
	if off > 0 && off <= time.Second { // the field is cut, not rounded
		off = 0
	}
	seen := duration(off) + " from the server's"
	words := func(code hint.Code) *hint.Error {
		which := map[bool]string{true: "ahead of", false: "behind"}[off > 0]
		return hint.New(code, fmt.Sprintf("This computer's clock is %s %s the server's.", duration(off), which),
			"Switch on automatic time in the settings of this computer; if its time is right, tell the owner of the server.")
	}
	switch {
	case off.Abs() > clockLimit:
		x.fail(local.CheckClock, seen, words(hint.Failed))
		if ended && !theirs.Before(r.chain()[0].NotBefore) && !theirs.After(r.chain()[0].NotAfter) {
			r.failed = local.CheckClock // by the right time the certificate is good
		}
	case off.Abs() > clockNotice:
		x.note(local.CheckClock, seen, words(hint.Failed))
	default:
		x.ok(local.CheckClock, "%s", seen)
	}
}

// duration says how long something takes, as people do; its sign does not count.
func duration(d time.Duration) string {
	switch d = d.Abs().Round(time.Second); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

// untrustedTime returns the Date of a server whose certificate is not trusted, or
// zero. The request says nothing.
func (x *examination) untrustedTime(ctx context.Context) time.Time {
	t := newTransport()
	defer t.CloseIdleConnections()
	way, err := x.b.way(x.s)
	if err != nil || (network.Settings{Proxy: way.Proxy, Desktop: way.Desktop, Logins: way.Logins}).Apply(t) != nil {
		return time.Time{}
	}
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}
	u, err := url.Parse(x.s.URL)
	if err != nil {
		return time.Time{}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, account.Origin(u)+"/", http.NoBody)
	if err != nil {
		return time.Time{}
	}
	res, err := t.RoundTrip(req)
	if err != nil {
		return time.Time{}
	}
	res.Body.Close()
	date, _ := http.ParseTime(res.Header.Get("Date")) // zero if it is not one
	return date
}
