package network

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keyporter/broker/secret"
)

func TestDesktopsSayTheirProxies(t *testing.T) {
	const gnomeManual = `org.gnome.system.proxy autoconfig-url 'http://wpad/proxy.pac'
org.gnome.system.proxy ignore-hosts ['localhost', '127.0.0.0/8', '::1', '*.corp.example']
org.gnome.system.proxy mode 'manual'
org.gnome.system.proxy use-same-proxy false
org.gnome.system.proxy.http host 'web.example'
org.gnome.system.proxy.http port 8080
org.gnome.system.proxy.https host 'tls.example'
org.gnome.system.proxy.https port 8443
org.gnome.system.proxy.socks host ''
org.gnome.system.proxy.socks port 0
`
	for name, c := range map[string]struct{ got, want Desktop }{
		"GNOME": {gnome(gnomeManual), Desktop{HTTP: "http://web.example:8080", HTTPS: "http://tls.example:8443", Direct: "localhost,127.0.0.0/8,::1,.corp.example"}},
		"GNOME, one for all": {gnome(strings.NewReplacer("use-same-proxy false", "use-same-proxy true", "'tls.example'", "''").Replace(gnomeManual)),
			Desktop{HTTP: "http://web.example:8080", HTTPS: "http://web.example:8080", Direct: "localhost,127.0.0.0/8,::1,.corp.example"}},
		"GNOME, off":           {gnome(strings.Replace(gnomeManual, "'manual'", "'none'", 1)), Desktop{}},
		"GNOME, automatically": {gnome(strings.Replace(gnomeManual, "'manual'", "'auto'", 1)), Desktop{PAC: true}},
		"GNOME, SOCKS": {gnome("org.gnome.system.proxy mode 'manual'\norg.gnome.system.proxy ignore-hosts @as []\norg.gnome.system.proxy.socks host 'fd00::1'\norg.gnome.system.proxy.socks port 1080\n"),
			Desktop{HTTP: "socks5://[fd00::1]:1080", HTTPS: "socks5://[fd00::1]:1080"}},
		"KDE": {kde("[General]\nProxyType=9\n[Proxy Settings]\nProxyType=1\nhttpProxy=http://web.example 3128\nhttpsProxy[$e]=http://tls.example:3129\nNoProxyFor=localhost,.corp.example\n"),
			Desktop{HTTP: "http://web.example:3128", HTTPS: "http://tls.example:3129", Direct: "localhost,.corp.example"}},
		"KDE, SOCKS":         {kde("[Proxy Settings]\nProxyType=1\nsocksProxy=socks://web.example 1080\n"), Desktop{HTTP: "socks5://web.example:1080", HTTPS: "socks5://web.example:1080"}},
		"KDE, off":           {kde("[Proxy Settings]\nProxyType=0\nhttpProxy=http://web.example 3128\n"), Desktop{}},
		"KDE, automatically": {kde("[Proxy Settings]\nProxyType=2\nProxy Config Script=http://wpad/proxy.pac\n"), Desktop{PAC: true}},
		"macOS": {macOS(`<dictionary> {
  ExceptionsList : <array> {
    0 : *.local
    1 : 169.254/16
  }
  ExcludeSimpleHostnames : 1
  HTTPEnable : 0
  HTTPSEnable : 1
  HTTPSPort : 3128
  HTTPSProxy : tls.example
  ProxyAutoConfigEnable : 0
}
`), Desktop{HTTPS: "http://tls.example:3128", Direct: ".local,169.254.0.0/16", Plain: true}},
		"macOS, automatically": {macOS("<dictionary> {\n  ProxyAutoDiscoveryEnable : 1\n}\n"), Desktop{PAC: true}},
		"Windows": {windows(true, "web.example:8080", "10.*;*.corp.example;<local>", ""),
			Desktop{HTTP: "http://web.example:8080", HTTPS: "http://web.example:8080", Direct: "10.0.0.0/8,.corp.example", Plain: true}},
		"Windows, one each": {windows(true, "http=web.example:80;https=http://tls.example:81;ftp=x:1;socks=s:2", "", ""),
			Desktop{HTTP: "http://web.example:80", HTTPS: "http://tls.example:81"}},
		"Windows, off":           {windows(false, "web.example:8080", "", ""), Desktop{}},
		"Windows, automatically": {windows(false, "", "", "http://wpad/proxy.pac"), Desktop{PAC: true}},
	} {
		if c.got != c.want {
			t.Errorf("%s: %+v, want %+v", name, c.got, c.want)
		}
	}
}

func TestTheDesktopsProxyIsTakenWhereItApplies(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		t.Setenv(name, "")
	}
	d := windows(true, "web.example:8080", "10.*;*.corp.example;<local>", "")
	way, err := Settings{Desktop: d, Logins: map[string]secret.Plain{
		"http://web.example:8080": {Value: secret.New("ann:SECRETWORD:1")}, "http://other.example:8080": {Value: secret.New("bob:SECRETWORD-2")}}}.Way()
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{
		"https://mcp.example/mcp": "http://ann:SECRETWORD%3A1@web.example:8080", "https://[2001:db8::1]/": "http://ann:SECRETWORD%3A1@web.example:8080",
		"https://mcp.corp.example/": "", "https://10.1.2.3/": "", "https://intranet/": "", "http://127.0.0.1:1/": "", "http://localhost/": "",
	} {
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		got, err := way(&http.Request{URL: u})
		text := ""
		if got != nil {
			text = got.String()
		}
		if text != want || err != nil {
			t.Errorf("%s goes by %q (%v), want %q", to, text, err, want)
		}
	}
	if d.Unsupported() != nil {
		t.Error("a proxy that is named is unsupported")
	}
	if h := (Desktop{PAC: true}).Unsupported(); h == nil || !strings.Contains(h.What, "PAC") {
		t.Errorf("a configuration file: %v", h)
	}
}

// TestDesktopIsRead has a home whose desktop is KDE.
func TestDesktopIsRead(t *testing.T) {
	home := t.TempDir()
	file := filepath.Join(home, ".config", "kioslaverc")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("[Proxy Settings]\nProxyType=1\nhttpsProxy=http://tls.example 3129\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d := readDesktop(t.Context(), func(name string) string { return map[string]string{"HOME": home, "XDG_CURRENT_DESKTOP": "KDE"}[name] })
	if d.HTTPS != "http://tls.example:3129" {
		t.Errorf("KDE's file says %+v", d)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if d := ReadDesktop(ended, func(string) string { return "" }); d != (Desktop{}) {
		t.Errorf("nothing could be read, and it says %+v", d)
	}
}

// TestAKeyElsewhereSignsHandshakes has a client whose key is in another process.
func TestAKeyElsewhereSignsHandshakes(t *testing.T) {
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for name, key := range map[string]crypto.Signer{"Ed25519": edKey, "RSA": rsaKey} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			chain, private := selfSigned(t, key)
			pair, err := Pair(chain, secret.New(private))
			if err != nil {
				t.Fatal(name, err)
			}
			signed := 0
			client, err := Remote(chain, func(s Signing) ([]byte, error) { signed++; return s.Sign(pair) })
			if err != nil {
				t.Fatal(name, err)
			}
			here, there := net.Pipe()
			served := make(chan error, 1)
			go func() {
				served <- tls.Server(there, &tls.Config{Certificates: []tls.Certificate{*pair}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: version}).HandshakeContext(t.Context())
			}()
			conn := tls.Client(here, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{*client}})
			if err := conn.HandshakeContext(t.Context()); err != nil {
				t.Errorf("%s, %x: %v", name, version, err)
			}
			if err := <-served; err != nil || signed != 1 {
				t.Errorf("%s, %x: the server says %v; %d signatures", name, version, err, signed)
			}
			here.Close()
		}
	}
	if _, err := (Signing{Digest: []byte("x"), Hash: "MD5"}).Sign(&tls.Certificate{PrivateKey: rsaKey}); err == nil {
		t.Error("MD5 is signed")
	}
}

func TestAPairThatIsNoneIsRefusedWithoutQuotingIt(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	chain, _ := selfSigned(t, key)
	for _, private := range []string{"SECRETWORD", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nSECRETWORD\n-----END ENCRYPTED PRIVATE KEY-----\n"} {
		if _, err := Pair(chain, secret.New(private)); err == nil || strings.Contains(err.Error(), "SECRETWORD") {
			t.Errorf("the pair of nothing: %v", err)
		}
	}
}

func selfSigned(t *testing.T, key crypto.Signer) (chain, private string) {
	t.Helper()
	like := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, like, like, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}
