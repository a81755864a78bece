package oauth

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"keyporter/internal/hint"
)

func TestAddressRuleOnNamesAndLiterals(t *testing.T) {
	const public, typed = "https://mcp.example.com/mcp", "https://10.1.2.3/mcp"
	tests := []struct {
		name, server string
		allow        []string
		http         bool
		target       string
		ok           bool
	}{
		{"public name", public, nil, false, "https://as.example.org/token", true},
		{"public literal", public, nil, false, "https://93.184.216.34/token", true},
		{"plain http to a public name", public, nil, false, "http://as.example.org/token", false},
		{"plain http to the server's own host", "https://mcp.example.com", nil, false, "http://mcp.example.com/token", false},
		{"plain http that the user allowed", "http://mcp.corp.example/mcp", nil, true, "http://mcp.corp.example:8080/token", true},
		{"plain http to another host in spite of that", "http://mcp.corp.example/mcp", nil, true, "http://as.example.org/token", false},
		{"no other scheme", public, nil, false, "file:///etc/passwd", false},
		{"no user in the address", public, nil, false, "https://a:b@as.example.org/", false},
		{"private literal named by a server", public, nil, false, "https://10.1.2.3/token", false},
		{"private literal that the user typed", typed, nil, false, "https://10.1.2.3:8443/token", true},
		{"another private literal", typed, nil, false, "https://10.1.2.4/token", false},
		{"private literal that the user allowed", public, []string{"10.1.2.4"}, false, "https://10.1.2.4/token", true},
		{"single-label name", public, nil, false, "https://intranet/token", false},
		{"single-label name that the user allowed", public, []string{"INTRANET."}, false, "https://intranet/token", true},
		{"name of the local network", public, nil, false, "https://printer.local/", false},
		{"cloud metadata by name", public, nil, false, "https://metadata.google.internal/", false},
		{"cloud metadata", public, nil, false, "https://169.254.169.254/latest", false},
		{"cloud metadata even if allowed", public, []string{"169.254.169.254"}, false, "https://169.254.169.254/latest", false},
		{"cloud metadata over IPv6", public, nil, false, "https://[fd00:ec2::254]/", false},
		{"link-local with IPv6", "https://[fe80::1]/mcp", nil, false, "https://[fe80::1]/", false},
		{"IPv4-mapped private", public, nil, false, "https://[::ffff:10.1.2.3]/", false},
		{"IPv4-mapped link-local, typed", "https://[::ffff:169.254.169.254]/", nil, false, "https://169.254.169.254/", false},
		{"NAT64 to a private address", public, nil, false, "https://[64:ff9b::10.1.2.3]/", false},
		{"NAT64 to a public address", public, nil, false, "https://[64:ff9b::93.184.216.34]/", true},
		{"local NAT64 to link-local", public, nil, false, "https://[64:ff9b:1::169.254.169.254]/", false},
		{"6to4 to a private address", public, nil, false, "https://[2002:a01:203::1]/", false},
		{"ISATAP to link-local", public, nil, false, "https://[2001:db8::5efe:169.254.169.254]/", false},
		{"Teredo to link-local, typed", "https://[2001:0:4136:e378:8000:63bf:5601:5601]/", nil, false, "https://[2001:0:4136:e378:8000:63bf:5601:5601]/", false},
		{"Azure's wire server even if allowed", public, []string{"168.63.129.16"}, false, "https://168.63.129.16/machine", false},
		{"Google's metadata over IPv6, typed", "https://[fd20:ce::254]/", nil, false, "https://[fd20:ce::254]/", false},
		{"unique local", public, nil, false, "https://[fd12::1]/", false},
		{"carrier-grade NAT", public, nil, false, "https://100.64.1.1/", false},
		{"unspecified", public, []string{"0.0.0.0"}, false, "https://0.0.0.0/", false},
		{"loopback named by a public server", public, nil, false, "http://127.0.0.1/token", false},
		{"loopback over https named by a public server", public, nil, false, "https://127.0.0.1/token", false},
		{"localhost named by a public server", public, nil, false, "https://localhost/token", false},
		{"the user's own loopback, any port", "http://127.0.0.1:4000/mcp", nil, false, "http://127.0.0.1:5000/token", true},
		{"another loopback address", "http://127.0.0.1:4000/mcp", nil, false, "http://127.0.0.2:5000/token", false},
		{"localhost for 127.0.0.1", "http://127.0.0.1:4000/mcp", nil, false, "http://localhost:4000/token", false},
		{"localhost typed", "http://localhost:4000/mcp", nil, false, "http://LOCALHOST:4001/token", true},
		{"IPv6 loopback typed in another form", "http://[::1]:4000/mcp", nil, false, "http://[0:0:0:0:0:0:0:1]:4001/", true},
		{"a number as a host", public, nil, false, "https://2130706433/", false},
		{"a short literal", public, nil, false, "https://127.1/", false},
		{"a hexadecimal literal", public, nil, false, "https://0x7f.0x1/", false},
		{"a final dot", public, nil, false, "https://localhost./", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := newRule(Options{ServerURL: tt.server, AllowHosts: tt.allow, AllowHTTP: tt.http})
			if err != nil {
				t.Fatal(err)
			}
			u, err := url.Parse(tt.target)
			if err != nil {
				t.Fatal(err)
			}
			err = r.checkURL(u)
			if got := err == nil; got != tt.ok {
				t.Errorf("checkURL(%s) = %v, want allowed %v", tt.target, err, tt.ok)
			}
			if err != nil && (hint.CodeOf(err) != hint.Refused || hint.Of(err).Do == "") {
				t.Errorf("refusal without words: %v", err)
			}
		})
	}
}

// The name is harmless; where it leads to counts, at the moment of dialling.
func TestAddressRuleAtDialTime(t *testing.T) {
	tests := []struct {
		name, target, leadsTo string
		refused               bool
	}{
		{"private", "https://as.example.org/token", "10.1.2.3", true},
		{"loopback", "https://as.example.org/token", "127.0.0.1", true},
		{"link-local", "https://as.example.org/token", "169.254.169.254", true},
		{"link-local behind the user's own name", "https://mcp.example.com/token", "169.254.169.254", true},
		{"loopback behind the user's own name", "https://mcp.example.com/token", "127.0.0.1", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newClient(t, "https://mcp.example.com/mcp", func(o *Options) {
				o.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
				o.Resolver = resolveTo(tt.leadsTo)
			})
			_, err := c.Token(t.Context(), strings.Replace(tt.target, "/token", ":1/token", 1), ClientAuth{Method: AuthNone, ClientID: "c"}, nil)
			if err == nil {
				t.Fatal("the request went through")
			}
			// Port 1 is closed: an address that may be dialled is unreachable.
			want := hint.Unreachable
			if tt.refused {
				want = hint.Refused
			}
			if got := hint.CodeOf(err); got != want {
				t.Errorf("got %s, want %s: %v", got, want, err)
			}
		})
	}
}

func TestAddressRuleBehindProxy(t *testing.T) {
	proxied := 0
	proxy := serve(t, func(w http.ResponseWriter, r *http.Request) {
		proxied++
		http.Error(w, "no tunnel", http.StatusBadGateway)
	})
	c := newClient(t, "https://mcp.example.com/mcp", func(o *Options) {
		o.Proxy = func(*http.Request) (*url.URL, error) { return url.Parse(proxy.URL) }
	})
	for _, target := range []string{"https://10.1.2.3/", "https://intranet/", "https://127.1/", "http://as.example.org/"} {
		if _, err := c.Token(t.Context(), target, ClientAuth{Method: AuthNone, ClientID: "c"}, nil); hint.CodeOf(err) != hint.Refused {
			t.Errorf("%s: got %v, want a refusal", target, err)
		}
	}
	if proxied != 0 {
		t.Errorf("the proxy saw %d requests to refused addresses", proxied)
	}
	if _, err := c.Token(t.Context(), "https://as.example.org/", ClientAuth{Method: AuthNone, ClientID: "c"}, nil); hint.CodeOf(err) != hint.Unreachable || proxied != 1 {
		t.Errorf("a public name did not go through the proxy on loopback: %v", err)
	}
}

func TestRedirectsStayOnTheHostAndAreFewAndOnlyForMetadata(t *testing.T) {
	elsewhere := 0
	other := serve(t, func(w http.ResponseWriter, _ *http.Request) { elsewhere++; io.WriteString(w, `{}`) })
	var posts int
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost:
			posts++
			http.Redirect(w, r, "/other", http.StatusTemporaryRedirect)
		case r.URL.Path == "/away":
			http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1), http.StatusFound)
		case r.URL.Path == "/private":
			http.Redirect(w, r, "https://10.1.2.3/", http.StatusFound)
		case r.URL.Path == "/loop":
			http.Redirect(w, r, "/loop", http.StatusFound)
		case r.URL.Path == "/near":
			http.Redirect(w, r, "/here", http.StatusFound)
		default:
			io.WriteString(w, `{"found":true}`)
		}
	})
	// Both hosts are the user's own: that they are two is what counts.
	c := newClient(t, s.URL, func(o *Options) { o.AllowHosts = []string{"localhost"} })
	for _, path := range []string{"/away", "/private", "/loop"} {
		if _, absent, err := c.document(t.Context(), s.URL+path); err == nil || !absent || !strings.Contains(err.Error(), "redirects elsewhere") {
			t.Errorf("%s: got %v", path, err)
		}
	}
	if elsewhere != 0 {
		t.Error("a redirect to another host was followed")
	}
	if body, _, err := c.document(t.Context(), s.URL+"/near"); err != nil || string(body) != `{"found":true}` {
		t.Errorf("a redirect on the same host: %s, %v", body, err)
	}
	_, err := c.Token(t.Context(), s.URL+"/token", ClientAuth{Method: AuthNone, ClientID: "c"}, nil)
	var e *Error
	if !errors.As(err, &e) || e.Status != http.StatusTemporaryRedirect || posts != 1 {
		t.Errorf("a redirect of a token request: %v, %d posts", err, posts)
	}
}

func TestOptionsNameTheFieldThatIsWrong(t *testing.T) {
	for field, o := range map[string]Options{
		"ServerURL":  {ServerURL: "ftp://x"},
		"AllowHosts": {AllowHosts: []string{"https://host/"}},
	} {
		if _, err := NewClient(o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

// resolveTo returns a resolver that answers every name with one address.
func resolveTo(addr string) *net.Resolver {
	a := netip.MustParseAddr(addr).As4()
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go answerDNS(there, a)
		return here, nil
	}}
}

// answerDNS answers queries in the framing of RFC 1035 section 4.2.2 until the
// other side closes.
func answerDNS(c net.Conn, a [4]byte) {
	defer c.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, q); err != nil {
			return
		}
		end := 12
		for q[end] != 0 {
			end += int(q[end]) + 1
		}
		question := q[12 : end+5]
		m := []byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}
		m = append(m, question...)
		if binary.BigEndian.Uint16(question[len(question)-4:]) == 1 { // A
			m[7] = 1
			m = append(m, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4)
			m = append(m, a[:]...)
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m))), m...)); err != nil {
			return
		}
	}
}
