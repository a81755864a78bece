package authcode

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// failed sorts what a token endpoint said to a refresh token.
//
//   - It is worth nothing any more (invalid_grant, a provider that renews nothing,
//     one that wants to see the person): the grant ends, and only a sign-in helps.
//   - It is of a client that the provider has forgotten: the same. A client that
//     the user was given may have got a new secret, so its grants stay.
//   - It refuses what was signed because this computer's clock is wrong: the grant stays.
//   - The provider has a problem, or the network: the grant stays and is tried again.
//   - Anything else (the resource or the scope is refused, an odd answer): the grant
//     stays, and is tried again much less often; see token.Cache. The words say what
//     a person can do.
func (s *Source) failed(g *Grant, err error) error {
	var e *oauth.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("refresh token: %w", err)
	}
	if untimely := e.Untimely(err, g.Issuer); untimely != nil {
		return untimely
	}
	switch {
	case e.Means(oauth.InvalidGrant, oauth.UnsupportedGrantType):
		ended := *g
		ended.RefreshToken, ended.AccessToken = secret.Plain{}, secret.Plain{}
		s.mu.Lock()
		s.grant = &ended
		s.mu.Unlock()
		return s.ended(g, e, fmt.Errorf("%w: %w", token.ErrSignInNeeded, err))
	case e.Means(oauth.InvalidClient, oauth.UnauthorizedClient) && s.o.Preregistered:
		return hint.Wrap(&clientError{err}, hint.Refused, fmt.Sprintf("%s does not accept the client id or its secret.", g.Issuer),
			"Give the server the new ones (keyporter set NAME client-id=… client-secret-file=FILE), or sign in again.")
	case e.Means(oauth.InvalidClient, oauth.UnauthorizedClient):
		return hint.Wrap(fmt.Errorf("%w: %w", token.ErrSignInNeeded, &clientError{err}), hint.SignInNeeded,
			fmt.Sprintf("%s no longer accepts this client.", g.Issuer),
			"Sign in again; if that fails, check the client id and secret with its administrator.")
	case e.Temporary():
		return hint.Wrap(err, hint.Unreachable, fmt.Sprintf("%s has a problem of its own at the moment.", g.Issuer), "Try again later.")
	}
	switch {
	case isTarget(e):
		return hint.Wrap(err, hint.Refused, fmt.Sprintf("%s no longer knows this server.", g.Issuer), targetHelp(s.o.Preset))
	case e.Means(oauth.InvalidScope):
		return hint.Wrap(err, hint.Refused, fmt.Sprintf("%s no longer gives the permissions of this sign-in.", g.Issuer),
			"Sign in again; if that does not help, choose the permissions with --scope.")
	}
	return hint.Wrap(err, hint.Refused, fmt.Sprintf("%s refused to renew the sign-in.", g.Issuer),
		"Sign in again; if that does not help, ask its administrator.")
}

// ended gives words to the end of a grant. Google says in the description that an
// organisation's rules want the person again, and ends the grants of an app in
// testing after some days.
func (s *Source) ended(g *Grant, e *oauth.Error, cause error) error {
	days := s.o.Preset.RefreshDays
	life := s.o.Now().Sub(g.SignedIn)
	switch {
	case e.Code == "invalid_rapt" || strings.Contains(e.Description, "invalid_rapt"):
		return hint.Wrap(cause, hint.SignInNeeded, fmt.Sprintf("%s wants to see you again, as your organisation's rules have it.", g.Issuer), "Sign in again.")
	case days > 0 && !g.SignedIn.IsZero() && life > time.Duration(days)*24*time.Hour && life < time.Duration(days+2)*24*time.Hour:
		return hint.Wrap(cause, hint.SignInNeeded, fmt.Sprintf("The sign-in at %s ended after %d days.", g.Issuer, days),
			"Sign in again; if it happens each time, ask the owner of the app to take it out of the publishing status Testing.")
	}
	return signInAgain(g, cause)
}

func signInAgain(g *Grant, cause error) error {
	return hint.Wrap(cause, hint.SignInNeeded, fmt.Sprintf("The sign-in at %s has ended.", g.Issuer), "Sign in again.")
}
