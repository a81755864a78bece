package google

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// CloudPlatform is the scope that an access token needs to impersonate and to
// read secrets.
const CloudPlatform = "https://www.googleapis.com/auth/cloud-platform"

// iamCredentials is the IAM Service Account Credentials API. The project is
// always "-": the service account's address says which one it is in.
const iamCredentials = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"

// A Caller is the access token of the account that impersonates.
type Caller struct {
	Token        *token.Token // Required. With the scope CloudPlatform.
	Identity     string       // Optional. Whose it is, an e-mail address, for sentences.
	QuotaProject string       // Optional. The project that is charged for the call; a person's application-default credentials need one.
}

// ImpersonationOptions are the settings of an Impersonation.
type ImpersonationOptions struct {
	Client *http.Client // Required. As for Options.

	// Caller returns the access token that impersonates, and another one than the
	// refused if that names one by its hash. It may return token.ErrSignInNeeded.
	// Required.
	Caller func(ctx context.Context, refused string) (*Caller, error)

	Principal string           // Required. The service account to become (TargetPrincipal).
	Delegates []string         // Optional. Service accounts in between, in their order.
	Lifetime  time.Duration    // Optional. Of access tokens; zero is an hour.
	Now       func() time.Time // Optional; nil means time.Now.
}

// An Impersonation makes the tokens of a service account with another account's
// access token: an ID token for the request's Audience, or an access token with
// its Scopes. There is no key anywhere.
type Impersonation struct {
	wire
	o ImpersonationOptions
}

var _ token.Source = (*Impersonation)(nil)

// NewImpersonation checks the options and returns an Impersonation.
func NewImpersonation(o ImpersonationOptions) (*Impersonation, error) {
	switch {
	case o.Client == nil:
		return nil, errors.New("impersonation: Client is required")
	case o.Caller == nil:
		return nil, errors.New("impersonation: Caller is required")
	}
	for _, email := range append([]string{o.Principal}, o.Delegates...) {
		if !emailForm().MatchString(email) {
			return nil, errors.New("impersonation: Principal or one of Delegates is not the address of a service account")
		}
	}
	return &Impersonation{newWire(o.Client, o.Now), o}, nil
}

// Token returns a new token for req.
func (i *Impersonation) Token(ctx context.Context, req token.Request) (*token.Token, error) {
	switch {
	case req.Kind == token.IDToken && req.Audience != "":
		return i.idToken(ctx, req.Audience)
	case req.Kind == token.AccessToken && len(req.Scopes) > 0:
		return i.accessToken(ctx, req.Scopes)
	}
	return nil, hint.New(hint.Usage, fmt.Sprintf("Impersonation makes no token of the kind %q without an audience or a scope.", req.Kind),
		"Use --audience or --scope.")
}

// idToken is generateIdToken. Its tokens live for an hour.
func (i *Impersonation) idToken(ctx context.Context, audience string) (*token.Token, error) {
	var ans struct{ Token string }
	_, err := i.call(ctx, "generateIdToken", map[string]any{"audience": audience, "includeEmail": true}, &ans)
	if err != nil {
		return nil, err
	}
	tok, why := idToken(i.now(), ans.Token, audience)
	if why != "" {
		return nil, oddAnswer(hostOf(iamCredentials), why)
	}
	return tok, nil
}

// accessToken is generateAccessToken.
func (i *Impersonation) accessToken(ctx context.Context, scopes []string) (*token.Token, error) {
	ask := map[string]any{"scope": scopes}
	if i.o.Lifetime > 0 {
		ask["lifetime"] = fmt.Sprintf("%ds", int64(i.o.Lifetime/time.Second))
	}
	var ans struct {
		AccessToken string
		ExpireTime  time.Time
	}
	ahead, err := i.call(ctx, "generateAccessToken", ask, &ans)
	if err != nil {
		return nil, err
	}
	if ans.AccessToken == "" || !visible(ans.AccessToken) || ans.ExpireTime.IsZero() {
		return nil, oddAnswer(hostOf(iamCredentials), "it has no access token with its expiry")
	}
	if ahead.Abs() > slightly {
		ans.ExpireTime = ans.ExpireTime.Add(ahead) // by our clock
	}
	return &token.Token{Value: secret.New(ans.AccessToken), Scheme: "Bearer", Issued: i.now(), Expiry: ans.ExpireTime, Scopes: slices.Clone(scopes)}, nil
}

// call sends one request of the API, and again with another token if the first
// one is no longer good. A young one may be handed out twice, see token.Cache.
// call returns how far our clock is ahead of Google's.
func (i *Impersonation) call(ctx context.Context, method string, ask map[string]any, into any) (ahead time.Duration, err error) {
	if len(i.o.Delegates) > 0 {
		names := make([]string, len(i.o.Delegates))
		for n, d := range i.o.Delegates {
			names[n] = "projects/-/serviceAccounts/" + d
		}
		ask["delegates"] = names
	}
	body, err := json.Marshal(ask)
	if err != nil {
		return 0, err
	}
	refused := ""
	for tries := 1; ; tries++ {
		c, err := i.o.Caller(ctx, refused)
		if err != nil {
			return 0, err
		}
		r, err := i.post(ctx, method, c, body)
		if err != nil {
			return 0, err
		}
		ahead := oauth.ClockAhead(i.now(), r.header.Get("Date"))
		switch {
		case r.status == http.StatusOK && json.Unmarshal(r.body, into) == nil:
			return ahead, nil
		case r.status == http.StatusOK:
			return 0, oddAnswer(hostOf(iamCredentials), "it cannot be read")
		case r.status == http.StatusUnauthorized && tries <= 2 && (refused == "" || refused == c.Token.Hash()):
			refused = c.Token.Hash()
			continue
		}
		return 0, i.refused(method, c, readAPIError(r), ahead)
	}
}

func (i *Impersonation) post(ctx context.Context, method string, c *Caller, body []byte) (*reply, error) {
	h := http.Header{
		"Content-Type":  {"application/json"},
		"Accept":        {"application/json"},
		"Authorization": {c.Token.HeaderValue()},
	}
	if c.QuotaProject != "" {
		h.Set("X-Goog-User-Project", c.QuotaProject)
	}
	return i.ask(ctx, http.MethodPost, iamCredentials+i.o.Principal+":"+method, h, body)
}
