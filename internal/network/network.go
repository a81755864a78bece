// Package network is what the user says about the way to a server: a proxy, and
// certificate authorities beside the system's. Agent and bridges use it alike. It
// starts no goroutine and keeps nothing.
package network

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"keyporter/broker/account"
	"keyporter/internal/hint"
)

// Settings are the way to one server. The zero value is the environment's proxy
// and the system's certificate authorities.
type Settings struct {
	Proxy string // a URL; "direct" for none, whatever the environment says
	CA    string // path of a PEM file with further certificate authorities
}

// Way returns the function that chooses the proxy for a request.
func (s Settings) Way() (func(*http.Request) (*url.URL, error), error) {
	switch s.Proxy {
	case "":
		return http.ProxyFromEnvironment, nil
	case account.DirectProxy:
		return func(*http.Request) (*url.URL, error) { return nil, nil }, nil
	}
	if err := account.CheckProxy(s.Proxy); err != nil {
		return nil, err
	}
	u, err := url.Parse(s.Proxy)
	if err != nil {
		return nil, err
	}
	return http.ProxyURL(u), nil
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
	t.Proxy = proxy
	if roots != nil {
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		t.TLSClientConfig.RootCAs = roots
	}
	return nil
}
