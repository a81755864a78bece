package broker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/broker/source/google"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// Token returns a token for a server or an account, fresh enough to use.
func (b *Broker) Token(ctx context.Context, r local.TokenRequest) (*local.Token, error) {
	cfg := b.config()
	s, err := lookupServer(cfg, r.Name)
	if err != nil {
		a, accountErr := lookupAccount(cfg, r.Name)
		if accountErr != nil {
			return nil, unknownName(r.Name)
		}
		if err := b.permit(ctx, "", a.Name); err != nil {
			b.handedOut(ctx, "", a.Name, err)
			return nil, err
		}
		_, tok, err := b.tokenOfAccount(ctx, a)
		if err != nil {
			return nil, err
		}
		b.handedOut(ctx, "", a.Name, nil)
		return b.wireToken(nil, tok), nil
	}
	if s, err = layer(s, r.Header); err != nil {
		return nil, err
	}
	if err := b.permitServer(ctx, s); err != nil {
		b.handedOut(ctx, s.Name, s.Account, err)
		return nil, err
	}
	tok, err := b.serverToken(ctx, s, r)
	if err != nil {
		return nil, err
	}
	b.handedOut(ctx, s.Name, s.Account, nil)
	return b.wireToken(s, tok), nil
}

func unknownName(name string) error {
	return hint.New(hint.NotFound, fmt.Sprintf("There is no server and no account named %q.", clip(name)), "See keyporter list and keyporter account list.")
}

// serverToken returns a token for a server. Refused and Challenge of r tell what
// the server said to the last one. If the account changes while its token is on
// its way, by a sign-in for one, what it has then decides.
func (b *Broker) serverToken(ctx context.Context, s *account.Server, r local.TokenRequest) (*token.Token, error) {
	tok, err := b.currentToken(ctx, s, r)
	if errors.Is(err, token.ErrDropped) && ctx.Err() == nil {
		return b.currentToken(ctx, s, r)
	}
	return tok, err
}

func (b *Broker) currentToken(ctx context.Context, s *account.Server, r local.TokenRequest) (*token.Token, error) {
	if s.Account != "" || s.HasSecrets() {
		if _, err := b.openedVault(ctx); err != nil {
			return nil, err
		}
	}
	if len(r.Challenge) > 0 || r.Refused != "" {
		b.noteRefused(refusalKey(s), r.Refused, r.Challenge)
	}
	b.mu.Lock()
	a := b.standing(s)
	b.mu.Unlock()
	switch {
	case a.account == nil && a.ready():
		return nil, b.wantsSignIn(s, r)
	case a.status == local.Failed && a.record.Kind != "":
		// The last attempt failed; the cache knows when the next one is due.
	case !a.ready():
		return nil, a.problem
	}
	if err := b.checkMoved(ctx, s, a, r); err != nil {
		return nil, err
	}
	return b.accessToken(ctx, s, a, r.Refused)
}

// wantsSignIn notes that a server without an account refused a request without
// a token, and returns what is missing.
func (b *Broker) wantsSignIn(s *account.Server, r local.TokenRequest) error {
	if len(r.Challenge) == 0 && r.Refused == "" {
		return hint.New(hint.NotFound, fmt.Sprintf("%s has no account, so there is no token for it.", s.Name),
			fmt.Sprintf("If it wants a sign-in, run: keyporter login %s", quoteArg(s.Name)))
	}
	wants := wantedKind(s, challengesOf(r.Challenge))
	b.update(func() {
		m := b.mem.server(s.Name)
		m.Open, m.Wants = false, wants
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.standing(s).problem
}

// accessToken gets a token from the cache, which gets one from the account's
// source if need be.
func (b *Broker) accessToken(ctx context.Context, s *account.Server, a *access, refused string) (*token.Token, error) {
	req := b.tokenRequest(a, s)
	src := b.lazySource(s, a)
	b.seed(req, a)
	var tok *token.Token
	var err error
	if refused != "" {
		tok, err = b.cache.Refused(ctx, src, req, refused)
	} else {
		tok, err = b.cache.Token(ctx, src, req)
	}
	if err == nil {
		b.clearProblem(problemKey(s))
		return tok, nil
	}
	if ctx.Err() != nil || errors.Is(err, token.ErrDropped) {
		return nil, err
	}
	switch {
	case errors.Is(err, token.ErrSignInNeeded):
		err = signInNeeded(s.Name, endedWhy(err))
	case errors.Is(err, token.ErrNoOther) && a.grant == nil:
		err = b.whyRefused(ctx, s, a, err)
	case a.grant != nil && a.grant.RefreshToken.IsZero() && refused != "" && hint.CodeOf(err) == hint.Refused:
		// The only token of a grant that cannot be renewed.
		const why = "The server no longer accepts it."
		b.endGrant(grantKey(a.account.Name, a.grant.Target), a.grant.Lineage, hint.New(hint.SignInNeeded, why, ""))
		err = signInNeeded(s.Name, why)
	}
	b.update(func() { b.problems[problemKey(s)] = hint.Of(err) })
	return nil, err
}

// endedWhy returns the sentence of a hint on why a sign-in ended, or nothing.
func endedWhy(err error) string {
	if h := (*hint.Error)(nil); errors.As(err, &h) {
		return h.What
	}
	return ""
}

func (b *Broker) clearProblem(key string) {
	b.mu.Lock()
	_, had := b.problems[key]
	b.mu.Unlock()
	if had {
		b.update(func() { delete(b.problems, key) })
	}
}

// tokenRequest is the cache's name for the token that a server gets.
func (b *Broker) tokenRequest(a *access, s *account.Server) token.Request {
	req := token.Request{Account: a.account.Name, Kind: token.AccessToken}
	switch r := &a.record; r.Kind {
	case account.OAuth, account.Google:
		req.Issuer, req.ClientID, req.Resource = a.grant.Issuer, a.grant.ClientID, a.grant.Resource
		if req.Resource == "" { // no resource parameter: tell the grants apart by where they may go
			req.Audience = a.grant.Target.String()
		}
	case account.GoogleKey, account.GoogleImpersonate, account.GoogleADC:
		req.Audience, req.Scopes = r.Audience, a.account.Scopes
		switch {
		case r.SelfSigned:
			req.Kind = token.SelfSignedJWT
			if req.Audience == "" && s != nil {
				req.Audience = s.URL
			}
		case r.Audience != "":
			req.Kind = token.IDToken
		}
	case account.ClientCredentials, account.Enterprise, account.Workload:
		req.Issuer, req.ClientID, req.Scopes = r.Issuer, r.ClientID, a.account.Scopes
		if s != nil && !s.NoResource {
			req.Resource = resourceOf(s)
		}
		if s != nil {
			req.Audience = s.Audience
		}
	case account.Static:
		req.Kind = token.StaticHeader
	}
	return req
}

// resourceOf is the resource parameter for a server whose metadata says nothing
// else: its canonical URI (MCP authorization, resource parameter).
func resourceOf(s *account.Server) string {
	if s.Resource != "" {
		return s.Resource
	}
	return strings.TrimSuffix(s.URL, "/")
}

// lazySource makes the Source when the cache needs it: parsing a key and asking
// for metadata have no place on the way to a token that is there.
func (b *Broker) lazySource(s *account.Server, a *access) token.Source {
	return token.SourceFunc(func(ctx context.Context, req token.Request) (*token.Token, error) {
		src, err := b.source(ctx, s, a)
		if err != nil {
			return nil, err
		}
		return src.Token(ctx, req)
	})
}

// source makes the Source for an account. s is nil when the account is asked
// for by itself.
func (b *Broker) source(ctx context.Context, s *account.Server, a *access) (token.Source, error) {
	r := &a.record
	switch r.Kind {
	case account.OAuth, account.Google:
		return b.grantSource(s, a), nil
	case account.GoogleImpersonate:
		return b.impersonation(a)
	case account.GoogleADC:
		return b.adc(a)
	case account.GoogleKey:
		key, err := b.googleKey(ctx, a.account.Email, r)
		if err != nil {
			return nil, err
		}
		return google.New(google.Options{Key: key, Client: b.httpClient(), AllowTokenURI: r.AllowTokenURI, Now: b.opt.Now})
	case account.ClientCredentials:
		return b.clientCredentials(ctx, s, a)
	case account.Enterprise:
		return b.enterprise(ctx, s, a)
	case account.Workload:
		return b.workload(ctx, s, a)
	case account.Static:
		return b.fixed(ctx, r)
	}
	return nil, hint.New(hint.Failed, fmt.Sprintf("This Keyporter cannot use accounts of the kind %q.", r.Kind), "Update Keyporter.")
}

// httpClient sends token requests to addresses that the user chose (a key's
// token_uri after google.CheckTokenURI).
func (b *Broker) httpClient() *http.Client {
	rt := b.opt.HTTP
	if rt == nil {
		rt = b.transport
	}
	return &http.Client{Transport: rt, Timeout: requestLimit}
}

// requestLimit bounds one request to an address that the user chose.
const requestLimit = 30 * time.Second

// oauthClient makes a client for what s may name. s may be nil; also are
// addresses that the user typed for an account.
func (b *Broker) oauthClient(s *account.Server, also ...string) (*oauth.Client, error) {
	o := oauth.Options{Now: b.opt.Now, Log: b.opt.Log, Transport: b.opt.HTTP}
	if s != nil {
		o.ServerURL, o.AllowHosts, o.AllowHTTP = s.URL, s.AllowHosts, s.AllowHTTP
		o.Gate = func(ctx context.Context) (http.Header, error) { return b.gate(ctx, s) }
	}
	way, err := b.way(s)
	if err != nil {
		return nil, err
	}
	if o.Proxy, err = way.Way(); err != nil {
		return nil, err
	}
	if o.RootCAs, err = way.Roots(); err != nil {
		return nil, err
	}
	o.Certificate = way.Certificate
	o.AllowHosts = append(o.AllowHosts[:len(o.AllowHosts):len(o.AllowHosts)], hostsOf(also...)...)
	return oauth.NewClient(o)
}

// metadataLife is how long an authorization server's metadata is kept.
const metadataLife = 10 * time.Minute

type keptMetadata struct {
	at time.Time
	as *oauth.AuthorizationServerMetadata
}

// serverMetadata returns an issuer's metadata, which is kept for a while.
func (b *Broker) serverMetadata(ctx context.Context, client *oauth.Client, issuer string) (*oauth.AuthorizationServerMetadata, error) {
	b.mu.Lock()
	kept, ok := b.metadata[issuer]
	b.mu.Unlock()
	if ok && b.opt.Now().Sub(kept.at).Abs() < metadataLife {
		return kept.as, nil
	}
	as, err := client.DiscoverAuthorizationServer(ctx, issuer)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.metadata[issuer] = keptMetadata{b.opt.Now(), as}
	return as, nil
}

// tokenOfAccount returns a token of an account that is asked for by itself, for
// keyporter token ACCOUNT.
func (b *Broker) tokenOfAccount(ctx context.Context, acct *account.Account) (*access, *token.Token, error) {
	if _, err := b.openedVault(ctx); err != nil {
		return nil, nil, err
	}
	a := &access{account: acct}
	b.mu.Lock()
	paused, stopping, v := b.mem.Paused, b.stopping, b.vault
	b.mu.Unlock()
	switch {
	case stopping:
		return nil, nil, errStopped
	case paused:
		return nil, nil, errPaused
	}
	if acct.Kind == account.OAuth {
		return nil, nil, hint.New(hint.Usage, fmt.Sprintf("The account %q has tokens for its servers only.", acct.Name), "Name a server: keyporter token SERVER")
	}
	if err := readRecord(v, accountKey(acct.Name), &a.record); err != nil {
		return nil, nil, err
	}
	if err := a.record.agrees(acct); err != nil {
		return nil, nil, err
	}
	if err := b.policies().Kind(acct.Kind); err != nil {
		return nil, nil, err
	}
	if err := a.record.missing(acct); err != nil {
		return nil, nil, err
	}
	tok, err := b.cache.Token(ctx, b.lazySource(nil, a), b.tokenRequest(a, nil))
	return a, tok, err
}

// wireToken is a token's form on the local API, in the header that s wants.
func (b *Broker) wireToken(s *account.Server, tok *token.Token) *local.Token {
	w := &local.Token{Header: tok.HeaderName(), Scheme: tok.Scheme, Hash: tok.Hash(), Expiry: tok.Expiry, RenewAt: b.cache.RenewAt(tok)}
	w.Value.Value = tok.Value
	if s != nil && s.TokenHeader != "" {
		w.Header = s.TokenHeader
	}
	return w
}

// seed gives the cache a grant's stored access token, once.
func (b *Broker) seed(req token.Request, a *access) {
	if a.grant == nil || a.grant.AccessToken.IsZero() {
		return
	}
	key := grantKey(a.account.Name, a.grant.Target)
	b.mu.Lock()
	done := b.seeded[key]
	b.seeded[key] = true
	b.mu.Unlock()
	if done || !a.grant.Expiry.IsZero() && !b.opt.Now().Before(a.grant.Expiry) {
		return
	}
	b.cache.Put(req, a.grant.Token())
}

// tokenChanged hears from the cache.
func (b *Broker) tokenChanged(req token.Request, tok *token.Token, err error) {
	rec := local.AuditRecord{Event: "renew", Account: req.Account, Outcome: "ok"}
	if err != nil {
		rec.Outcome = string(hint.CodeOf(err))
	}
	b.record(rec)
	b.update(nil)
}
