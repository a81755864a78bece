package authcode

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"keyporter/broker/oauth"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

// approving is a fake whose person answers as soon as the first poll comes.
func approving(user string) (fakeas.Options, func(*fakeas.Server, string)) {
	var as *fakeas.Server
	var code string
	o := fakeas.Options{Devices: true, Wrap: func(endpoint string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if endpoint == fakeas.Token {
				as.ApproveDevice(code, user)
			}
			next.ServeHTTP(rw, r)
		})
	}}
	return o, func(s *fakeas.Server, userCode string) { as, code = s, userCode }
}

func TestDeviceCodeSignIn(t *testing.T) {
	o, set := approving("alice")
	w := newWorld(t, o, nil)
	var stored *oauth.ClientRegistration
	f := w.start(t, Options{Device: true, Registered: func(_ context.Context, r *oauth.ClientRegistration) error {
		stored = r
		return nil
	}})
	set(w.as, f.UserCode)
	if f.UserCode == "" || !strings.Contains(f.URL, "user_code="+f.UserCode) || f.RedirectURI != "" {
		t.Errorf("got %+v", f)
	}
	g, err := f.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if claims, err := w.as.Verify(g.AccessToken.Reveal(), w.server); err != nil || claims["sub"] != "alice" || g.Resource != w.server || g.RefreshToken.IsZero() {
		t.Errorf("got %+v: %v", g, err)
	}
	var v vault
	if _, err := w.source(t, f, g, &v).Token(t.Context(), access); err != nil {
		t.Errorf("refresh: %v", err)
	}
	again := w.start(t, Options{Device: true, Registration: stored})
	if again.Registration.ClientID != g.ClientID || w.as.Counters().Requests[fakeas.Register] != 1 {
		t.Error("registered again for the next device code")
	}
}

func TestDeviceCodeDeclined(t *testing.T) {
	o, set := approving("")
	w := newWorld(t, o, nil)
	f := w.start(t, Options{Device: true})
	set(w.as, f.UserCode)
	if _, err := f.Wait(t.Context()); hint.CodeOf(err) != hint.Refused || !strings.Contains(hint.Of(err).Text(), "declined") {
		t.Errorf("got %v", err)
	}
}

func TestNoDeviceCodes(t *testing.T) {
	w := newWorld(t, fakeas.Options{}, nil)
	if _, err := Start(t.Context(), Options{Client: w.client, ServerURL: w.server, Device: true}); hint.CodeOf(err) != hint.Refused || !strings.Contains(err.Error(), "device code") {
		t.Errorf("got %v", err)
	}
}
