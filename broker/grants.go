package broker

import (
	"context"
	"errors"
	"fmt"

	"keyporter/broker/account"
	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/source/authcode"
	"keyporter/broker/token"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// A liveGrant is a grant whose refresh token is being redeemed now and then. Its
// Source remembers a refresh token that could not be stored, so it is kept for
// as long as the grant lives.
type liveGrant struct {
	source  *authcode.Source
	lineage string
}

// grantSource renews an oauth grant. What it rotates is in the vault before
// anybody sees the new access token.
func (b *Broker) grantSource(s *account.Server, a *access) token.Source {
	key := grantKey(a.account.Name, a.grant.Target)
	return token.SourceFunc(func(ctx context.Context, req token.Request) (*token.Token, error) {
		live, err := b.liveGrant(ctx, s, key)
		if err != nil {
			return nil, err
		}
		before := live.source.Grant().RefreshToken
		req.Audience = ""
		tok, err := live.source.Token(ctx, req)
		switch {
		case errors.Is(err, token.ErrSignInNeeded):
			if b.endGrant(key, live.lineage, err) {
				b.signedOut(s)
			}
		case errors.Is(err, authcode.ErrClientRefused):
			b.forgetLive(key, live) // the next try takes the secret that the vault has then
		case err == nil && live.source.Grant().RefreshToken.Equal(before.Value):
			b.notRotated(key, live.lineage)
		}
		return tok, err
	})
}

// forgetLive lets the next renewal of a grant begin with what the vault has. A
// refused one has redeemed nothing, so nothing is lost.
func (b *Broker) forgetLive(key string, live *liveGrant) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.live[key] == live {
		delete(b.live, key)
	}
}

// liveGrant returns the live grant of that key, made from the vault's record if
// need be.
func (b *Broker) liveGrant(ctx context.Context, s *account.Server, key string) (*liveGrant, error) {
	v, err := b.openedVault(ctx)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	live := b.live[key]
	b.mu.Unlock()
	if live != nil {
		return live, nil
	}
	var g grantRecord
	if err := readRecord(v, key, &g); err != nil || g.SignedOut != "" {
		return nil, signInNeeded(s.Name, g.SignedOut)
	}
	client, err := b.oauthClient(s)
	if err != nil {
		return nil, err
	}
	preset, err := oauth.FindPreset(g.Issuer, s.Preset)
	if err != nil {
		return nil, err
	}
	src, err := authcode.NewSource(authcode.SourceOptions{
		Client: client, Grant: &g.Grant, Preset: preset, Auth: b.grantAuth(v, s, &g), Now: b.opt.Now,
		Preregistered: g.Registration == oauth.Preregistered,
		BeforeRedeem:  func(ctx context.Context) error { return b.beforeRedeem(ctx, v, key, g.Lineage) },
		Rotated: func(ctx context.Context, now *authcode.Grant) error {
			return b.storeRotated(ctx, v, key, g.Lineage, now)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("renew sign-in: %w", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if other := b.live[key]; other != nil { // somebody else was quicker
		return other, nil
	}
	live = &liveGrant{source: src, lineage: g.Lineage}
	b.live[key] = live
	return live, nil
}

// grantAuth is how the client of a grant proves who it is. The secret of a
// pre-registered client may have been replaced since, so it is the server's.
func (b *Broker) grantAuth(v *vault.File, s *account.Server, g *grantRecord) oauth.ClientAuth {
	auth := oauth.ClientAuth{Method: g.AuthMethod, ClientID: g.ClientID, Secret: g.ClientSecret.Value}
	if g.Registration == ofAccount {
		var rec accountRecord
		if readRecord(v, accountKey(s.Account), &rec) == nil && rec.ClientID == g.ClientID {
			auth.Secret, _ = b.secretOf(b.life, &rec) // without it the issuer says what is missing
		}
		return auth
	}
	var own serverRecord
	if g.Registration == oauth.Preregistered && readRecord(v, serverKey(s.Name), &own) == nil && own.ClientID == g.ClientID {
		auth.Secret = own.ClientSecret.Value
	}
	return auth
}

// beforeRedeem makes sure, before a refresh token is spent, that its successor
// can be stored, and notes in state.json that it is about to be spent.
func (b *Broker) beforeRedeem(ctx context.Context, v *vault.File, key, lineage string) error {
	if err := v.CheckWritable(ctx); err != nil {
		return err
	}
	var g grantRecord
	if err := readRecord(v, key, &g); err != nil || g.Lineage != lineage {
		return hint.Wrap(token.ErrSignInNeeded, hint.SignInNeeded, "The account was signed out.", "Sign in again.")
	}
	b.mu.Lock()
	b.mem.Rotations[lineage] = g.Rotation + 1
	b.mu.Unlock()
	return b.saveMemory()
}

// notRotated takes back what beforeRedeem noted, for a provider that leaves the
// refresh token as it is.
func (b *Broker) notRotated(key, lineage string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.vault == nil {
		return
	}
	var g grantRecord
	if readRecord(b.vault, key, &g) == nil && g.Lineage == lineage {
		b.mem.Rotations[lineage] = g.Rotation
	}
}

// storeRotated writes a grant with its new refresh token.
func (b *Broker) storeRotated(ctx context.Context, v *vault.File, key, lineage string, now *authcode.Grant) error {
	return v.Update(ctx, func(tx *vault.Tx) error {
		var g grantRecord
		if err := getRecord(tx, key, &g); err != nil || g.Lineage != lineage {
			return nil // signed out meanwhile; the new token is of no use
		}
		g.Grant = *now
		g.Rotation++
		return tx.Put(key, g)
	})
}

// endGrant marks a grant as over, so that its refresh token is not tried again.
// It touches no other grant, and the registration only if the provider no longer
// knows the client. It reports whether the grant could be renewed until now.
func (b *Broker) endGrant(key, lineage string, cause error) (ended bool) {
	b.mu.Lock()
	v := b.vault
	delete(b.live, key)
	b.mu.Unlock()
	if v == nil {
		return false
	}
	err := v.Update(b.life, func(tx *vault.Tx) error {
		var g grantRecord
		if err := getRecord(tx, key, &g); err != nil || g.Lineage != lineage {
			return nil
		}
		ended = g.SignedOut == "" && !g.RefreshToken.IsZero()
		if g.SignedOut = endedWhy(cause); g.SignedOut == "" {
			g.SignedOut = "The provider ended the sign-in."
		}
		g.RefreshToken, g.AccessToken = secret.Plain{}, secret.Plain{}
		if errors.Is(cause, authcode.ErrClientRefused) && g.Registration == oauth.Dynamic {
			tx.Delete(registrationKey(g.Issuer))
		}
		return tx.Put(key, g)
	})
	if err != nil {
		b.opt.Log.Warn("grant not marked as ended", "err", err)
	}
	b.update(nil)
	return ended
}
