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

// failed sorts what a token endpoint said. Only invalid_grant ends the grant;
// network errors and everything else leave it as it is.
func (s *Source) failed(g *Grant, err error) error {
	var e *oauth.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("refresh token: %w", err)
	}
	switch {
	case e.Means(oauth.InvalidGrant):
		ended := *g
		ended.RefreshToken, ended.AccessToken = secret.Plain{}, secret.Plain{}
		s.mu.Lock()
		s.grant = &ended
		s.mu.Unlock()
		return s.ended(g, e, fmt.Errorf("%w: %w", token.ErrSignInNeeded, err))
	case e.Means(oauth.InvalidClient, oauth.UnauthorizedClient):
		return hint.Wrap(fmt.Errorf("%w: %w", token.ErrSignInNeeded, &clientError{err}), hint.SignInNeeded,
			fmt.Sprintf("%s no longer accepts this client.", g.Issuer),
			"Sign in again; if that fails, check the client id and secret with its administrator.")
	case e.Temporary():
		return hint.Wrap(err, hint.Unreachable, fmt.Sprintf("%s has a problem of its own at the moment.", g.Issuer), "Try again later.")
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
