package broker

import (
	"context"
	"fmt"

	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/internal/hint"
)

// Prove signs a DPoP proof (RFC 9449) with the key that a server's grant is bound
// to, for a request to where the grant's tokens may go.
func (b *Broker) Prove(ctx context.Context, r local.ProveRequest) (*local.Proof, error) {
	s, a, err := b.signedInAt(ctx, r.Server)
	if err != nil {
		return nil, err
	}
	if !a.ready() {
		return nil, a.problem
	}
	to, err := targetOf(r.URL)
	if err != nil || a.grant == nil || a.grant.DPoPKey.IsZero() || !a.grant.Target.covers(to) {
		return nil, hint.New(hint.Refused, fmt.Sprintf("Keyporter signs no requests to %s for %s.", hostOf(r.URL), s.Name), "Sign in to the server again.")
	}
	key, err := oauth.ParseDPoPKey(a.grant.DPoPKey.Value)
	if err != nil {
		return nil, err
	}
	proof, err := key.Sign(oauth.Proof{Method: r.Method, URL: r.URL, AccessToken: r.Token.Value, Nonce: r.Nonce, Now: b.opt.Now()})
	if err != nil {
		return nil, err
	}
	return &local.Proof{Proof: proof}, nil
}
