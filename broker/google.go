package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/broker/source/google"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// googleTarget is where access tokens for Google's own services go. An account
// that makes such tokens is bound to it from the beginning, so that giving it to a
// server beyond is a question.
var googleTarget = target{Origin: "https://googleapis.com"}

// keyToGoogle reports whether an account's tokens are a key to Google's services,
// and not only a proof of who somebody is.
func keyToGoogle(a *account.Account) bool {
	switch {
	case a.Kind == account.Google:
		return true
	case a.Kind != account.GoogleADC && a.Kind != account.GoogleImpersonate || a.Audience != "":
		return false
	}
	for _, s := range a.Scopes {
		if s != "openid" && s != "email" && s != "profile" && !strings.HasPrefix(s, "https://www.googleapis.com/auth/userinfo.") {
			return true
		}
	}
	return len(a.Scopes) == 0
}

// carriesGoogle reports whether a kind of account can be asked for an access token
// of the scope cloud-platform.
func carriesGoogle(k account.Kind) bool {
	return k == account.Google || k == account.GoogleADC || k == account.GoogleKey
}

// checkThrough reports whether the accounts that a new account goes through can
// do that.
func checkThrough(cfg *account.Config, a *account.Account) error {
	for _, name := range []string{a.SecretThrough, a.Through} {
		if name == "" || a.Kind == account.Enterprise && name == a.Through {
			continue
		}
		t, err := lookupAccount(cfg, name)
		if err != nil {
			return err
		}
		if !carriesGoogle(t.Kind) {
			return hint.New(hint.Usage, fmt.Sprintf("The account %q is a %s, which gives no access to Google Cloud.", name, t.Kind.Words()),
				"Name an account of the kind google, google-adc or google-key.")
		}
	}
	return nil
}

// impersonation makes the source of a google-impersonate account.
func (b *Broker) impersonation(a *access) (token.Source, error) {
	r := &a.record
	return google.NewImpersonation(google.ImpersonationOptions{
		Client: b.httpClient(), Principal: r.TargetPrincipal, Delegates: r.Delegates,
		Lifetime: time.Duration(a.account.Lifetime) * time.Second, Now: b.opt.Now,
		Caller: func(ctx context.Context, refused string) (*google.Caller, error) {
			return b.caller(ctx, r.Through, refused)
		},
	})
}

// caller returns an access token for Google Cloud of an account that others go
// through, and another one than the refused.
func (b *Broker) caller(ctx context.Context, through, refused string) (*google.Caller, error) {
	acct, err := lookupAccount(b.config(), through)
	if err != nil {
		return nil, err
	}
	s := standaloneServer(acct)
	a, err := b.callerAccess(s, acct)
	if err != nil {
		return nil, err
	}
	c := &google.Caller{Identity: a.identity}
	if acct.Kind == account.GoogleADC {
		creds, err := b.adcCredentials(&a.record, acct.Name)
		if err != nil {
			return nil, err
		}
		if creds != nil {
			c.QuotaProject = creds.QuotaProject
			if creds.Account != "" {
				c.Identity = creds.Account
			}
		}
	}
	req := b.tokenRequest(a, nil)
	if acct.Kind != account.Google {
		req = token.Request{Account: acct.Name, Kind: token.AccessToken, Scopes: []string{google.CloudPlatform}}
	}
	src := b.lazySource(s, a)
	b.seed(req, a)
	if refused != "" {
		c.Token, err = b.cache.Refused(ctx, src, req, refused)
	} else {
		c.Token, err = b.cache.Token(ctx, src, req)
	}
	if errors.Is(err, token.ErrSignInNeeded) {
		err = signInNeeded(acct.Name, endedWhy(err))
	}
	return c, err
}

// callerAccess is the access of an account that others go through. Its tokens go to
// Google alone, which is what going through it means.
func (b *Broker) callerAccess(s *account.Server, acct *account.Account) (*access, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if acct.Kind == account.Google {
		a := b.standing(s)
		if !a.ready() && (a.status != local.Failed || a.record.Kind == "") {
			return nil, a.problem
		}
		return a, nil
	}
	if b.vault == nil {
		return nil, hint.New(hint.Locked, "The vault is not open.", "Try again in a moment.")
	}
	a := &access{account: acct, identity: identityOf(acct)}
	if err := readRecord(b.vault, accountKey(acct.Name), &a.record); err != nil {
		return nil, err
	}
	return a, a.record.agrees(acct)
}

// standaloneServer stands for an account that is asked for by itself, or to sign
// in to, where a server is wanted: Google's own services.
func standaloneServer(a *account.Account) *account.Server {
	return &account.Server{Name: a.Name, URL: googleTarget.Origin, Account: a.Name, Issuer: google.SignIn().Issuer}
}

// beneath returns the accounts that an account goes through.
func beneath(a *account.Account) []string {
	var names []string
	for _, n := range []string{a.Through, a.SecretThrough} {
		if n != "" && !(a.Kind == account.Enterprise && n == a.Through) {
			names = append(names, n)
		}
	}
	return names
}

// above returns the accounts that go through the named one.
func above(cfg *account.Config, name string) []string {
	var names []string
	for _, n := range cfg.AccountNames() {
		for _, through := range beneath(cfg.Accounts[n]) {
			if through == name {
				names = append(names, n)
			}
		}
	}
	return names
}

// adc makes the source of a google-adc account.
func (b *Broker) adc(a *access) (token.Source, error) {
	creds, err := b.adcCredentials(&a.record, a.account.Name)
	if err != nil {
		return nil, err
	}
	return b.defaultSource(creds)
}

func (b *Broker) defaultSource(creds *google.Credentials) (*google.Default, error) {
	direct := &http.Client{Transport: b.direct, Timeout: 10 * time.Second}
	return google.NewDefault(google.DefaultOptions{
		Credentials: creds, Client: b.httpClient(), Metadata: direct, MetadataHost: b.getenv("GCE_METADATA_HOST"), Now: b.opt.Now,
	})
}

// adcCredentials reads an account's file as it is now, which has to say the same
// about where things go as when the user agreed to it. It returns nil for the
// metadata server. An account that came from a team profile has the credentials of
// whatever computer it is on, as long as they choose nothing themselves.
func (b *Broker) adcCredentials(r *accountRecord, name string) (*google.Credentials, error) {
	file := r.TokenFile
	if file == "" {
		if file = b.defaultCredentials(); file == "" {
			return nil, nil
		}
	}
	creds, err := readCredentials(file)
	if err != nil {
		return nil, err
	}
	now := creds.Binding()
	if r.TokenFile == "" && creds.Type != google.ExternalAccount {
		return creds, nil
	}
	if now != r.Credentials {
		return nil, hint.Wrap(errors.New(now), hint.ApprovalNeeded,
			fmt.Sprintf("The Google credentials in %s are others than those that the account %q was added with, so no token is made.", file, name),
			fmt.Sprintf("If that is right, run: keyporter account rotate %s --key-file %s", quoteArg(name), hint.Arg(file)))
	}
	return creds, nil
}

// defaultCredentials returns the file of this computer's credentials, or "" if there
// is none.
func (b *Broker) defaultCredentials() string {
	path := google.DefaultCredentialsFile(b.getenv)
	if path == "" {
		return ""
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return path
}

// maxCredentials is how large a file of credentials may be, in bytes.
const maxCredentials = 64 << 10

func readCredentials(path string) (*google.Credentials, error) {
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		var text []byte
		if text, err = io.ReadAll(io.LimitReader(f, maxCredentials)); err == nil {
			return google.ParseCredentials(secret.New(string(text)))
		}
	}
	return nil, hint.Wrap(err, hint.Failed, fmt.Sprintf("The file %s with Google credentials cannot be read.", path),
		"Check that it is there and yours, or make it with gcloud auth application-default login.")
}

// examineADC finds the credentials that an account is added with, and fills in
// what they say. It returns what the user agrees to with them.
func (b *Broker) examineADC(ctx context.Context, a *account.Account) (string, error) {
	if a.TokenFile == "" {
		if a.TokenFile = b.defaultCredentials(); a.TokenFile == "" {
			return "", b.examineMachine(ctx, a)
		}
	}
	if !filepath.IsAbs(a.TokenFile) {
		return "", hint.New(hint.Usage, "The path of the file of credentials is not absolute.", "Give the whole path.")
	}
	creds, err := readCredentials(a.TokenFile)
	if err != nil {
		return "", err
	}
	if a.Audience != "" && creds.Person() {
		return "", hint.New(hint.Usage, "The Google credentials of this computer are a person's sign-in, which gets no ID tokens for a server.",
			"Add them without --audience, then: keyporter account add google-impersonate NAME --as EMAIL --through "+quoteArg(a.Name)+" --audience "+hint.Arg(a.Audience))
	}
	if a.Email = creds.Email; a.Email == "" {
		a.Email = creds.Account
	}
	return creds.Binding(), nil
}

// examineMachine asks the metadata server whose credentials it has.
func (b *Broker) examineMachine(ctx context.Context, a *account.Account) error {
	src, err := b.defaultSource(nil)
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	a.Email, err = src.MachineAccount(limit)
	return err
}

// examineNew checks a new account's secret, or the place where it rests. It
// returns what has to be bound beside the record's own fields.
func (b *Broker) examineNew(ctx context.Context, a *account.Account, p *local.PutAccount) (credentials string, err error) {
	switch {
	case a.Kind == account.GoogleADC:
		return b.examineADC(ctx, a)
	case a.SecretRef != "":
		return "", b.examineReference(ctx, a, p)
	}
	return "", examine(a, p.Secret.Value, p.AllowTokenURI)
}

// examineRotated does the same for an account that gets another secret, file of
// credentials or reference.
func (b *Broker) examineRotated(ctx context.Context, a *account.Account, r *accountRecord, p *local.PutAccount, allow string) (err error) {
	switch {
	case a.Kind == account.GoogleADC:
		a.TokenFile = p.Account.TokenFile
		r.Credentials, err = b.examineADC(ctx, a)
		r.TokenFile = a.TokenFile
		return err
	case p.Account.SecretRef != "":
		a.SecretRef, a.SecretThrough = p.Account.SecretRef, p.Account.SecretThrough
		if err := b.examineReference(ctx, a, p); err != nil {
			return err
		}
	default:
		a.SecretRef, a.SecretThrough = "", ""
		if err := examine(a, p.Secret.Value, allow); err != nil {
			return err
		}
	}
	r.SecretRef, r.SecretThrough = a.SecretRef, a.SecretThrough
	return nil
}
