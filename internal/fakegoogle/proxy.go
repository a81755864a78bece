package fakegoogle

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// hostNames are those of Google that the Server answers for.
var hostNames = []string{
	"oauth2.googleapis.com", "accounts.google.com", "iamcredentials.googleapis.com",
	"sts.googleapis.com", "secretmanager.googleapis.com", "www.googleapis.com",
}

// A proxy lets programs that speak to Google's own addresses reach the Server: it
// takes CONNECT requests for them, and no others.
type proxy struct {
	outer, inner *http.Server
	ln           net.Listener
	conns        *conns
	ca           []byte // PEM
	pool         *x509.CertPool
	tls          *tls.Config
	done         sync.WaitGroup
}

func startProxy(h http.Handler) (*proxy, error) {
	p := &proxy{}
	if err := p.makeCertificates(); err != nil {
		return nil, fmt.Errorf("make certificates of fake Google: %w", err)
	}
	var err error
	if p.ln, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("start proxy of fake Google: %w", err)
	}
	p.conns = &conns{addr: p.ln.Addr(), next: make(chan net.Conn), over: make(chan struct{})}
	p.outer = &http.Server{Handler: http.HandlerFunc(p.connect), ReadHeaderTimeout: 10 * time.Second}
	p.inner = &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	p.done.Go(func() { p.outer.Serve(p.ln) })
	p.done.Go(func() { p.inner.Serve(p.conns) })
	return p, nil
}

func (p *proxy) close() error {
	err := errors.Join(p.outer.Close(), p.inner.Close())
	p.done.Wait()
	return err
}

// connect is CONNECT (RFC 9110 section 9.3.6).
func (p *proxy) connect(w http.ResponseWriter, r *http.Request) {
	host, port, _ := net.SplitHostPort(r.Host)
	if r.Method != http.MethodConnect || port != "443" || !known(host) {
		http.Error(w, "This proxy leads to Google only.", http.StatusForbidden)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n")); err != nil {
		conn.Close()
		return
	}
	p.conns.put(tls.Server(&readAhead{conn, buffered.Reader}, p.tls))
}

func known(host string) bool {
	for _, h := range hostNames {
		if h == host {
			return true
		}
	}
	return false
}

// readAhead is a connection of which something was read already.
type readAhead struct {
	net.Conn
	r *bufio.Reader
}

func (c *readAhead) Read(b []byte) (int, error) { return c.r.Read(b) }

// conns is a listener that is given its connections.
type conns struct {
	addr net.Addr
	next chan net.Conn
	over chan struct{} // closed by Close
	once sync.Once
}

func (c *conns) put(conn net.Conn) {
	select {
	case c.next <- conn:
	case <-c.over:
		conn.Close()
	}
}

func (c *conns) Accept() (net.Conn, error) {
	select {
	case conn := <-c.next:
		return conn, nil
	case <-c.over:
		return nil, net.ErrClosed
	}
}

func (c *conns) Close() error   { c.once.Do(func() { close(c.over) }); return nil }
func (c *conns) Addr() net.Addr { return c.addr }

// makeCertificates makes an authority and a certificate for Google's names.
func (p *proxy) makeCertificates() error {
	year := time.Now().Year()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Fake Google"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Date(year-1, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(year+2, 1, 1, 0, 0, 0, 0, time.UTC), KeyUsage: x509.KeyUsageCertSign,
	}
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: hostNames[0]}, DNSNames: hostNames,
		NotBefore: root.NotBefore, NotAfter: root.NotAfter, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, root, key.Public(), rootKey)
	if err != nil {
		return err
	}
	p.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: rootDER})
	p.pool = x509.NewCertPool()
	p.pool.AppendCertsFromPEM(p.ca)
	p.tls = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return nil
}

// ProxyURL returns the address of a proxy through which Google's own addresses
// lead to the Server, for HTTPS_PROXY.
func (s *Server) ProxyURL() string { return "http://" + s.proxy.ln.Addr().String() }

// CA returns the certificate authority to trust with it, for SSL_CERT_FILE.
func (s *Server) CA() []byte { return s.proxy.ca }

// Transport returns an HTTP transport that goes through the proxy, but to this
// computer directly.
func (s *Server) Transport() *http.Transport {
	through := &url.URL{Scheme: "http", Host: s.proxy.ln.Addr().String()}
	return &http.Transport{
		Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Hostname() == "127.0.0.1" {
				return nil, nil
			}
			return through, nil
		},
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.proxy.pool},
	}
}

// MetadataHost returns where the metadata server is, for GCE_METADATA_HOST.
func (s *Server) MetadataHost() string { return strings.TrimPrefix(s.url, "http://") }
