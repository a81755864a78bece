//go:build unix

package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"keyporter/internal/fakeas"
	"keyporter/internal/peers"
)

// TestRedirectListenerIsForOneSignIn attacks the listener at which the browser comes
// back while a sign-in waits: by pages elsewhere, by programs that want its place,
// and by answers of others. Then the person signs in.
func TestRedirectListenerIsForOneSignIn(t *testing.T) {
	t.Parallel()
	b := newRecorder(t)
	h := newHome(t, "KEYPORTER_BROWSER="+b.path)
	w := newWorld(h, fakeas.Options{})
	h.do("add", "acme", w.mcp.URL())
	_, _, ended := h.start("login", "acme")
	until(t, "the browser", func() bool { return len(b.starts()) == 1 })
	address := b.starts()[0][0]
	page, err := url.Parse(address)
	check(t, err)
	redirect, err := url.Parse(page.Query().Get("redirect_uri"))
	check(t, err)
	state := page.Query().Get("state")
	if redirect.Hostname() != "127.0.0.1" || len(state) < 22 || w.as.Counters().Requests[fakeas.Authorize] != 0 {
		t.Fatalf("redirect URI %s, state %q", redirect, state)
	}
	for _, tt := range []struct {
		name, path, query, host string
		status                  int
	}{
		{"a page elsewhere whose name leads here", "/callback", "code=x&state=" + state, "evil.example", 421},
		{"the same, with the port", "/callback", "code=x&state=" + state, "evil.example:" + redirect.Port(), 421},
		{"localhost for the address", "/callback", "code=x&state=" + state, "localhost:" + redirect.Port(), 421},
		{"an answer of another sign-in", "/callback", "code=x&state=other", "", 400},
		{"an answer without state", "/callback", "code=x", "", 400},
		{"two states", "/callback", "code=x&state=other&state=" + state, "", 400},
		{"a refusal of another sign-in", "/callback", "error=access_denied&error_description=" + lure + "&state=other", "", 400},
		{"another path", "/", "code=x&state=" + state, "", 404},
		{"a path that leads there", "/x/../callback", "code=x&state=" + state, "", 404},
		{"an open redirect", "/callback", "state=other&redirect_uri=https://evil.example&next=https://evil.example&url=//evil.example&returnTo=javascript:alert(1)", "", 400},
		{"a page that shows what it is told", "/callback", "state=%3Cscript%3E" + lure + "&error=%3Cimg%20src=x%3E" + lure, "", 400},
	} {
		res, text := knock(t, redirect.Host, tt.path+"?"+tt.query, tt.host)
		if res.StatusCode != tt.status || res.Header.Get("Location") != "" || res.Header.Get("Refresh") != "" || res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: got %d %v, want %d", tt.name, res.StatusCode, res.Header, tt.status)
		}
		if strings.Contains(text, "evil.example") || strings.Contains(text, lure) || strings.Contains(text, state) {
			t.Errorf("%s: the page shows what was sent: %s", tt.name, text)
		}
	}
	// Nobody else gets the port, on either loopback address, and nobody comes in
	// from outside.
	for _, host := range []string{"127.0.0.1", "::1"} {
		if l, err := net.Listen("tcp", net.JoinHostPort(host, redirect.Port())); err == nil {
			l.Close()
			if host == "127.0.0.1" || hasIPv6(t) {
				t.Errorf("another program can listen at %s", l.Addr())
			}
		}
	}
	addresses, err := net.InterfaceAddrs()
	check(t, err)
	for _, a := range addresses {
		if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() {
			if c, err := net.Dial("tcp", net.JoinHostPort(ip.IP.String(), redirect.Port())); err == nil {
				c.Close()
				t.Errorf("the listener can be reached at %s", ip.IP)
			}
		}
	}
	select {
	case r := <-ended:
		t.Fatalf("the sign-in ended with exit code %d\n%s", r.code, h.said(r.err))
	default:
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if out, err := exec.CommandContext(ctx, peers.Browser(t), address).CombinedOutput(); err != nil {
		t.Fatalf("the person's own sign-in: %v\n%s", err, out)
	}
	if r := <-ended; r.code != 0 {
		t.Errorf("the sign-in ended with exit code %d\n%s", r.code, h.said(r.err))
	}
	if c, err := net.Dial("tcp", redirect.Host); err == nil {
		c.Close()
		t.Error("the listener is there after the sign-in")
	}
	if got := w.as.Counters(); got.Signins != 1 || got.CodesUsed != 1 || got.InvalidGrant != 0 {
		t.Errorf("the authorization server counted %+v", got)
	}
}

// knock sends a request with its path as it is.
func knock(t *testing.T, address, path, host string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address, nil)
	check(t, err)
	req.URL.Opaque = path
	req.Host = host
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	check(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	check(t, err)
	return res, string(text)
}

func hasIPv6(t *testing.T) bool {
	t.Helper()
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return false
	}
	return l.Close() == nil
}
