package authcode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/token"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

// A vault keeps what Rotated hands over.
type vault struct {
	mu     sync.Mutex
	grants []*Grant
	err    error // of the next Rotated
}

func (v *vault) rotated(_ context.Context, g *Grant) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.err != nil {
		return v.err
	}
	v.grants = append(v.grants, g)
	return nil
}

func (w *world) source(t *testing.T, f *Flow, g *Grant, v *vault, change ...func(*SourceOptions)) *Source {
	t.Helper()
	o := SourceOptions{Client: w.client, Grant: g, Auth: f.Registration.Auth(), Rotated: v.rotated}
	for _, c := range change {
		c(&o)
	}
	s, err := NewSource(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

var access = token.Request{Account: "work", Kind: token.AccessToken}

func TestRefreshRotatesAndStoresBeforeTheTokenIsGivenOut(t *testing.T) {
	w := newWorld(t, fakeas.Options{}, nil)
	f, g, err := w.signIn(t, Options{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	var v vault
	s := w.source(t, f, g, &v)
	last := g.RefreshToken.Value
	for i := range 3 {
		tok, err := s.Token(t.Context(), access)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.as.Verify(tok.Value.Reveal(), w.server); err != nil || tok.Scheme != "Bearer" || tok.Expiry.IsZero() {
			t.Errorf("got %+v: %v", tok, err)
		}
		if len(v.grants) != i+1 || v.grants[i].RefreshToken.Equal(last) || !v.grants[i].AccessToken.Equal(tok.Value) {
			t.Fatalf("after refresh %d the vault has %+v", i+1, v.grants)
		}
		last = v.grants[i].RefreshToken.Value
	}
	if c := w.as.Counters(); c.Refreshed != 3 || c.InvalidGrant != 0 {
		t.Errorf("counters %+v", c)
	}
	if g.RefreshToken.Equal(last) || s.Grant().Identity.String() != "alice" {
		t.Error("the caller's grant was changed, or the identity is lost")
	}
}

func TestKeptRefreshTokensAreNotStoredAgain(t *testing.T) {
	w := newWorld(t, fakeas.Options{KeepRefresh: true}, nil)
	f, g, err := w.signIn(t, Options{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	var v vault
	s := w.source(t, f, g, &v)
	for range 2 {
		if _, err := s.Token(t.Context(), access); err != nil {
			t.Fatal(err)
		}
	}
	if len(v.grants) != 0 || !s.Grant().RefreshToken.Equal(g.RefreshToken.Value) {
		t.Errorf("stored %d times", len(v.grants))
	}
}

func TestManyCallersShareOneRefresh(t *testing.T) {
	release := make(chan struct{})
	w := newWorld(t, fakeas.Options{Wrap: func(endpoint string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if endpoint == fakeas.Token && r.PostFormValue("grant_type") == "refresh_token" {
				<-release
			}
			next.ServeHTTP(rw, r)
		})
	}}, nil)
	f, g, err := w.signIn(t, Options{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	var v vault
	s := w.source(t, f, g, &v)
	results := make(chan string, 50)
	var started sync.WaitGroup
	for range 50 {
		started.Add(1)
		go func() {
			started.Done()
			tok, err := s.Token(t.Context(), access)
			if err != nil {
				results <- err.Error()
				return
			}
			results <- tok.Hash()
		}()
	}
	started.Wait()
	close(release)
	for range 50 {
		if r := <-results; strings.Contains(r, " ") {
			t.Error(r)
		}
	}
	if c := w.as.Counters(); c.Reused != 0 || c.InvalidGrant != 0 || c.Refreshed != len(v.grants) {
		t.Errorf("counters %+v, stored %d", c, len(v.grants))
	}
}

func TestCallerThatLeavesLosesNoRefreshToken(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	w := newWorld(t, fakeas.Options{Wrap: func(endpoint string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(rw, r) // the token is redeemed; its answer is on the way
			if endpoint == fakeas.Token && r.PostFormValue("grant_type") == "refresh_token" {
				close(arrived)
				<-release
			}
		})
	}}, nil)
	f, g, err := w.signIn(t, Options{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	var v vault
	s := w.source(t, f, g, &v)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if _, err := s.Token(ctx, access); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
	s.Close()
	if len(v.grants) != 1 {
		t.Errorf("the rotated refresh token was lost: %d stored", len(v.grants))
	}
	if _, err := s.Token(t.Context(), access); err == nil {
		t.Error("a closed source gives tokens")
	}
}

func TestVaultThatCannotBeWrittenIsNoticedBeforeRedeeming(t *testing.T) {
	w := newWorld(t, fakeas.Options{}, nil)
	f, g, err := w.signIn(t, Options{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	var v vault
	s := w.source(t, f, g, &v, func(o *SourceOptions) { o.BeforeRedeem = func(context.Context) error { return full } })
	if _, err := s.Token(t.Context(), access); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if n := w.as.Counters().Refreshed; n != 0 {
		t.Errorf("redeemed %d times", n)
	}
}

func TestTokenIsNotGivenOutUntilTheRotationIsStored(t *testing.T) {
	w := newWorld(t, fakeas.Options{}, nil)
	f, g, err := w.signIn(t, Options{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	v := vault{err: errors.New("disk full")}
	s := w.source(t, f, g, &v)
	for range 2 {
		if tok, err := s.Token(t.Context(), access); !errors.Is(err, v.err) || tok != nil {
			t.Fatalf("got %v, %v", tok, err)
		}
	}
	v.err = nil
	tok, err := s.Token(t.Context(), access)
	if err != nil {
		t.Fatal(err)
	}
	if c := w.as.Counters(); c.Refreshed != 1 || c.Reused != 0 || len(v.grants) != 1 || !v.grants[0].AccessToken.Equal(tok.Value) {
		t.Errorf("counters %+v, stored %d", c, len(v.grants))
	}
}

func TestWhatEndsAGrantAndWhatDoesNot(t *testing.T) {
	tests := []struct {
		name    string
		spoil   func(w *world, f *Flow)
		code    hint.Code
		signIn  bool // ErrSignInNeeded
		refused bool // ErrClientRefused
		oauth   string
		again   bool // the next try goes through
	}{
		{"revoked", func(w *world, _ *Flow) { w.as.EndGrants() }, hint.SignInNeeded, true, false, oauth.InvalidGrant, false},
		{"client forgotten", func(w *world, f *Flow) { w.as.RemoveClient(f.Registration.ClientID) }, hint.SignInNeeded, true, true, oauth.InvalidClient, false},
		{"server error", func(w *world, _ *Flow) { w.as.Fail(fakeas.Token, 1, 503) }, hint.Unreachable, false, false, "", true},
		{"busy", func(w *world, _ *Flow) { w.as.Fail(fakeas.Token, 1, 429) }, hint.Unreachable, false, false, "", true},
		{"not found", func(w *world, _ *Flow) { w.as.Fail(fakeas.Token, 1, 404) }, hint.Refused, false, false, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, fakeas.Options{}, nil)
			f, g, err := w.signIn(t, Options{}, "alice")
			if err != nil {
				t.Fatal(err)
			}
			var v vault
			s := w.source(t, f, g, &v)
			tt.spoil(w, f)
			_, err = s.Token(t.Context(), access)
			if hint.CodeOf(err) != tt.code || errors.Is(err, token.ErrSignInNeeded) != tt.signIn || errors.Is(err, ErrClientRefused) != tt.refused || oauth.CodeOf(err) != tt.oauth {
				t.Errorf("got %v", err)
			}
			noSecret(t, "error", err.Error()+hint.Of(err).Text()+fmt.Sprintf("%+v", s.Grant()))
			_, err = s.Token(t.Context(), access)
			if (err == nil) != tt.again {
				t.Errorf("the next try: %v", err)
			}
		})
	}
	t.Run("odd", oddRefusals)
	t.Run("network", func(t *testing.T) {
		w := newWorld(t, fakeas.Options{}, nil)
		f, g, err := w.signIn(t, Options{}, "alice")
		if err != nil {
			t.Fatal(err)
		}
		var v vault
		s := w.source(t, f, g, &v)
		w.as.Close()
		if _, err := s.Token(t.Context(), access); hint.CodeOf(err) != hint.Unreachable || !s.Grant().RefreshToken.Equal(g.RefreshToken.Value) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("an ended grant is not redeemed again", func(t *testing.T) {
		w := newWorld(t, fakeas.Options{}, nil)
		f, g, err := w.signIn(t, Options{}, "alice")
		if err != nil {
			t.Fatal(err)
		}
		var v vault
		s := w.source(t, f, g, &v)
		w.as.EndGrants()
		for range 3 {
			if _, err := s.Token(t.Context(), access); !errors.Is(err, token.ErrSignInNeeded) {
				t.Errorf("got %v", err)
			}
		}
		if n := w.as.Counters().InvalidGrant; n != 1 {
			t.Errorf("redeemed %d times", n)
		}
	})
}

func TestWithoutRefreshTokenTheAccessTokenServesWhileItLives(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	w := newWorld(t, fakeas.Options{}, nil)
	g := &Grant{Issuer: w.as.Issuer(), TokenEndpoint: w.as.Issuer() + "/token", ClientID: "c", AccessToken: secret.Plain{Value: secret.New("SECRETWORD-a")}}
	for _, tt := range []struct {
		expiry time.Time
		ok     bool
	}{{time.Time{}, true}, {now.Add(time.Second), true}, {now, false}} {
		g.Expiry = tt.expiry
		s, err := NewSource(SourceOptions{Client: w.client, Grant: g, Auth: oauth.ClientAuth{Method: oauth.AuthNone, ClientID: "c"},
			Rotated: (&vault{}).rotated, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		tok, err := s.Token(t.Context(), access)
		if (err == nil) != tt.ok || tt.ok && !tok.Value.Equal(g.AccessToken.Value) || !tt.ok && !errors.Is(err, token.ErrSignInNeeded) {
			t.Errorf("expiry %v: got %v, %v", tt.expiry, tok, err)
		}
		s.Close()
	}
	if n := w.as.Counters().Requests[fakeas.Token]; n != 0 {
		t.Errorf("%d token requests", n)
	}
}

func TestRefreshSendsResourceAndLeavesTheScopeAlone(t *testing.T) {
	for _, repeat := range []bool{false, true} {
		var mu sync.Mutex
		var form map[string][]string
		w := newWorld(t, fakeas.Options{Wrap: func(endpoint string, next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if endpoint == fakeas.Token && r.PostFormValue("grant_type") == "refresh_token" {
					mu.Lock()
					form = r.PostForm
					mu.Unlock()
				}
				next.ServeHTTP(rw, r)
			})
		}}, nil)
		f, g, err := w.signIn(t, Options{Scopes: []string{"mcp:read", "mcp:write"}}, "alice")
		if err != nil {
			t.Fatal(err)
		}
		var v vault
		tok, err := w.source(t, f, g, &v, func(o *SourceOptions) { o.Preset = &oauth.Preset{RepeatScope: repeat} }).Token(t.Context(), access)
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		if len(form["resource"]) != 1 || form["resource"][0] != w.server || (len(form["scope"]) == 1) != repeat {
			t.Errorf("repeat %v: resource %q, scope %q", repeat, form["resource"], form["scope"])
		}
		mu.Unlock()
		if strings.Join(tok.Scopes, " ") != "mcp:read mcp:write" {
			t.Errorf("scopes %q", tok.Scopes)
		}
	}
}

func TestGrantServesItsOwnIssuerClientAndResourceOnly(t *testing.T) {
	w := newWorld(t, fakeas.Options{}, nil)
	f, g, err := w.signIn(t, Options{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	var v vault
	s := w.source(t, f, g, &v)
	for _, req := range []token.Request{
		{Kind: token.AccessToken, Issuer: g.Issuer + "/"}, {Kind: token.AccessToken, ClientID: "other"},
		{Kind: token.AccessToken, Resource: w.server + "/other"}, {Kind: token.IDToken}, {},
	} {
		if _, err := s.Token(t.Context(), req); err == nil {
			t.Errorf("%+v was served", req)
		}
	}
	if _, err := s.Token(t.Context(), token.Request{Kind: token.AccessToken, Issuer: g.Issuer, ClientID: g.ClientID, Resource: g.Resource}); err != nil {
		t.Error(err)
	}
}

func TestSourceOptionsNameWhatIsMissing(t *testing.T) {
	c, err := oauth.NewClient(oauth.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := &Grant{TokenEndpoint: "https://as.example/token", ClientID: "c"}
	for field, o := range map[string]SourceOptions{
		"Client":  {Grant: g, Rotated: (&vault{}).rotated},
		"Grant":   {Client: c, Rotated: (&vault{}).rotated},
		"Rotated": {Client: c, Grant: g},
		"Auth":    {Client: c, Grant: g, Rotated: (&vault{}).rotated, Auth: oauth.ClientAuth{ClientID: "d"}},
	} {
		if _, err := NewSource(o); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: got %v", field, err)
		}
	}
}

// Each error that a token endpoint may answer a refresh token with: whether the
// grant ends, and what the person is told.
func oddRefusals(t *testing.T) {
	for _, tt := range []struct {
		code, description string
		preregistered     bool
		ends              bool
		says              string
	}{
		{code: "invalid_grant", ends: true, says: "has ended"},
		{code: "invalid_grant", description: "reauth related error (invalid_rapt)", ends: true, says: "wants to see you again"},
		{code: "invalid_rapt", ends: true, says: "wants to see you again"},
		{code: "token_revoked", ends: true, says: "has ended"},
		{code: "interaction_required", description: "AADSTS50076", ends: true, says: "has ended"},
		{code: "login_required", ends: true, says: "has ended"},
		{code: "unsupported_grant_type", ends: true, says: "has ended"},
		{code: "invalid_client", ends: true, says: "no longer accepts this client"},
		{code: "invalid_client", preregistered: true, says: "client-secret-file"},
		{code: "unauthorized_client", preregistered: true, says: "client id or its secret"},
		{code: "invalid_target", says: "--no-resource"},
		{code: "invalid_request", description: "AADSTS9010010: the resource", says: "no longer knows this server"},
		{code: "invalid_scope", says: "no longer gives the permissions"},
		{code: "invalid_request", says: "refused to renew"},
		{code: "access_denied", says: "refused to renew"},
		{code: "something_else", says: "refused to renew"},
		{code: "temporarily_unavailable", says: "problem of its own"},
		{code: "slow_down", says: "problem of its own"},
	} {
		t.Run(strings.TrimSpace(tt.code+" "+tt.description), func(t *testing.T) {
			var asked atomic.Int32
			w := newWorld(t, fakeas.Options{Wrap: func(endpoint string, next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if endpoint != fakeas.Token || r.FormValue("grant_type") != "refresh_token" {
						next.ServeHTTP(w, r)
						return
					}
					asked.Add(1)
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(http.StatusBadRequest)
					_ = json.NewEncoder(w).Encode(map[string]string{"error": tt.code, "error_description": tt.description})
				})
			}}, nil)
			f, g, err := w.signIn(t, Options{}, "alice")
			if err != nil {
				t.Fatal(err)
			}
			s := w.source(t, f, g, &vault{}, func(o *SourceOptions) { o.Preregistered = tt.preregistered })
			_, err = s.Token(t.Context(), access)
			if errors.Is(err, token.ErrSignInNeeded) != tt.ends || !strings.Contains(hint.Of(err).Text(), tt.says) {
				t.Errorf("got %v: %s", err, hint.Of(err).Text())
			}
			if kept := s.Grant().RefreshToken.Equal(g.RefreshToken.Value); kept == tt.ends && tt.code != "invalid_client" {
				t.Errorf("the refresh token is kept: %v", kept)
			}
			if n := asked.Load(); n != 1 {
				t.Errorf("the provider was asked %d times", n)
			}
			noSecret(t, "error", err.Error()+hint.Of(err).Text())
		})
	}
}

func TestRenewedTokenOfAnotherKindIsNotGivenOut(t *testing.T) {
	var renewing atomic.Bool
	w := newWorld(t, fakeas.Options{EditToken: func(m map[string]any) {
		if renewing.Load() {
			m["token_type"] = "mac"
		}
	}}, nil)
	f, g, err := w.signIn(t, Options{}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	renewing.Store(true)
	tok, err := w.source(t, f, g, &vault{}).Token(t.Context(), access)
	if tok != nil || hint.CodeOf(err) != hint.Refused || !strings.Contains(hint.Of(err).Text(), "not supported") {
		t.Errorf("got %v, %v", tok, err)
	}
}

func TestScopesThatAreNotOnOfferAnyMoreAreLeftOut(t *testing.T) {
	var scopes []string
	w := newWorld(t, fakeas.Options{Wrap: func(endpoint string, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if endpoint == fakeas.Token && r.FormValue("grant_type") == "refresh_token" {
				scopes = append(scopes, r.FormValue("scope"))
				if r.FormValue("scope") != "" {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = io.WriteString(w, `{"error":"invalid_scope"}`)
					return
				}
			}
			next.ServeHTTP(w, r)
		})
	}}, nil)
	preset := &oauth.Preset{RepeatScope: true}
	f, g, err := w.signIn(t, Options{Preset: preset}, "alice")
	if err != nil {
		t.Fatal(err)
	}
	s := w.source(t, f, g, &vault{}, func(o *SourceOptions) { o.Preset = preset })
	if _, err := s.Token(t.Context(), access); err != nil {
		t.Error(err)
	}
	if len(scopes) != 2 || scopes[0] == "" || scopes[1] != "" {
		t.Errorf("asked with the scopes %q, want some and then none", scopes)
	}
}
