package broker

import (
	"context"
	"fmt"
	"io"
	"os"

	"keyporter/broker/account"
	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/source/clientcred"
	"keyporter/broker/source/enterprise"
	"keyporter/broker/source/workload"
	"keyporter/broker/token"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// The sources of accounts that need no browser of their own: they prove who they
// are at the authorization server that the user named or, without one, at the one
// that the account's first server named.

// A place is where such an account gets its tokens.
type place struct {
	client   *oauth.Client
	as       *oauth.AuthorizationServerMetadata // nil with a token endpoint that the user named
	endpoint string
	issuer   string
	resource string // as the server's metadata has it; empty: not known
}

// placeOf finds out where an account gets its tokens for a server. An
// authorization server that a server named is remembered in the vault: the
// account's secret never goes to another one.
func (b *Broker) placeOf(ctx context.Context, s *account.Server, a *access) (*place, error) {
	r := &a.record
	client, err := b.oauthClient(s, r.Issuer, r.TokenEndpoint, r.IDPTokenEndpoint)
	if err != nil {
		return nil, err
	}
	p := &place{client: client, endpoint: r.TokenEndpoint, issuer: r.Issuer}
	switch {
	case r.TokenEndpoint != "":
		return p, nil
	case r.Issuer != "":
		if p.as, err = b.serverMetadata(ctx, client, r.Issuer); err != nil {
			return nil, err
		}
	case s == nil:
		return nil, hint.New(hint.Usage, fmt.Sprintf("The account %q gets its tokens where its server says.", a.account.Name), "Name a server: keyporter token SERVER")
	default:
		if err := b.placeNamed(ctx, s, a, p); err != nil {
			return nil, err
		}
	}
	p.endpoint, p.issuer = p.as.TokenEndpoint, p.as.Issuer
	return p, nil
}

// placeNamed asks the server for its authorization server.
func (b *Broker) placeNamed(ctx context.Context, s *account.Server, a *access, p *place) error {
	challenge, err := b.challengeOf(ctx, s)
	if err != nil {
		return err
	}
	d, err := p.client.Discover(ctx, s.URL, challenge, s.Issuer)
	if err != nil {
		return err
	}
	found := a.record.FoundIssuer
	switch {
	case d.Guessed:
		return hint.New(hint.Refused, fmt.Sprintf("%s does not say where to get tokens.", s.Name),
			fmt.Sprintf("Remove the account %q and add it again with --issuer.", a.account.Name))
	case found != "" && found != d.Server.Issuer:
		return hint.New(hint.ApprovalNeeded, fmt.Sprintf("%s now sends programs to %s, and the account %q belongs to %s.", s.Name, hostOf(d.Server.Issuer), a.account.Name, hostOf(found)),
			"Ask the owner of the server whether that is right; then remove the account and add it again.")
	case found == "":
		if err := b.rememberPlace(ctx, a.account.Name, d.Server.Issuer); err != nil {
			return err
		}
	}
	p.as = d.Server
	if d.Resource != nil {
		p.resource = d.Resource.Resource
	}
	return nil
}

// rememberPlace binds an account to an issuer.
func (b *Broker) rememberPlace(ctx context.Context, name, issuer string) error {
	v, err := b.openedVault(ctx)
	if err != nil {
		return err
	}
	return v.Update(ctx, func(tx *vault.Tx) error {
		var rec accountRecord
		if err := getRecord(tx, accountKey(name), &rec); err != nil {
			return err
		}
		if rec.FoundIssuer != "" && rec.FoundIssuer != issuer {
			return hint.New(hint.ApprovalNeeded, fmt.Sprintf("The account %q belongs to %s.", name, hostOf(rec.FoundIssuer)), "Add an account of its own for this server.")
		}
		rec.FoundIssuer = issuer
		return tx.Put(accountKey(name), rec)
	})
}

// named makes a source ask for the resource as the server's metadata names it,
// byte for byte, unless the user chose one.
func (p *place) named(s *account.Server, src token.Source, err error) (token.Source, error) {
	if err != nil || s == nil || s.Resource != "" || s.NoResource || p.resource == "" {
		return src, err
	}
	return token.SourceFunc(func(ctx context.Context, req token.Request) (*token.Token, error) {
		req.Resource = p.resource
		return src.Token(ctx, req)
	}), nil
}

// auth is how a client with a secret proves who it is.
func (p *place) auth(id string, v secret.Value) oauth.ClientAuth {
	auth := oauth.ClientAuth{Method: oauth.AuthSecretBasic, ClientID: id, Secret: v}
	if p.as != nil {
		auth.Method = p.as.AuthMethod(!v.IsZero())
	}
	return auth
}

func (b *Broker) clientAuth(ctx context.Context, p *place, r *accountRecord) (oauth.ClientAuth, error) {
	v, err := b.secretOf(ctx, r)
	return p.auth(r.ClientID, v), err
}

// clientCredentials makes the source of a client-credentials account.
func (b *Broker) clientCredentials(ctx context.Context, s *account.Server, a *access) (token.Source, error) {
	p, err := b.placeOf(ctx, s, a)
	if err != nil {
		return nil, err
	}
	r := &a.record
	var auth oauth.ClientAuth
	if a.account.AuthMethod == oauth.AuthPrivateKeyJWT {
		auth = oauth.ClientAuth{Method: oauth.AuthPrivateKeyJWT, ClientID: r.ClientID, Alg: a.account.Alg}
		auth.Key, auth.KeyID, err = b.privateKey(ctx, r)
	} else {
		auth, err = b.clientAuth(ctx, p, r)
		if a.account.AuthMethod != "" {
			auth.Method = a.account.AuthMethod
		}
	}
	if err != nil {
		return nil, err
	}
	src, err := clientcred.New(clientcred.Options{Client: p.client, Endpoint: p.endpoint, Issuer: p.issuer, Auth: auth, Now: b.opt.Now})
	return p.named(s, src, err)
}

// enterprise makes the source of an enterprise account.
func (b *Broker) enterprise(ctx context.Context, s *account.Server, a *access) (token.Source, error) {
	p, err := b.placeOf(ctx, s, a)
	if err != nil {
		return nil, err
	}
	r := &a.record
	auth, err := b.clientAuth(ctx, p, r)
	if err != nil {
		return nil, err
	}
	subject := func(ctx context.Context) (enterprise.Subject, error) {
		v, err := b.idToken(ctx, r)
		return enterprise.Subject{Token: v}, err
	}
	src, err := enterprise.New(enterprise.Options{
		Client: p.client, Subject: subject, Now: b.opt.Now,
		IdPEndpoint: r.IDPTokenEndpoint, IdPAuth: oauth.ClientAuth{Method: oauth.AuthNone, ClientID: r.IDPClientID},
		Issuer: p.issuer, Endpoint: p.endpoint, Auth: auth,
	})
	return p.named(s, src, err)
}

// workload makes the source of a workload account.
func (b *Broker) workload(ctx context.Context, s *account.Server, a *access) (token.Source, error) {
	p, err := b.placeOf(ctx, s, a)
	if err != nil {
		return nil, err
	}
	src, err := workload.New(workload.Options{
		Client: p.client, Endpoint: p.endpoint, Auth: oauth.ClientAuth{Method: oauth.AuthNone, ClientID: a.record.ClientID},
		Assertion: workload.File(a.record.TokenFile), Now: b.opt.Now,
	})
	return p.named(s, src, err)
}

// idToken returns the ID token of the person at the company's identity provider:
// from the file that another program keeps fresh, or from a sign-in of ours.
func (b *Broker) idToken(ctx context.Context, r *accountRecord) (secret.Value, error) {
	if r.TokenFile != "" {
		return readTokenFile(r.TokenFile)
	}
	cfg := b.config()
	through, err := lookupAccount(cfg, r.Through)
	if err != nil {
		return secret.Value{}, err
	}
	used := cfg.UsedBy(through.Name)
	if through.Kind != account.OAuth || len(used) == 0 {
		return secret.Value{}, hint.New(hint.Usage, fmt.Sprintf("The account %q is no sign-in, so it has no ID token.", through.Name), "Name an account that somebody signed in to.")
	}
	s := cfg.Servers[used[0]]
	to, err := targetOf(s.URL)
	if err != nil {
		return secret.Value{}, err
	}
	live, err := b.liveGrant(ctx, s, grantKey(through.Name, to))
	if err != nil {
		return secret.Value{}, err
	}
	tok, err := live.source.Token(ctx, token.Request{Account: through.Name, Kind: token.IDToken})
	if err != nil {
		return secret.Value{}, err
	}
	return tok.Value, nil
}

// maxTokenFile is how large a file with a token may be, in bytes.
const maxTokenFile = 64 << 10

// readTokenFile reads an ID token, which another program writes. Errors quote
// nothing of it.
func readTokenFile(path string) (secret.Value, error) {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(f, maxTokenFile+1)); err == nil {
			return workload.Parse(string(text), path)
		}
	}
	return secret.Value{}, hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s with the ID token cannot be read.", path), "Check that it is there and that you may read it.")
}
