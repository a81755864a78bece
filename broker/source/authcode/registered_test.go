package authcode

import (
	"context"
	"testing"
	"time"

	"keyporter/broker/oauth"
	"keyporter/internal/fakeas"
)

// keeper keeps a registration as the vault does.
func keeper(o Options) (Options, func() *oauth.ClientRegistration) {
	var kept *oauth.ClientRegistration
	o.Registered = func(_ context.Context, r *oauth.ClientRegistration) error {
		kept = r
		return nil
	}
	return o, func() *oauth.ClientRegistration { return kept }
}

func TestForgottenRegistrationIsMadeAnewBeforeTheBrowserOpens(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	w := newWorld(t, fakeas.Options{Now: clock}, nil)
	o, kept := keeper(Options{Now: clock})
	_, first, err := w.signIn(t, o, "alice")
	if err != nil {
		t.Fatal(err)
	}
	o.Registration = kept()
	now = now.Add(48 * time.Hour)
	if _, g, err := w.signIn(t, o, "alice"); err != nil || g.ClientID != first.ClientID || w.as.Counters().Requests[fakeas.Registered] != 1 {
		t.Errorf("a registration that is known: %v", err)
	}
	w.as.RemoveClient(first.ClientID)
	if _, g, err := w.signIn(t, o, "alice"); err != nil || g.ClientID == first.ClientID {
		t.Errorf("a registration that is forgotten: %v", err)
	}
}

func TestRegistrationWithAnExpiredSecretIsMadeAnew(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	w := newWorld(t, fakeas.Options{Now: clock, RegisterMethod: oauth.AuthSecretBasic, SecretLife: time.Hour}, nil)
	o, kept := keeper(Options{Now: clock})
	_, first, err := w.signIn(t, o, "alice")
	if err != nil {
		t.Fatal(err)
	}
	o.Registration = kept()
	if _, g, err := w.signIn(t, o, "alice"); err != nil || g.ClientID != first.ClientID {
		t.Errorf("in time: %v", err)
	}
	now = now.Add(2 * time.Hour)
	if _, g, err := w.signIn(t, o, "alice"); err != nil || g.ClientID == first.ClientID {
		t.Errorf("afterwards: %v", err)
	}
}

func TestForgottenRegistrationIsMadeAnewForADeviceCode(t *testing.T) {
	w := newWorld(t, fakeas.Options{Devices: true}, nil)
	o, kept := keeper(Options{Device: true})
	first := w.start(t, o)
	w.as.RemoveClient(first.Registration.ClientID)
	o.Registration = kept()
	if again := w.start(t, o); again.UserCode == "" || again.Registration.ClientID == first.Registration.ClientID {
		t.Errorf("got %+v", again.Registration)
	}
}

func TestMetadataDocumentComesBackToAPortThatItLists(t *testing.T) {
	const document = "https://keyporter.example/client.json"
	w := newWorld(t, fakeas.Options{CIMD: true, ExactRedirect: true, Clients: []fakeas.Client{{ID: document, RedirectURIs: []string{
		"http://127.0.0.1:47811/callback", "http://127.0.0.1:47812/callback", "http://127.0.0.1:47813/callback"}}}}, nil)
	if f, _, err := w.signIn(t, Options{ClientMetadataURL: document}, "alice"); err != nil {
		t.Errorf("%s: %v", f.RedirectURI, err)
	}
}
