package broker

import (
	"context"
	"crypto"
	"fmt"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/broker/reference"
	"keyporter/broker/secret"
	"keyporter/broker/source/clientcred"
	"keyporter/broker/source/google"
	"keyporter/broker/source/static"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// Secrets of accounts: in the vault, or somewhere else and read when they are used.

// readAgain is how long a fixed token that rests elsewhere is used before it is
// read anew.
const readAgain = 5 * time.Minute

// secretOf returns an account's secret as it is now.
func (b *Broker) secretOf(ctx context.Context, r *accountRecord) (secret.Value, error) {
	if r.SecretRef == "" {
		return r.Secret.Value, nil
	}
	ref, err := b.referenceOf(r)
	if err != nil {
		return secret.Value{}, err
	}
	return b.store(r.SecretThrough).Read(ctx, ref)
}

// signerOf returns the key of an account that signs where it rests, or nil for a
// secret that can be read.
func (b *Broker) signerOf(ctx context.Context, r *accountRecord) (crypto.Signer, *reference.Ref, error) {
	if r.SecretRef == "" {
		return nil, nil, nil
	}
	ref, err := b.referenceOf(r)
	if err != nil || ref.Scheme != account.RefTransit {
		return nil, ref, err
	}
	key, err := b.store(r.SecretThrough).Signer(ctx, ref)
	return key, ref, err
}

// referenceOf reads an account's reference. One that came from a team profile may
// name no address: then it is the member's own.
func (b *Broker) referenceOf(r *accountRecord) (*reference.Ref, error) {
	ref, err := reference.Parse(r.SecretRef)
	if err != nil || !ref.Own() || ref.Address != "" {
		return ref, err
	}
	ref.Address = reference.Address(b.getenv)
	return ref, ref.CheckAddress()
}

// store reads with the logins of whoever uses this computer.
func (b *Broker) store(through string) *reference.Store {
	return &reference.Store{
		Client: b.httpClient(), Login: reference.Login(b.getenv),
		Google: func(ctx context.Context, refused string) (*google.Caller, error) {
			return b.caller(ctx, through, refused)
		},
	}
}

// googleKey returns the key of a google-key account.
func (b *Broker) googleKey(ctx context.Context, email string, r *accountRecord) (*google.Key, error) {
	signer, ref, err := b.signerOf(ctx, r)
	if err != nil {
		return nil, err
	}
	if signer != nil {
		return google.SignerKey(email, ref.KeyID, signer)
	}
	v, err := b.secretOf(ctx, r)
	if err != nil {
		return nil, err
	}
	return google.ParseKey(v)
}

// privateKey returns the key of private_key_jwt, and its id if that is known.
func (b *Broker) privateKey(ctx context.Context, r *accountRecord) (crypto.Signer, string, error) {
	signer, ref, err := b.signerOf(ctx, r)
	if err != nil {
		return nil, "", err
	}
	if signer != nil {
		return signer, ref.KeyID, nil
	}
	v, err := b.secretOf(ctx, r)
	if err != nil {
		return nil, "", err
	}
	signer, err = clientcred.ParsePrivateKey(v)
	return signer, "", err
}

// fixed makes the source of a static account.
func (b *Broker) fixed(ctx context.Context, r *accountRecord) (token.Source, error) {
	v, err := b.secretOf(ctx, r)
	if err != nil {
		return nil, err
	}
	src, err := static.New(static.Options{Value: v, Header: r.Header, Now: b.opt.Now})
	if err != nil || r.SecretRef == "" {
		return src, err
	}
	return token.SourceFunc(func(ctx context.Context, req token.Request) (*token.Token, error) {
		tok, err := src.Token(ctx, req)
		if err == nil {
			tok.Expiry = tok.Issued.Add(readAgain)
		}
		return tok, err
	}), nil
}

// examineReference checks an account whose secret rests elsewhere, and writes the
// reference in full. A secret that nobody can read now, for want of a login or the
// network, is not in the way.
func (b *Broker) examineReference(ctx context.Context, a *account.Account, p *local.PutAccount) error {
	ref, err := reference.Parse(a.SecretRef)
	if err != nil {
		return err
	}
	if ref.Own() && ref.Address == "" {
		if ref.Address = reference.Address(b.getenv); ref.Address == "" {
			return hint.New(hint.Usage, "The reference does not say which Vault the secret is in.", "Set VAULT_ADDR, or write ?address=https://… behind it.")
		}
		if err := ref.CheckAddress(); err != nil {
			return err
		}
	}
	a.SecretRef = ref.String()
	if err := b.checkReference(a, ref, p); err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, 3*askLimit)
	defer cancel()
	err = b.tryReference(limit, a, p.AllowTokenURI)
	if hint.NeedsPerson(err) && hint.CodeOf(err) != hint.ApprovalNeeded || hint.CodeOf(err) == hint.Unreachable {
		b.opt.Log.Info("secret not read yet", "account", a.Name, "err", err)
		return nil
	}
	return err
}

// checkReference reports whether the reference suits the account.
func (b *Broker) checkReference(a *account.Account, ref *reference.Ref, p *local.PutAccount) error {
	if !p.Secret.IsZero() {
		return hint.New(hint.Usage, "The account has a secret and a reference to one.", "Give one of them.")
	}
	switch a.Kind {
	case account.GoogleKey, account.ClientCredentials, account.Enterprise, account.Static, account.Google:
	default:
		return hint.New(hint.Usage, fmt.Sprintf("Accounts of the kind %s have no secret that could rest elsewhere.", a.Kind), "Leave the reference out.")
	}
	switch {
	case ref.Scheme == account.RefTransit && a.Kind != account.GoogleKey && a.AuthMethod != oauth.AuthPrivateKeyJWT:
		return hint.New(hint.Usage, "A Transit key signs, and this account has nothing to sign.", "Use it with --key-file of a Google key or with --private-key-file.")
	case ref.Scheme == account.RefTransit && a.Kind == account.GoogleKey && a.Email == "":
		return hint.New(hint.Usage, "A Transit key does not say whose it is.", "Give --email with the service account's e-mail address.")
	case ref.Scheme != account.RefGoogle:
		a.SecretThrough = ""
		return nil
	case a.SecretThrough == "":
		a.SecretThrough = b.onlyGoogle()
	}
	if a.SecretThrough == "" || a.SecretThrough == a.Name {
		return hint.New(hint.Usage, "A secret in Google Secret Manager needs a Google account that may read it.",
			"Give --secret-through with the name of an account of the kind google or google-adc.")
	}
	return checkThrough(b.config(), a)
}

// onlyGoogle returns the one account of a person or this computer at Google, or "".
func (b *Broker) onlyGoogle() string {
	cfg, only := b.config(), ""
	for _, n := range cfg.AccountNames() {
		if k := cfg.Accounts[n].Kind; k == account.Google || k == account.GoogleADC {
			if only != "" {
				return ""
			}
			only = n
		}
	}
	return only
}

// tryReference reads the secret once and checks it.
func (b *Broker) tryReference(ctx context.Context, a *account.Account, allowTokenURI string) error {
	rec := recordOf(a)
	signer, ref, err := b.signerOf(ctx, &rec)
	switch {
	case err != nil:
		return err
	case signer == nil:
		v, err := b.secretOf(ctx, &rec)
		if err != nil {
			return err
		}
		return examine(a, v, allowTokenURI)
	case a.Kind == account.GoogleKey:
		a.KeyID = lastFour(ref.KeyID)
		_, err = google.SignerKey(a.Email, ref.KeyID, signer)
	default:
		_, err = oauth.SigningMethod(signer, a.Alg)
	}
	return err
}
