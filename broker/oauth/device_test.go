package oauth

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// roundTrip is a transport inside a synctest bubble.
type roundTrip func(*http.Request) (status int, body string, err error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body, err := f(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

var public = ClientAuth{Method: AuthNone, ClientID: "c"}

func TestDevicePollingKeepsTheServersPace(t *testing.T) {
	answers := []struct {
		body string
		err  error
		gap  time.Duration // since the request before
	}{
		{`{"error":"authorization_pending"}`, nil, 2 * time.Second},
		{`{"error":"slow_down"}`, nil, 2 * time.Second},
		{`{"error":"authorization_pending"}`, nil, 7 * time.Second},
		{"", errors.New("connection reset"), 7 * time.Second},
		{`{"error":"slow_down"}`, nil, 14 * time.Second},
		{`{"access_token":"SECRETWORD","token_type":"Bearer"}`, nil, 19 * time.Second},
	}
	synctest.Test(t, func(t *testing.T) {
		n, last := 0, time.Now()
		c := newClient(t, "https://as.example", func(o *Options) {
			o.Transport = roundTrip(func(r *http.Request) (int, string, error) {
				if r.ParseForm() != nil || r.PostForm.Get("device_code") != "SECRETWORD-d" || r.PostForm.Get("grant_type") != DeviceCodeGrant ||
					r.PostForm.Get("client_id") != "c" || r.PostForm.Get("resource") != "https://rs.example" {
					t.Errorf("form %v", r.PostForm)
				}
				a := answers[n]
				if gap := time.Since(last); gap != a.gap {
					t.Errorf("request %d came after %v, want %v", n, gap, a.gap)
				}
				n, last = n+1, time.Now()
				if strings.Contains(a.body, "error") {
					return 400, a.body, a.err
				}
				return 200, a.body, a.err
			})
		})
		d := &DeviceAuthorization{DeviceCode: secret.New("SECRETWORD-d"), Interval: 2 * time.Second, Expiry: time.Now().Add(time.Hour)}
		tok, err := c.PollDevice(t.Context(), "https://as.example/token", public, d, url.Values{"resource": {"https://rs.example"}})
		if err != nil || tok.AccessToken.Reveal() != "SECRETWORD" || n != len(answers) {
			t.Errorf("got %v after %d requests", err, n)
		}
	})
}

func TestDevicePollingEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		body string
		code string
	}{
		"declined":       {`{"error":"access_denied"}`, AccessDenied},
		"expired":        {`{"error":"expired_token"}`, ExpiredToken},
		"by our clock":   {`{"error":"authorization_pending"}`, ExpiredToken},
		"another error":  {`{"error":"invalid_client"}`, InvalidClient},
		"not understood": {`<html>`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, "https://as.example", func(o *Options) {
					o.Transport = roundTrip(func(*http.Request) (int, string, error) { return 400, tt.body, nil })
				})
				d := &DeviceAuthorization{DeviceCode: secret.New("d"), Interval: time.Second, Expiry: time.Now().Add(time.Minute)}
				if _, err := c.PollDevice(t.Context(), "https://as.example/token", public, d, nil); err == nil || CodeOf(err) != tt.code {
					t.Errorf("got %v", err)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, "https://as.example", func(o *Options) {
			o.Transport = roundTrip(func(*http.Request) (int, string, error) { return 400, `{"error":"authorization_pending"}`, nil })
		})
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		d := &DeviceAuthorization{DeviceCode: secret.New("d"), Interval: 4 * time.Second, Expiry: time.Now().Add(time.Minute)}
		if _, err := c.PollDevice(ctx, "https://as.example/token", public, d, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestDeviceAnswersAreChecked(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		ok         bool
		want       DeviceAuthorization
	}{
		{"all", `{"device_code":"SECRETWORD","user_code":"AB-CD","verification_uri":"https://as.example/d","verification_uri_complete":"https://as.example/d?c=AB-CD","interval":3,"expires_in":60}`,
			true, DeviceAuthorization{UserCode: "AB-CD", VerificationURI: "https://as.example/d", VerificationURIComplete: "https://as.example/d?c=AB-CD", Interval: 3 * time.Second, Expiry: noon.Add(time.Minute)}},
		{"least", `{"device_code":"SECRETWORD","user_code":"A\u001b[1mB","verification_url":"https://as.example/d"}`,
			true, DeviceAuthorization{UserCode: "A[1mB", VerificationURI: "https://as.example/d", Interval: 5 * time.Second, Expiry: noon.Add(deviceLife)}},
		{"odd numbers and an unsafe complete address", `{"device_code":"SECRETWORD","user_code":"AB","verification_uri":"https://as.example/d","verification_uri_complete":"file:///etc","interval":"9999","expires_in":"10"}`,
			true, DeviceAuthorization{UserCode: "AB", VerificationURI: "https://as.example/d", Interval: pollLimit, Expiry: noon.Add(10 * time.Second)}},
		{"unsafe address", `{"device_code":"SECRETWORD","user_code":"AB","verification_uri":"javascript:alert(1)"}`, false, DeviceAuthorization{}},
		{"address in the person's network", `{"device_code":"SECRETWORD","user_code":"AB","verification_uri":"https://192.168.1.1/reboot"}`, false, DeviceAuthorization{}},
		{"complete address in the person's network", `{"device_code":"SECRETWORD","user_code":"AB","verification_uri":"https://as.example/d","verification_uri_complete":"https://192.168.1.1/reboot"}`,
			true, DeviceAuthorization{UserCode: "AB", VerificationURI: "https://as.example/d", Interval: 5 * time.Second, Expiry: noon.Add(deviceLife)}},
		{"a page", `<html>SECRETWORD`, false, DeviceAuthorization{}},
		{"no code", `{"user_code":"AB","verification_uri":"https://as.example/d"}`, false, DeviceAuthorization{}},
		{"error", `{"error":"unauthorized_client"}`, false, DeviceAuthorization{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, tt.body) })
			d, err := newClient(t, s.URL, atNoon).AuthorizeDevice(t.Context(), s.URL, public, url.Values{"scope": {"x"}})
			if (err == nil) != tt.ok {
				t.Fatalf("got %v", err)
			}
			if err != nil {
				noSecret(t, "error", err.Error()+hint.Of(err).Text())
				return
			}
			if d.UserCode != tt.want.UserCode || d.VerificationURI != tt.want.VerificationURI || d.VerificationURIComplete != tt.want.VerificationURIComplete ||
				d.Interval != tt.want.Interval || !d.Expiry.Equal(tt.want.Expiry) || d.DeviceCode.Reveal() != "SECRETWORD" {
				t.Errorf("got %+v", d)
			}
		})
	}
}
