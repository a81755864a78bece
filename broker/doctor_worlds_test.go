package broker

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/broker/vault"
	"keyporter/internal/fakemcp"
)

// noKeyring is a desktop without a keyring.
type noKeyring struct{}

func (noKeyring) Get(context.Context, string) (secret.Value, error) {
	return secret.Value{}, vault.ErrNoKeyring
}
func (noKeyring) Set(context.Context, string, secret.Value) error { return vault.ErrNoKeyring }
func (noKeyring) Delete(context.Context, string) error            { return vault.ErrNoKeyring }

func brokenSelves() []diagnosis {
	plainClinic := func(t *testing.T) *clinic { return newClinic(t, nil) }
	return []diagnosis{
		{name: "another version runs", id: local.CheckPrograms, what: "version test", do: "keyporter stop", world: plainClinic, ask: local.DoctorRequest{Version: "2.0"}},
		{name: "the program was moved", id: local.CheckPrograms, what: "no longer there", do: "Install", world: func(t *testing.T) *clinic {
			return newClinic(t, func(o *Options) { o.Command = filepath.Join(t.TempDir(), "gone") })
		}},
		{name: "paused", id: local.CheckAgent, what: "paused", do: "resume", world: func(t *testing.T) *clinic {
			c := withStatic(t, fakemcp.Start(t, fakemcp.Options{Open: true}).URL())
			if err := c.Pause(t.Context()); err != nil {
				t.Fatal(err)
			}
			return c
		}},
		{name: "config.json was broken by hand", id: local.CheckSettings, what: "config.json", world: func(t *testing.T) *clinic {
			c := newClinic(t, nil)
			c.add("open", fakemcp.Start(t, fakemcp.Options{Open: true}).URL(), nil)
			writeText(t, c.paths.ConfigFile(), "{")
			c.until("the mistake to be seen", func(st *local.State) bool { return st.Problem != nil })
			return c
		}},
		{name: "the log was overwritten with zeros", id: local.CheckLog, what: "not as it was written", do: "log --verify", world: func(t *testing.T) *clinic {
			c := withStatic(t, fakemcp.Start(t, fakemcp.Options{Open: true}).URL())
			c.stop()
			writeText(t, c.paths.Audit(), strings.Repeat("\x00", 300))
			c.start()
			return c
		}},
		{name: "something was put behind the log", id: local.CheckLog, what: "audit.jsonl.damaged-1", do: "log --verify", world: func(t *testing.T) *clinic {
			c := withStatic(t, fakemcp.Start(t, fakemcp.Options{Open: true}).URL())
			c.stop()
			whole, err := os.ReadFile(c.paths.Audit())
			if err != nil {
				t.Fatal(err)
			}
			writeText(t, c.paths.Audit(), string(whole)+"no record")
			c.start()
			if st := c.snapshot(); st.Problem == nil || !strings.Contains(st.Problem.Text(), "audit.jsonl.damaged-1") || !strings.Contains(c.log.String(), "audit.jsonl.damaged-1") {
				t.Errorf("the state's problem is %v, want the file that was set aside, there and in the log", st.Problem)
			}
			return c
		}},
		{name: "no keyring", id: local.CheckKeyring, what: "There is no keyring here", do: "keyporter vault use passphrase", world: func(t *testing.T) *clinic {
			return newClinic(t, func(o *Options) { o.Vault.Backend, o.Vault.Keyring = vault.Keyring, noKeyring{} })
		}},
		{name: "damaged", id: local.CheckVault, what: "damaged", do: "keyporter vault restore", world: func(t *testing.T) *clinic {
			c := withStatic(t, fakemcp.Start(t, fakemcp.Options{Open: true}).URL())
			c.stop()
			writeText(t, c.paths.Vault(), "no vault")
			c.start()
			return c
		}},
		{name: "a record was changed", id: local.CheckLog, what: "line 2: record 2 was changed", do: "keyporter log --verify", world: func(t *testing.T) *clinic {
			c := withStatic(t, fakemcp.Start(t, fakemcp.Options{Open: true}).URL())
			text, err := os.ReadFile(c.paths.Audit())
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.SplitAfter(string(text), "\n")
			lines[1] = strings.Replace(lines[1], `"ok"`, `"no"`, 1)
			writeText(t, c.paths.Audit(), strings.Join(lines, ""))
			return c
		}},
		{name: "its passphrase is missing", id: local.CheckVault, what: "passphrase is needed", do: "keyporter start", world: func(t *testing.T) *clinic {
			c := withStatic(t, fakemcp.Start(t, fakemcp.Options{Open: true}).URL())
			c.stop()
			before := c.change
			c.change = func(o *Options) { before(o); o.Passphrase = nil }
			c.start()
			return c
		}},
	}
}

// An authority is who issues certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, organisation string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: organisation + " Root CA", Organization: []string{organisation}},
		NotBefore: time.Now().AddDate(-5, 0, 0), NotAfter: time.Now().AddDate(5, 0, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &authority{c, key}
}

// file is the authority's certificate as --ca takes it.
func (a *authority) file(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	writeText(t, path, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})))
	return path
}

// serve runs an open MCP server over TLS, with a certificate of a for host that is
// good for a year from begin on.
func (a *authority) serve(t *testing.T, host string, begin time.Time, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: host}, NotBefore: begin, NotAfter: begin.AddDate(1, 0, 0)}
	if ip := net.ParseIP(host); ip != nil {
		c.IPAddresses = []net.IP{ip}
	} else {
		c.DNSNames = []string{host}
	}
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	m, err := fakemcp.New(fakemcp.Options{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	handler := http.Handler(m)
	if wrap != nil {
		handler = wrap(handler)
	}
	s := httptest.NewUnstartedServer(handler)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // clients that do not trust it hang up
	s.StartTLS()
	m.SetURL(s.URL)
	t.Cleanup(func() {
		s.CloseClientConnections()
		m.Close()
		s.Close()
	})
	return s.URL + fakemcp.Path
}

// dated answers with another time than this computer's.
func dated(off time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(off).UTC().Format(http.TimeFormat))
			next.ServeHTTP(w, r)
		})
	}
}

// serving runs a handler and returns its address with the usual path.
func serving(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL + fakemcp.Path
}

// closedPort is an address of this computer at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	return s.URL
}

func brokenRoads() []diagnosis {
	now := time.Now()
	with := func(change func(*local.PutServer)) func(*testing.T, string) *clinic {
		return func(t *testing.T, url string) *clinic { return withServer(t, url, change) }
	}
	ca := func(file string) func(*local.PutServer) { return func(p *local.PutServer) { p.Server.CA = file } }
	way := func(proxy string) func(*local.PutServer) {
		return func(p *local.PutServer) { p.Server.Proxy = proxy }
	}
	proxying := func(t *testing.T, status int) string {
		return strings.TrimSuffix(serving(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })), fakemcp.Path)
	}
	return []diagnosis{
		{name: "two hours off", id: local.CheckClock, what: "119 min ahead", do: "automatic time", world: func(t *testing.T) *clinic {
			a := newAuthority(t, "Example")
			return with(ca(a.file(t)))(t, a.serve(t, "127.0.0.1", now.AddDate(0, -1, 0), dated(-2*time.Hour+time.Minute)))
		}},
		{name: "years off, so that certificates seem to have ended", id: local.CheckClock, what: "ahead of the server's", do: "automatic time", world: func(t *testing.T) *clinic {
			a := newAuthority(t, "Example")
			return with(ca(a.file(t)))(t, a.serve(t, "127.0.0.1", now.AddDate(-2, 0, 0), dated(-400*24*time.Hour)))
		}},
		{name: "a name that nobody knows", id: local.CheckDNS, what: "mcp.example.com is not known", do: "VPN", world: func(t *testing.T) *clinic {
			nobody := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
				return nil, errors.New("no name service")
			}}
			road := &http.Transport{DialContext: (&net.Dialer{Resolver: nobody}).DialContext}
			c := newClinic(t, func(o *Options) { o.HTTP = road })
			c.add("notes", "https://mcp.example.com/mcp", func(p *local.PutServer) { p.Offline = true })
			return c
		}},
		{name: "does not run", id: local.CheckProxy, what: "cannot be reached", do: "HTTPS_PROXY", world: func(t *testing.T) *clinic {
			return with(way(closedPort(t)))(t, "https://mcp.example.com/mcp")
		}},
		{name: "wants a password", id: local.CheckProxy, what: "wants a password", do: "HTTPS_PROXY", world: func(t *testing.T) *clinic {
			return with(way(proxying(t, 407)))(t, "https://mcp.example.com/mcp")
		}},
		{name: "forbids the host", id: local.CheckProxy, what: "refuses connections", do: "IT", world: func(t *testing.T) *clinic {
			return with(way(proxying(t, 403)))(t, "https://mcp.example.com/mcp")
		}},
		{name: "the proxy cannot reach it", id: local.CheckConnection, what: "could not reach mcp.example.com", do: "proxy=direct", world: func(t *testing.T) *clinic {
			return with(way(proxying(t, 502)))(t, "https://mcp.example.com/mcp")
		}},
		{name: "nobody listens", id: local.CheckConnection, what: "Nothing answers", do: "firewall", world: func(t *testing.T) *clinic {
			return with(nil)(t, closedPort(t)+"/mcp")
		}},
		{name: "an authority of one's own", id: local.CheckTLS, what: "issued by Example Root CA", do: "ca=FILE", world: func(t *testing.T) *clinic {
			return with(nil)(t, newAuthority(t, "Example").serve(t, "127.0.0.1", now, nil))
		}},
		{name: "inspection that is not trusted", id: local.CheckTLS, what: "Zscaler opens the connection", do: "root certificate of Zscaler", world: func(t *testing.T) *clinic {
			return with(nil)(t, newAuthority(t, "Zscaler Inc.").serve(t, "127.0.0.1", now, nil))
		}},
		{name: "inspection that is trusted", id: local.CheckTLS, result: local.CheckNote, what: "Zscaler opens this connection", do: "ask your IT", world: func(t *testing.T) *clinic {
			a := newAuthority(t, "Zscaler Inc.")
			return with(ca(a.file(t)))(t, a.serve(t, "127.0.0.1", now.AddDate(0, -1, 0), nil))
		}},
		{name: "another host's certificate", id: local.CheckTLS, what: "belongs to another host", do: "address", world: func(t *testing.T) *clinic {
			a := newAuthority(t, "Example")
			return with(ca(a.file(t)))(t, a.serve(t, "mcp.example.com", now.AddDate(0, -1, 0), nil))
		}},
		{name: "a certificate that has ended", id: local.CheckTLS, what: "is good only from", do: "renew", world: func(t *testing.T) *clinic {
			a := newAuthority(t, "Example")
			return with(ca(a.file(t)))(t, a.serve(t, "127.0.0.1", now.AddDate(-2, 0, 0), nil))
		}},
		{name: "no TLS at all", id: local.CheckTLS, what: "does not speak TLS", do: "port", world: func(t *testing.T) *clinic {
			return with(nil)(t, strings.Replace(serving(t, http.NotFoundHandler()), "http://", "https://", 1))
		}},
		{name: "the file of authorities is gone", id: local.CheckTLS, what: "cannot be read", do: "--ca", world: func(t *testing.T) *clinic {
			a := newAuthority(t, "Example")
			file := a.file(t)
			c := with(ca(file))(t, a.serve(t, "127.0.0.1", now.AddDate(0, -1, 0), nil))
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			return c
		}},
	}
}
