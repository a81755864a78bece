package network

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"syscall"
	"testing"

	"keyporter/internal/hint"
)

func TestAddressesOfCloudCredentialsAreRefused(t *testing.T) {
	for _, to := range []string{
		"169.254.169.254", "169.254.170.2", "169.254.170.23", "169.254.42.42", "169.254.0.23", "100.100.100.200", "192.0.0.192", "168.63.129.16",
		"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42", "fe80::a9fe:a9fe%eth0",
		"::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::169.254.169.254", "64:ff9b::168.63.129.16", "2002:a9fe:a9fe::1",
		"64:ff9b:1::169.254.169.254", "64:ff9b:1:a9fe:a9:fe00::", "64:ff9b:1:a9:fe:a9fe::", "64:ff9b:1:0:a9:fea9:fe00:0",
		"2001:0:4136:e378:8000:63bf:5601:5601", "2001:db8::5efe:169.254.169.254", "fe80::200:5efe:169.254.169.254",
	} {
		for _, host := range []string{"mcp.example.com", "printer.local", to} {
			if err := checkAddress(host, netip.MustParseAddr(to)); hint.Of(err).Code != hint.Refused {
				t.Errorf("%s behind %s: error = %v", to, host, err)
			}
		}
	}
	for _, to := range []string{"10.0.0.1", "192.0.2.1", "fd00::1", "2001:db8::1", "64:ff9b::192.0.2.1", "64:ff9b:1::10.0.0.1", "2002:a00:1::1"} {
		for _, host := range []string{"mcp.example.com", to} {
			if err := checkAddress(host, netip.MustParseAddr(to)); err != nil {
				t.Errorf("%s, which the user may have named: %v", to, err)
			}
		}
	}
}

func TestANameOfTheInternetDoesNotLeadToADeviceNextToTheUser(t *testing.T) {
	for _, to := range []string{"169.254.0.2", "169.254.7.7", "fe80::1", "fe80::1%eth0"} {
		a := netip.MustParseAddr(to)
		for host, want := range map[string]hint.Code{"mcp.example.com": hint.Refused, "local": hint.Refused, "evil-local.example": hint.Refused, "Printer.local.": "", to: ""} {
			if err := checkAddress(host, a); err == nil && want != "" || err != nil && hint.Of(err).Code != want {
				t.Errorf("%s behind %s: error = %v", to, host, err)
			}
		}
	}
	for _, to := range []string{"64:ff9b::169.254.0.2", "2002:a9fe:2::1"} {
		if err := checkAddress(to, netip.MustParseAddr(to)); err == nil {
			t.Errorf("%s is used", to)
		}
	}
}

// A literal and a name come to the guard alike, and no connection is made.
func TestDialMakesNoConnectionToCloudCredentials(t *testing.T) {
	dial := Dial(&net.Dialer{})
	for _, host := range []string{"169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1", "fd20:ce::254", "168.63.129.16", "::ffff:169.254.169.254"} {
		c, err := dial(t.Context(), "tcp", net.JoinHostPort(host, "80"))
		if err == nil {
			c.Close()
		}
		if hint.CodeOf(err) != hint.Refused && !errors.Is(err, syscall.EAFNOSUPPORT) {
			t.Errorf("%s: error = %v", host, err)
		}
	}
}

func TestOnlyPagesOfThisComputerAreServed(t *testing.T) {
	served := Own(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, c := range []struct {
		host, origin, site string
		want               int
	}{
		{"127.0.0.1:80", "", "", 200},
		{"localhost:80", "http://localhost:81", "same-site", 200},
		{"localhost:80", "null", "same-origin", 200},
		{"localhost:80", "null", "cross-site", 403},
		{"localhost:80", "null", "", 403},
		{"localhost:80", "https://evil.example", "cross-site", 403},
		{"evil.example", "", "none", 421},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil)
		r.Host = c.host
		for name, value := range map[string]string{"Origin": c.origin, "Sec-Fetch-Site": c.site} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		w := httptest.NewRecorder()
		served.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%+v: answered %d", c, w.Code)
		}
	}
}
