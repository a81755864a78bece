package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"

	"keyporter/internal/hint"
)

// A Desktop is what the desktop's settings say about proxies. The zero value is
// none. It holds no password: desktops keep those elsewhere.
type Desktop struct {
	HTTP   string `json:"http,omitempty"`   // the address of the proxy for http
	HTTPS  string `json:"https,omitempty"`  // for https
	Direct string `json:"direct,omitempty"` // hosts that need none, separated by commas, as in NO_PROXY
	Plain  bool   `json:"plain,omitempty"`  // names without a dot need none either
	PAC    bool   `json:"pac,omitempty"`    // a configuration file chooses; see Unsupported
}

// readLimit is how long reading the settings may take.
const readLimit = 2 * time.Second

// ReadDesktop reads the settings of the desktop: of GNOME and KDE, of Windows, of
// macOS. Where there are none, or they cannot be read, it returns the zero value.
func ReadDesktop(ctx context.Context, getenv func(string) string) Desktop {
	ctx, cancel := context.WithTimeout(ctx, readLimit)
	defer cancel()
	return readDesktop(ctx, getenv)
}

// Unsupported says what cannot be followed of the settings, or returns nil.
func (d Desktop) Unsupported() *hint.Error {
	if !d.PAC || d.HTTP != "" || d.HTTPS != "" || inEnvironment() {
		return nil
	}
	return hint.New(hint.Unreachable, "The desktop's settings leave the choice of a proxy to a configuration file (PAC), which Keyporter does not support.",
		"Give the server its proxy: keyporter set NAME proxy=http://HOST:PORT, or proxy=direct if it needs none.")
}

// proxy chooses the proxy for an address, as http.ProxyFromEnvironment does.
func (d Desktop) proxy(u *url.URL) (*url.URL, error) {
	if d.HTTP == "" && d.HTTPS == "" || d.Plain && !strings.ContainsAny(u.Hostname(), ".:") {
		return nil, nil
	}
	c := httpproxy.Config{HTTPProxy: d.HTTP, HTTPSProxy: d.HTTPS, NoProxy: d.Direct}
	return c.ProxyFunc()(u)
}

// set puts a proxy for one kind of address in place.
func (d *Desktop) set(kind, scheme, host, port string) {
	if host = strings.TrimSpace(host); host == "" || port == "" || port == "0" {
		return
	}
	address := scheme + "://" + net.JoinHostPort(strings.Trim(host, "[]"), port)
	switch kind {
	case "http":
		d.HTTP = address
	case "https":
		d.HTTPS = address
	case "socks": // for what has no proxy of its own
		if d.HTTP == "" {
			d.HTTP = address
		}
		if d.HTTPS == "" {
			d.HTTPS = address
		}
	}
}

// except adds hosts that need no proxy, in the ways that desktops write them:
// example.com, *.example.com, 10.0.0.0/8, 169.254/16, 10.*, <local>.
func (d *Desktop) except(hosts ...string) {
	var all []string
	for _, h := range hosts {
		h = strings.TrimSpace(h)
		if h == "<local>" {
			d.Plain = true
		} else if h = exception(h); h != "" {
			all = append(all, h)
		}
	}
	d.Direct = strings.Join(all, ",")
}

func exception(h string) string {
	if rest, ok := strings.CutPrefix(h, "*"); ok && rest != "" {
		return "." + strings.TrimPrefix(rest, ".")
	}
	head, bits, network := strings.Cut(h, "/")
	if !network {
		parts := strings.Split(strings.TrimSuffix(h, ".*"), ".")
		if _, err := netip.ParseAddr(filled(parts)); !strings.HasSuffix(h, ".*") || err != nil {
			return h
		}
		return fmt.Sprintf("%s/%d", filled(parts), 8*len(parts))
	}
	return filled(strings.Split(head, ".")) + "/" + bits
}

// filled returns an IPv4 address of which the last parts may be missing.
func filled(parts []string) string {
	if len(parts) > 4 || strings.Contains(parts[0], ":") {
		return strings.Join(parts, ".")
	}
	return strings.Join(append(parts, "0", "0", "0")[:4], ".")
}
