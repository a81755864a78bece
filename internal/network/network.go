// Package network is the way to a server: a proxy, with the login that it wants, a
// certificate of the user's, and certificate authorities beside the system's. Agent
// and bridges use it alike. It starts no goroutine and keeps nothing.
//
// A proxy comes from the server's own settings; if they name none, from the
// environment; if that names none, from the desktop's settings (desktop.go).
package network

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// Settings are the way to one server. The zero value is the environment's proxy
// and the system's certificate authorities.
type Settings struct {
	Proxy   string                  // a URL; "direct" for none, whatever else there is
	CA      string                  // path of a PEM file with further certificate authorities
	Desktop Desktop                 // the desktop's proxies, for when neither Proxy nor the environment names one
	Logins  map[string]secret.Plain // "user:password" of proxies, by account.ProxyAddress; may be nil
	// Certificate is the user's, for servers that ask for one. Optional.
	Certificate *tls.Certificate
}

// Way returns the function that chooses the proxy for a request.
func (s Settings) Way() (func(*http.Request) (*url.URL, error), error) {
	choose := func(r *http.Request) (*url.URL, error) {
		if inEnvironment() {
			return http.ProxyFromEnvironment(r)
		}
		return s.Desktop.proxy(r.URL)
	}
	switch s.Proxy {
	case "":
	case account.DirectProxy:
		return func(*http.Request) (*url.URL, error) { return nil, nil }, nil
	default:
		if err := account.CheckProxy(s.Proxy); err != nil {
			return nil, err
		}
		u, err := url.Parse(s.Proxy)
		if err != nil {
			return nil, err
		}
		choose = http.ProxyURL(u)
	}
	return func(r *http.Request) (*url.URL, error) {
		u, err := choose(r)
		if u == nil || err != nil || u.User != nil {
			return u, err
		}
		return s.login(u), nil
	}, nil
}

// login adds user and password to a proxy's address, if they are known. They go
// into the Proxy-Authorization field, and nowhere else.
func (s Settings) login(u *url.URL) *url.URL {
	login, ok := s.Logins[account.ProxyAddress(u)]
	if !ok {
		return u
	}
	user, password, _ := strings.Cut(login.Reveal(), ":")
	with := *u
	with.User = url.UserPassword(user, password)
	return &with
}

// inEnvironment reports whether the environment says anything about proxies.
func inEnvironment() bool {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"} {
		if os.Getenv(name) != "" {
			return true
		}
	}
	return os.Getenv("NO_PROXY") == "*" || os.Getenv("no_proxy") == "*"
}

// Roots returns the certificate authorities; nil means the system's alone.
func (s Settings) Roots() (*x509.CertPool, error) {
	if s.CA == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(s.CA)
	if err != nil {
		return nil, hint.Wrap(err, hint.Failed, fmt.Sprintf("The file of certificate authorities %s cannot be read.", s.CA), "Look at --ca of the server.")
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, hint.New(hint.Failed, fmt.Sprintf("There is no certificate in %s.", s.CA), "Give a file in PEM form to --ca of the server.")
	}
	return pool, nil
}

// Apply makes a transport take the way.
func (s Settings) Apply(t *http.Transport) error {
	proxy, err := s.Way()
	if err != nil {
		return err
	}
	roots, err := s.Roots()
	if err != nil {
		return err
	}
	t.Proxy, t.OnProxyConnectResponse = proxy, Refusal
	if t.TLSClientConfig == nil {
		t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if roots != nil {
		t.TLSClientConfig.RootCAs = roots
	}
	if s.Certificate != nil {
		t.TLSClientConfig.Certificates = []tls.Certificate{*s.Certificate}
	}
	return nil
}

// Refusal puts into words why a proxy makes no connection, for
// http.Transport.OnProxyConnectResponse. What may pass by itself has no words.
func Refusal(_ context.Context, proxy *url.URL, _ *http.Request, res *http.Response) error {
	switch {
	case res.StatusCode == http.StatusProxyAuthRequired:
		return LoginWanted(proxy.Host)
	case res.StatusCode == http.StatusForbidden || res.StatusCode == http.StatusMethodNotAllowed:
		return hint.Wrap(errors.New(res.Status), hint.Refused, fmt.Sprintf("The proxy %s does not let Keyporter connect to the server.", proxy.Host),
			"Ask whoever runs your network.")
	}
	return nil
}

// LoginWanted says that a proxy wants to know who asks.
func LoginWanted(proxy string) *hint.Error {
	return hint.New(hint.Refused, fmt.Sprintf("The proxy %s wants a user name and a password, and does not accept what it got, if anything.", proxy),
		"Put user:password into a file and give it to Keyporter: keyporter set NAME proxy-login-file=FILE")
}
