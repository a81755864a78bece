package authcode

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/token"
)

// ErrClientRefused is in the chain of errors which say that the authorization
// server does not know, or no longer accepts, our client. A dynamic registration
// is of no use any more then.
var ErrClientRefused = errors.New("client refused")

// clientError adds ErrClientRefused to a chain.
type clientError struct{ error }

func (e *clientError) Unwrap() []error { return []error{e.error, ErrClientRefused} }

// refreshTime is how long a refresh may take, storing its result included. It
// goes on when the caller leaves: a rotated refresh token must not get lost.
const refreshTime = time.Minute

// SourceOptions say how a Source renews.
type SourceOptions struct {
	Client *oauth.Client    // Required.
	Grant  *Grant           // Required. The present one; it is not changed.
	Auth   oauth.ClientAuth // Required. Of the client that the grant was issued to.

	// BeforeRedeem proves, before a refresh token is redeemed, that a new one
	// could be stored. Optional.
	BeforeRedeem func(context.Context) error
	// Rotated stores a grant with a new refresh token. Only when it has returned
	// nil is the new access token given out. Required.
	Rotated func(context.Context, *Grant) error

	// Preset is what is known about the issuer. Optional; nil is what
	// oauth.FindPreset knows.
	Preset *oauth.Preset

	// Preregistered says that the client was given to the user, who may give it a
	// new secret. Optional.
	Preregistered bool

	Now func() time.Time // Optional. nil is time.Now.
}

// A Source is a token.Source for one grant. One refresh runs at a time; who asks
// meanwhile gets its result. It owns a goroutine for each refresh; Close waits
// for it.
type Source struct {
	o  SourceOptions
	wg sync.WaitGroup

	mu      sync.Mutex
	grant   *Grant // never changed in place
	unsaved bool   // Rotated has failed for grant
	flight  *flight
	closed  bool
}

var _ token.Source = (*Source)(nil)

// A flight is one refresh under way.
type flight struct {
	done  chan struct{} // closed when grant and err are set
	grant *Grant
	err   error
}

// NewSource returns a Source. Its error names the option that is wrong.
func NewSource(o SourceOptions) (*Source, error) {
	switch {
	case o.Client == nil:
		return nil, errors.New("sign-in source: Client is required")
	case o.Grant == nil || o.Grant.TokenEndpoint == "":
		return nil, errors.New("sign-in source: Grant with a TokenEndpoint is required")
	case o.Rotated == nil:
		return nil, errors.New("sign-in source: Rotated is required")
	case o.Auth.ClientID != o.Grant.ClientID:
		return nil, errors.New("sign-in source: Auth is of another client than Grant")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Preset == nil {
		var err error
		if o.Preset, err = oauth.FindPreset(o.Grant.Issuer, nil); err != nil {
			return nil, fmt.Errorf("sign-in source: %w", err)
		}
	}
	if !o.Grant.DPoPKey.IsZero() {
		key, err := oauth.ParseDPoPKey(o.Grant.DPoPKey.Value)
		if err != nil {
			return nil, fmt.Errorf("sign-in source: %w", err)
		}
		o.Auth.DPoP = key
	}
	return &Source{o: o, grant: o.Grant}, nil
}

// Grant returns the grant as it is now.
func (s *Source) Grant() *Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grant
}

// Close waits for a refresh under way; later calls of Token fail.
func (s *Source) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.wg.Wait()
}

// Token implements token.Source. It redeems the refresh token, or returns the
// grant's own access token while it lives if there is no refresh token; a caller
// who gets the token back that was refused needs a new sign-in. A request of the
// kind token.IDToken gets the ID token that came with it.
func (s *Source) Token(ctx context.Context, req token.Request) (*token.Token, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if err := s.check(req); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	f := s.flight
	if f == nil {
		f = &flight{done: make(chan struct{})}
		s.flight = f
		s.wg.Add(1)
		go s.fly(context.WithoutCancel(ctx), f)
	}
	s.mu.Unlock()
	select {
	case <-f.done:
		if f.err != nil {
			return nil, f.err
		}
		return f.grant.as(req.Kind, s.o.Now())
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// check refuses a request that this grant is not for. s.mu is held.
func (s *Source) check(req token.Request) error {
	g := s.grant
	switch {
	case s.closed:
		return errors.New("the source is closed")
	case req.Kind != token.AccessToken && req.Kind != token.IDToken:
		return fmt.Errorf("a sign-in gives no token of the kind %q", req.Kind)
	case req.Issuer != "" && req.Issuer != g.Issuer, req.ClientID != "" && req.ClientID != g.ClientID,
		req.Resource != "" && req.Resource != g.Resource:
		return errors.New("the grant is for another issuer, client or resource")
	}
	return nil
}

// fly runs one refresh for all who wait.
func (s *Source) fly(ctx context.Context, f *flight) {
	defer s.wg.Done()
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	f.grant, f.err = s.refresh(ctx)
	s.mu.Lock()
	s.flight = nil
	s.mu.Unlock()
	close(f.done)
}

// refresh gets a new access token (RFC 6749 section 6). Only the one flight runs
// it, so the grant does not change beneath it.
func (s *Source) refresh(ctx context.Context) (*Grant, error) {
	s.mu.Lock()
	g, unsaved := s.grant, s.unsaved
	s.mu.Unlock()
	if unsaved {
		if err := s.store(ctx, g); err != nil {
			return nil, err
		}
		if s.o.Now().Before(g.Expiry) {
			return g, nil // redeemed before, not given out yet
		}
	}
	if g.RefreshToken.IsZero() {
		if !g.AccessToken.IsZero() && (g.Expiry.IsZero() || s.o.Now().Before(g.Expiry)) {
			return g, nil
		}
		return nil, signInAgain(g, token.ErrSignInNeeded)
	}
	if s.o.BeforeRedeem != nil {
		if err := s.o.BeforeRedeem(ctx); err != nil {
			return nil, fmt.Errorf("refresh token: %w", err)
		}
	}
	form := s.form(g)
	res, err := s.o.Client.Token(ctx, g.TokenEndpoint, s.o.Auth, form)
	if oauth.CodeOf(err) == oauth.InvalidScope && form.Has("scope") {
		// What was granted is not on offer any more: take what there is (RFC 6749
		// section 6). The refresh token has not been redeemed.
		form.Del("scope")
		res, err = s.o.Client.Token(ctx, g.TokenEndpoint, s.o.Auth, form)
	}
	if err != nil {
		return nil, s.failed(g, err)
	}
	if _, ok := res.Scheme(s.o.Auth.DPoP); !ok {
		return nil, fmt.Errorf("refresh token: %w", oddKind(g.Issuer))
	}
	return s.renewed(ctx, g, res)
}

// form is the request of RFC 6749 section 6 with the resource of RFC 8707
// section 2.2. Without scope the scope stays what it was.
func (s *Source) form(g *Grant) url.Values {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {g.RefreshToken.Reveal()}}
	if g.Resource != "" {
		form.Set("resource", g.Resource)
	}
	if s.o.Preset.RepeatScope && g.Scope != "" {
		form.Set("scope", strings.Join(s.repeated(g), " "))
	}
	if s.o.Preset.RepeatURI && g.RedirectURI != "" {
		form.Set("redirect_uri", g.RedirectURI)
	}
	return form
}

// repeated are the scopes granted, and those asked for that providers leave out
// of their answers: without offline_access no refresh token comes back.
func (s *Source) repeated(g *Grant) []string {
	scopes := strings.Fields(g.Scope)
	missing := s.o.Preset.Missing(strings.Fields(g.Asked), scopes)
	for _, asked := range strings.Fields(g.Asked) {
		if !slices.Contains(missing, asked) && !slices.Contains(scopes, asked) && !strings.Contains(asked, "/") {
			scopes = append(scopes, asked)
		}
	}
	return scopes
}

// renewed takes over the new tokens, and stores a new refresh token first.
func (s *Source) renewed(ctx context.Context, old *Grant, res *oauth.TokenResponse) (*Grant, error) {
	g := *old
	g.AccessToken, g.Expiry, g.Issued = secret.Plain{Value: res.AccessToken}, res.Expiry, s.o.Now()
	if res.Scope != "" {
		g.Scope = res.Scope
		if s.o.Preset.CommaScopes {
			g.Scope = strings.ReplaceAll(g.Scope, ",", " ")
		}
	}
	if !res.IDToken.IsZero() {
		g.IDToken, g.IDTokenCame = secret.Plain{Value: res.IDToken}, g.Issued
	}
	rotated := !res.RefreshToken.IsZero() && !res.RefreshToken.Equal(old.RefreshToken.Value)
	if rotated {
		g.RefreshToken = secret.Plain{Value: res.RefreshToken}
	}
	s.mu.Lock()
	s.grant, s.unsaved = &g, rotated // the old refresh token is worth nothing now
	s.mu.Unlock()
	if rotated {
		if err := s.store(ctx, &g); err != nil {
			return nil, err
		}
	}
	return &g, nil
}

func (s *Source) store(ctx context.Context, g *Grant) error {
	if err := s.o.Rotated(ctx, g); err != nil {
		return fmt.Errorf("refresh token: store the new one: %w", err)
	}
	s.mu.Lock()
	s.unsaved = false
	s.mu.Unlock()
	return nil
}
