//go:build unix

package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A proxy is a company's: it connects to where it is asked to, for those who log in.
type proxy struct {
	*httptest.Server
	login     string // user:password; empty is none
	connected atomic.Int32
	refused   atomic.Int32
}

func newProxy(t *testing.T, login string) *proxy {
	p := &proxy{login: login}
	p.Server = httptest.NewServer(p)
	t.Cleanup(p.Close)
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := (&http.Request{Header: http.Header{"Authorization": r.Header["Proxy-Authorization"]}}).BasicAuth(); p.login != "" && user+":"+password != p.login {
		p.refused.Add(1)
		w.Header().Set("Proxy-Authenticate", `Basic realm="company"`)
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	if r.Method != http.MethodConnect {
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	there, err := net.Dial("tcp", r.Host)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	p.connected.Add(1)
	here, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		there.Close()
		return
	}
	io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n")
	for _, way := range [][2]net.Conn{{here, there}, {there, here}} {
		go func() {
			_, _ = io.Copy(way[0], way[1]) // ends with either side
			way[0].Close()
		}()
	}
}

// A company has a certificate authority of its own.
type company struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newCompany(t *testing.T) *company {
	c := &company{t: t}
	c.key, c.cert = c.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "company"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	return c
}

// issue makes a certificate, signed by the company or, for the first, by itself.
func (c *company) issue(like *x509.Certificate) (*ecdsa.PrivateKey, *x509.Certificate) {
	c.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(c.t, err)
	like.SerialNumber, like.NotBefore, like.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := c.cert, c.key
	if parent == nil {
		parent, signer = like, key
	}
	der, err := x509.CreateCertificate(rand.Reader, like, parent, &key.PublicKey, signer)
	check(c.t, err)
	cert, err := x509.ParseCertificate(der)
	check(c.t, err)
	return key, cert
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// server is an MCP server of the company. It wants a client certificate of the
// company's if asks is true.
func (c *company) server(asks bool) string {
	key, cert := c.issue(&x509.Certificate{DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	sdk := mcp.NewServer(&mcp.Implementation{Name: "company", Version: "1"}, nil)
	mcp.AddTool(sdk, &mcp.Tool{Name: "ping", Description: "answers"}, func(context.Context, *mcp.CallToolRequest, struct{}) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "pong"}}}, nil, nil
	})
	s := httptest.NewUnstartedServer(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return sdk }, nil))
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}}
	if asks {
		s.TLS.ClientAuth, s.TLS.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		s.TLS.ClientCAs.AddCert(c.cert)
	}
	s.StartTLS()
	c.t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	check(c.t, err)
	return "https://localhost:" + u.Port()
}

// given returns a file that the user has elsewhere.
func given(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "given")
	check(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// TestCompanysNetwork has everything that a company may put before its server: a
// proxy with a login, certificates of its own, and client certificates.
func TestCompanysNetwork(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	c := newCompany(t)
	p := newProxy(t, "ann:"+word+"-of-the-proxy")
	key, cert := c.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "ann"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	der, err := x509.MarshalPKCS8PrivateKey(key)
	check(t, err)
	private := pemOf("PRIVATE KEY", der)
	h.secret(strings.Split(private, "\n")[1]) // a line of it in any file is one too many
	files := []string{"--ca", h.file("ca.pem", pemOf("CERTIFICATE", c.cert.Raw)), "--client-cert", h.file("ann.pem", pemOf("CERTIFICATE", cert.Raw))}
	add := append([]string{"add", "peer", c.server(true), "--proxy", p.URL}, files...)

	if r := h.run(append(add, "--client-key", h.dir+"/none")...); r.code != 1 || !strings.Contains(r.err, "cannot be read") {
		t.Errorf("a key that is not there: exit code %d\n%s", r.code, h.said(r.err))
	}
	if r := h.run(add...); r.code != 2 || !strings.Contains(r.err, "belong together") {
		t.Errorf("no key: exit code %d\n%s", r.code, h.said(r.err))
	}
	keyFile := given(t, private)
	h.do(append(add, "--client-key", keyFile)...)
	if r := h.run("tools", "peer"); r.code != 1 || !strings.Contains(r.err, "wants a user name and a password") || p.refused.Load() == 0 {
		t.Errorf("without a login: exit code %d\n%s", r.code, h.said(r.err))
	}
	h.do("set", "peer", "proxy-login-file="+given(t, "ann:"+word+"-of-the-proxy\n"))
	b := join(h, "peer", "")
	b.call("ping", nil, "pong")
	if p.connected.Load() == 0 {
		t.Error("nothing went by the proxy")
	}
	h.do("set", "peer", "client-cert=")
	if r := h.run("call", "peer", "ping", "{}"); r.code == 0 {
		t.Error("the server asks for a certificate, and a call without it succeeds")
	}
}

// A config.json that somebody else edited sends nothing by another way.
func TestEditedConfigSendsNothingAnotherWay(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	c := newCompany(t)
	h.do("add", "peer", c.server(false), "--ca", h.file("ca.pem", pemOf("CERTIFICATE", c.cert.Raw)))
	join(h, "peer", "").call("ping", nil, "pong")
	p := newProxy(t, "")
	config, err := os.ReadFile(h.paths().ConfigFile())
	check(t, err)
	edited := strings.Replace(string(config), `"ca":`, `"proxy": "`+p.URL+`", "ca":`, 1)
	check(t, os.WriteFile(h.paths().ConfigFile(), []byte(edited), 0o600))
	until(t, "the question", func() bool { return strings.Contains(h.run("tools", "peer").err, "were changed in config.json") })
	if n := p.connected.Load(); n != 0 {
		t.Errorf("%d connections took the proxy that nobody agreed to", n)
	}
}
