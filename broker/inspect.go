package broker

import (
	"context"
	"fmt"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/claims"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// A refused is the last token that a server answered with 401.
type refused struct {
	hash     string
	asked    bool                             // metadata has been asked for
	metadata *oauth.ProtectedResourceMetadata // nil: the server has none
}

// Inspect says what is in a token, and what about it keeps its server from
// accepting it.
func (b *Broker) Inspect(ctx context.Context, r local.InspectRequest) (*local.Inspection, error) {
	cfg := b.config()
	s, err := lookupServer(cfg, r.Name)
	if err != nil {
		if cfg.Accounts[r.Name] == nil {
			return nil, unknownName(r.Name)
		}
		if err := b.permit(ctx, "", r.Name); err != nil {
			return nil, err
		}
		return b.inspectAccount(ctx, cfg.Accounts[r.Name])
	}
	if s, err = layer(s, r.Header); err != nil {
		return nil, err
	}
	if err := b.permitServer(ctx, s); err != nil {
		return nil, err
	}
	if r.Refused != "" {
		b.noteRefused(refusalKey(s), r.Refused, r.Challenge)
	} else if _, err := b.serverToken(ctx, s, local.TokenRequest{Name: s.Name}); err != nil {
		return nil, err
	}
	b.mu.Lock()
	a := b.standing(s)
	b.mu.Unlock()
	switch {
	case a.token == nil && a.problem != nil:
		return nil, a.problem
	case a.token == nil:
		return nil, hint.New(hint.NotFound, fmt.Sprintf("%s has no token at the moment.", s.Name), "Try again.")
	}
	return inspection(a.token, b.expected(ctx, s, a)), nil
}

// inspectAccount is for a token that is asked for without a server.
func (b *Broker) inspectAccount(ctx context.Context, acct *account.Account) (*local.Inspection, error) {
	a, tok, err := b.tokenOfAccount(ctx, acct)
	if err != nil {
		return nil, err
	}
	return inspection(tok, b.expected(ctx, nil, a)), nil
}

func inspection(tok *token.Token, e claims.Expected) *local.Inspection {
	i := &local.Inspection{Token: claims.Read(tok.Value)}
	if !tok.Expiry.IsZero() { // as the authorization server said it
		i.Expiry = tok.Expiry
	}
	if tok.Scheme != "" { // an API key has a form of its own
		i.Findings = claims.Judge(i.Token, e)
	}
	return i
}

// noteRefused notes that a server refused a token, and with which words.
func (b *Broker) noteRefused(server, hash string, challenge []string) {
	b.update(func() {
		b.challenges[server] = challenge
		if now := b.refusals[server]; now == nil || now.hash != hash {
			b.refusals[server] = &refused{hash: hash}
		}
	})
}

// expected is what is known of what a server expects of its token. A server that
// refuses the token is asked for its metadata, once. s may be nil.
func (b *Broker) expected(ctx context.Context, s *account.Server, a *access) claims.Expected {
	e := claims.Expected{Now: b.opt.Now(), Asked: a.record.Audience}
	switch {
	case a.grant != nil:
		e.Issuer = a.grant.Issuer
	case a.record.Kind == account.GoogleKey && !a.record.SelfSigned, a.record.Kind == account.GoogleImpersonate, a.record.Kind == account.GoogleADC:
		e.Issuer = "https://accounts.google.com"
	default:
		e.Issuer = a.record.Issuer + a.record.FoundIssuer // one of them
	}
	if s == nil {
		return e
	}
	if e.Server = s.URL; s.Audience != "" {
		e.Asked = s.Audience
	}
	if a.grant != nil || a.record.ClientID != "" {
		e.Name = s.Name
	}
	b.mu.Lock()
	r, fields := b.refusals[refusalKey(s)], b.challenges[refusalKey(s)]
	e.Refused = r != nil && a.token != nil && r.hash == a.token.Hash()
	b.mu.Unlock()
	if !e.Refused {
		return e
	}
	challenge := oauth.Bearer(challengesOf(fields))
	e.Error, e.Scopes = challenge.ErrorCode(), challenge.Scope()
	if m := b.refusalMetadata(ctx, s, r, challenge); m != nil {
		e.Resource, e.Issuers = m.Resource, m.AuthorizationServers
	}
	return e
}

// refusalMetadata returns the metadata of a server that refused a token, or nil.
func (b *Broker) refusalMetadata(ctx context.Context, s *account.Server, r *refused, challenge *oauth.Challenge) *oauth.ProtectedResourceMetadata {
	b.mu.Lock()
	asked, known := r.asked, r.metadata
	r.asked = true
	b.mu.Unlock()
	if asked {
		return known
	}
	client, err := b.oauthClient(s)
	if err != nil {
		return nil
	}
	defer client.CloseIdle()
	limit, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	m, err := client.DiscoverResource(limit, s.URL, challenge)
	if err != nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	r.metadata = m
	return m
}

// whyRefused adds to an error about a refused token what the token shows about the
// reason.
func (b *Broker) whyRefused(ctx context.Context, s *account.Server, a *access, err error) error {
	if a.token == nil {
		return err
	}
	found := inspection(a.token, b.expected(ctx, s, a)).Findings
	if len(found) == 0 {
		return err
	}
	h := hint.Of(err)
	return hint.Wrap(err, h.Code, strings.TrimSpace(h.What+" "+found[0].What), found[0].Do)
}
