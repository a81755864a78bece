package network

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"keyporter/internal/hint"
)

func TestAddressesOfCloudCredentialsAreRefused(t *testing.T) {
	for _, to := range []string{"169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23", "100.100.100.200", "192.0.0.192"} {
		if err := checkAddress("mcp.example.com", netip.MustParseAddr(to)); hint.Of(err).Code != hint.Refused {
			t.Errorf("%s: error = %v", to, err)
		}
	}
	for _, to := range []string{"169.254.7.7", "10.0.0.1", "fe80::1", "192.0.2.1"} {
		if err := checkAddress("mcp.example.com", netip.MustParseAddr(to)); err != nil {
			t.Errorf("%s, which the user may have named: %v", to, err)
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
