package oauth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"keyporter/broker/account"
	"keyporter/internal/hint"
	"keyporter/internal/network"
)

// A rule says which addresses a Client may speak to (MCP security best
// practices, server-side request forgery):
//
//   - hosts that the user named (the server's own, AllowHosts) may be private;
//     they speak https, on loopback also http, elsewhere http only with AllowHTTP;
//   - every other host is named by a server: https and a public address only;
//   - link-local addresses, and others at which clouds keep credentials, never.
//
// A host is a name or literal, any port; 127.0.0.1 and localhost are two hosts.
type rule struct {
	named     map[string]bool
	allowHTTP bool
	public    *ssrf.Guardian
}

func newRule(o Options) (*rule, error) {
	r := &rule{named: map[string]bool{}, allowHTTP: o.AllowHTTP, public: ssrf.New(ssrf.WithAnyPort())}
	if o.ServerURL != "" {
		u, err := account.ParseURL(o.ServerURL, o.AllowHTTP)
		if err != nil {
			return nil, fmt.Errorf("ServerURL: %w", err)
		}
		r.named[hostOf(u)] = true
	}
	for _, h := range o.AllowHosts {
		host := hostOf(&url.URL{Host: bracket(h)})
		if host == "" || strings.ContainsAny(host, "/@?#") {
			return nil, fmt.Errorf("AllowHosts: %q is not a host", clean(h, 60))
		}
		r.named[host] = true
	}
	return r, nil
}

// bracket puts a bare IPv6 literal into brackets, as an address has it.
func bracket(host string) string {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() {
		return "[" + host + "]"
	}
	return host
}

// hostOf returns the host of u in one form: lower case, no final dot, literals
// as netip writes them.
func hostOf(u *url.URL) string {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if a, err := netip.ParseAddr(host); err == nil {
		return a.Unmap().String()
	}
	return host
}

// checkURL applies what can be said before the name is looked up.
func (r *rule) checkURL(u *url.URL) error {
	host := hostOf(u)
	named := r.named[host]
	switch {
	case host == "" || u.User != nil || u.Opaque != "":
		return refused(u, "it is not the plain address of a host")
	case u.Scheme == "https":
	case u.Scheme == "http" && named && (r.allowHTTP || account.Loopback(host)):
	case u.Scheme == "http":
		return plainHTTP(u, named)
	default:
		return refused(u, "it is not a web address")
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return r.checkAddr(u, a)
	}
	if !named && localName(host) {
		return refused(u, "the name belongs to a private network")
	}
	return nil
}

// checkAddr applies the rule to the address that u's host is or resolved to.
func (r *rule) checkAddr(u *url.URL, a netip.Addr) error {
	metadata := network.Metadata(a)
	a = network.Embedded(a)
	host := hostOf(u)
	switch {
	case metadata, a.IsLinkLocalUnicast(), a.IsMulticast(), a.IsUnspecified():
		return hint.New(hint.Refused, fmt.Sprintf("The address %s is not used: it leads to a place where clouds keep credentials, or nowhere.", u.Host),
			"Ask the owner of the server which address is right.")
	case account.Loopback(host) && !a.IsLoopback():
		return refused(u, "the name is this computer's own, but leads elsewhere")
	case r.named[host]:
		return nil
	}
	family := "tcp4"
	if a.Is6() {
		family = "tcp6"
	}
	if r.public.Safe(family, netip.AddrPortFrom(a, 443).String(), nil) != nil {
		return refused(u, "it leads into a private network")
	}
	return nil
}

// localName reports whether a name cannot be one of the public internet (RFC
// 6761, RFC 6762, RFC 8375, RFC 9476), or is a number that a resolver or proxy
// may take for an address. It is what can be said of a name behind a proxy.
func localName(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == host || strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") {
		return true
	}
	switch last {
	case "localhost", "local", "internal", "localdomain", "lan", "intranet", "private", "corp", "home", "test", "invalid", "onion", "alt":
		return true
	}
	return strings.HasSuffix(host, ".home.arpa")
}

// refused is the error for an address that a server named and that the rule
// forbids.
func refused(u *url.URL, why string) error {
	where := clean(u.Scheme+"://"+u.Host, 200)
	return hint.Wrap(errors.New(why), hint.Refused,
		fmt.Sprintf("A server named the address %s, which is not used without your word.", where),
		fmt.Sprintf("If you know and trust it, allow it with --allow-host %s.", clean(u.Hostname(), 200)))
}

// plainHTTP is the error for an address that would leave tokens unprotected.
func plainHTTP(u *url.URL, named bool) error {
	do := "Ask the owner of the server to use https:// there."
	if named {
		do = "Use https://, or --allow-http if you trust the whole way to the server."
	}
	return hint.New(hint.Refused, fmt.Sprintf("The address %s does not begin with https://, so a token would travel unprotected.",
		clean(u.Scheme+"://"+u.Host, 200)), do)
}

// A transport sends requests directly, with the rule applied to each address
// that is dialled, or through the user's proxy, which looks names up itself.
type transport struct {
	proxy           func(*http.Request) (*url.URL, error)
	direct, proxied *http.Transport

	// For the server's own host, if the user has a certificate for it.
	host  string
	known *transport
}

func newTransport(r *rule, o Options) *transport {
	t := &transport{proxy: o.Proxy}
	if t.proxy == nil {
		t.proxy = http.ProxyFromEnvironment
	}
	base := &http.Transport{
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  maxTime,
		MaxResponseHeaderBytes: 64 << 10,
		IdleConnTimeout:        30 * time.Second,
		MaxIdleConnsPerHost:    2,
		TLSClientConfig:        tlsConfig(o),
	}
	t.direct, t.proxied = base.Clone(), base
	t.direct.DialContext = r.dialer(o.Resolver)
	t.proxied.Proxy, t.proxied.OnProxyConnectResponse = t.proxy, network.Refusal
	if u, err := url.Parse(o.ServerURL); err == nil && o.Certificate != nil {
		t.host = hostOf(u)
		t.known = newTransport(r, withoutCertificate(o))
		for _, own := range []*http.Transport{t.known.direct, t.known.proxied} {
			own.TLSClientConfig.Certificates = []tls.Certificate{*o.Certificate}
		}
	}
	return t
}

func withoutCertificate(o Options) Options {
	o.Certificate = nil
	return o
}

// dialer returns a dial function that checks each resolved address just before
// the connection is made, so that a name cannot change its mind in between.
func (r *rule) dialer(resolver *net.Resolver) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		target := &url.URL{Scheme: "https", Host: address}
		d := net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second, Resolver: resolver}
		d.Control = func(_, resolved string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(resolved)
			if err != nil {
				return fmt.Errorf("address %q: %w", resolved, err)
			}
			return r.checkAddr(target, ap.Addr())
		}
		return d.DialContext(ctx, network, address)
	}
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if t.known != nil && hostOf(req.URL) == t.host {
		return t.known.RoundTrip(req)
	}
	p, err := t.proxy(req)
	if err != nil {
		return nil, err
	}
	if p != nil {
		return t.proxied.RoundTrip(req)
	}
	return t.direct.RoundTrip(req)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections work.
func (t *transport) CloseIdleConnections() {
	t.direct.CloseIdleConnections()
	t.proxied.CloseIdleConnections()
	if t.known != nil {
		t.known.CloseIdleConnections()
	}
}
