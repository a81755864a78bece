package authcode

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"keyporter/broker/loopback"
	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// Wait returns the grant once the browser has come back, or a redirect was
// pasted, and the code is redeemed. It closes the flow. It is called once.
func (f *Flow) Wait(ctx context.Context) (*Grant, error) {
	defer f.Close()
	if f.device != nil {
		g, err := f.waitDevice(ctx)
		if err != nil {
			return nil, fmt.Errorf("sign in: %w", err)
		}
		return g, nil
	}
	var answers <-chan *loopback.Response
	if f.listener != nil {
		answers = f.listener.Answers()
	}
	var answer *loopback.Response
	select {
	case answer = <-answers:
	case answer = <-f.pasted:
	case <-ctx.Done():
		return nil, fmt.Errorf("sign in: wait for the browser: %w", ctx.Err())
	}
	g, err := f.redeem(ctx, answer)
	if f.listener != nil {
		who := ""
		if err == nil {
			who = g.Identity.String()
		}
		f.listener.Finish(err == nil, who)
	}
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	return g, nil
}

// Paste takes the address at which the browser ended, where the browser is on
// another computer. An address that is not of this sign-in is refused and
// changes nothing; otherwise Wait goes on with it.
func (f *Flow) Paste(redirect string) error {
	answer, err := loopback.ParseRedirect(redirect)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare([]byte(answer.State), []byte(f.state)) != 1 {
		return hint.New(hint.Usage, "This address is of another sign-in.", "Copy the address at which the present one ended.")
	}
	select {
	case f.pasted <- answer:
	default: // pasted twice; the first counts
	}
	return nil
}

// redeem checks the answer and exchanges the code (RFC 6749 section 4.1.3).
func (f *Flow) redeem(ctx context.Context, answer *loopback.Response) (*Grant, error) {
	if err := f.checkIssuer(answer); err != nil {
		return nil, err
	}
	if answer.Error != "" {
		return nil, f.denied(answer)
	}
	form := url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {answer.Code.Reveal()},
		"redirect_uri":  {f.RedirectURI},
		"code_verifier": {f.verifier.Reveal()},
	}
	if f.Resource != "" {
		form.Set("resource", f.Resource)
	}
	as := f.Discovery.Server
	res, err := f.o.Client.Token(ctx, as.TokenEndpoint, f.auth(), form)
	if err != nil {
		return nil, f.explain(err)
	}
	return f.grant(res)
}

// grant makes the grant of a successful token response.
func (f *Flow) grant(res *oauth.TokenResponse) (*Grant, error) {
	as := f.Discovery.Server
	scheme, ok := res.Scheme(f.dpop)
	if !ok {
		return nil, oddKind(f.Issuer)
	}
	if f.o.DPoP == DPoPAlways && scheme != "DPoP" {
		return nil, hint.New(hint.Refused, fmt.Sprintf("%s issued a token that is not bound to a key.", f.Issuer), "Set the server up with --dpop auto.")
	}
	if f.o.UseIDToken && res.IDToken.IsZero() {
		return nil, hint.New(hint.Refused, fmt.Sprintf("%s issued no ID token, which this server wants.", f.Issuer), "Ask its administrator, or set the server up without --use-id-token.")
	}
	g := &Grant{
		Issuer: f.Issuer, TokenEndpoint: as.TokenEndpoint, RevocationEndpoint: as.RevocationEndpoint,
		ClientID: f.Registration.ClientID, AuthMethod: f.Registration.AuthMethod,
		AccessToken: secret.Plain{Value: res.AccessToken}, RefreshToken: secret.Plain{Value: res.RefreshToken},
		Issued: f.o.Now(), Expiry: res.Expiry, Scope: res.Scope, Resource: f.Resource,
		IDToken: secret.Plain{Value: res.IDToken}, UseIDToken: f.o.UseIDToken,
	}
	g.IDTokenCame = g.Issued
	var err error
	if scheme == "DPoP" {
		g.TokenType = scheme
		if g.DPoPKey.Value, err = f.dpop.Marshal(); err != nil {
			return nil, err
		}
	}
	g.Asked, g.SignedIn = strings.Join(f.Scopes, " "), g.Issued
	if f.Preset.RepeatURI {
		g.RedirectURI = f.RedirectURI
	}
	if f.Preset.CommaScopes {
		g.Scope = strings.ReplaceAll(g.Scope, ",", " ")
	}
	if g.Scope == "" { // RFC 6749 section 5.1: as asked for
		g.Scope = strings.Join(f.Scopes, " ")
	}
	if g.Identity, err = f.identity(res); err != nil {
		return nil, err
	}
	return g, nil
}

// oddKind is the error for a token_type that nobody here can send.
func oddKind(issuer string) error {
	return hint.New(hint.Refused, fmt.Sprintf("%s issued a token of a kind that is not supported.", issuer), "Ask its administrator for plain bearer tokens.")
}

// checkIssuer is RFC 9207 section 2.4 and MCP authorization, mix-up protection:
// plain comparison with the issuer recorded before the browser opened. Nothing
// else of a foreign answer is shown, error and error_description included.
func (f *Flow) checkIssuer(answer *loopback.Response) error {
	const do = "Try again; if it happens again, do not sign in and tell the owner of the server."
	switch {
	case answer.HasIss && answer.Iss != f.Issuer:
		return hint.New(hint.Refused, fmt.Sprintf("The answer to the sign-in came from somebody else than %s.", f.Issuer), do)
	case !answer.HasIss && f.Discovery.Server.AuthorizationResponseIssParameterSupported:
		return hint.New(hint.Refused, fmt.Sprintf("The answer to the sign-in does not say that it comes from %s, as it should.", f.Issuer), do)
	}
	return nil
}

// denied turns an error response into words (RFC 6749 section 4.1.2.1).
func (f *Flow) denied(answer *loopback.Response) error {
	return f.refused(oauth.NewError(answer.Error, answer.ErrorDescription))
}

// refused gives words to a refused authorization request.
func (f *Flow) refused(cause *oauth.Error) error {
	what, do := fmt.Sprintf("%s refused the sign-in (%s).", f.Issuer, cause.Code), "Ask its administrator; the details have its own words."
	switch code := cause.Code; {
	case code == "":
		what = fmt.Sprintf("%s refused the sign-in.", f.Issuer)
	case isTarget(cause):
		what, do = fmt.Sprintf("%s does not know this server.", f.Issuer), targetHelp(f.Preset)
	case code == oauth.AccessDenied:
		what, do = fmt.Sprintf("The sign-in at %s was declined.", f.Issuer), "Sign in again and agree, or ask the administrator for access."
	case code == oauth.InvalidScope:
		do = "The permissions that the server names are not offered there; choose others with --scope."
	case cause.Temporary():
		do = "Try again later."
	}
	if cause.Means(oauth.InvalidClient, oauth.UnauthorizedClient) {
		return hint.Wrap(&clientError{cause}, hint.Refused, what, do)
	}
	return hint.Wrap(cause, hint.Refused, what, do)
}

// isTarget reports whether a provider refused the resource (RFC 8707 section 2);
// Entra ID says so in the description only.
func isTarget(e *oauth.Error) bool {
	return e.Code == oauth.InvalidTarget || strings.Contains(e.Description, "AADSTS9010010") || strings.Contains(e.Description, "AADSTS901002")
}

func targetHelp(p *oauth.Preset) string {
	if p.TargetHelp != "" {
		return p.TargetHelp
	}
	return "Try --no-resource, or --resource with the name it knows."
}

// explain gives words to a failed exchange of the code.
func (f *Flow) explain(err error) error {
	var e *oauth.Error
	if !errors.As(err, &e) {
		return err
	}
	if untimely := e.Untimely(err, f.Issuer); untimely != nil {
		return untimely
	}
	switch {
	case e.Temporary():
		return hint.Wrap(err, hint.Unreachable, fmt.Sprintf("%s has a problem of its own at the moment.", f.Issuer), "Try again later.")
	case e.Means(oauth.InvalidClient, oauth.UnauthorizedClient):
		return hint.Wrap(&clientError{err}, hint.Refused, fmt.Sprintf("%s does not accept this client.", f.Issuer),
			"Try again; if it happens again, check the client id and secret with its administrator.")
	case isTarget(e):
		return hint.Wrap(err, hint.Refused, fmt.Sprintf("%s does not know this server.", f.Issuer), targetHelp(f.Preset))
	}
	return hint.Wrap(err, hint.Refused, fmt.Sprintf("%s did not complete the sign-in.", f.Issuer), "Sign in again.")
}
