package google

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"keyporter/broker/oauth"
	"keyporter/internal/hint"
)

// tolerance is how far our clock may be off before it is named as the reason of
// a refusal. Google itself takes a few minutes.
const tolerance = 2 * time.Minute

// refused gives words to an error answer. ahead is how far our clock is ahead of
// Google's. The descriptions are Google's own and not documented, so each one
// that is not known ends in the general words, with the description as the cause.
func (s *Source) refused(account string, e *oauth.Error, ahead time.Duration) error {
	text := strings.ToLower(e.Description)
	rotate := fmt.Sprintf("Ask the owner of the project for a new key, then run: keyporter account rotate %s --key-file FILE", hint.Arg(account))
	switch {
	case e.Temporary():
		return hint.Wrap(e, hint.Unreachable, fmt.Sprintf("%s has a problem at the moment.", s.host()), "Try again later.")
	case e.Code == oauth.InvalidGrant && clockMatters(text, ahead):
		return hint.Wrap(e, hint.Refused, clockWords(ahead), oauth.SetClock)
	case e.Code == oauth.InvalidGrant && strings.Contains(text, "signature"):
		return hint.Wrap(e, hint.Refused, fmt.Sprintf("Google does not know this key of %s any more: it was deleted or disabled.", s.key.Email), rotate)
	case e.Code == oauth.InvalidGrant && (strings.Contains(text, "account not found") || strings.Contains(text, "not a valid email")):
		return hint.Wrap(e, hint.Refused, fmt.Sprintf("The service account %s was deleted or disabled.", s.key.Email), rotate)
	case e.Code == oauth.InvalidGrant:
		return hint.Wrap(e, hint.Refused, fmt.Sprintf("Google does not accept this key of %s: it was deleted or disabled, or the service account was.", s.key.Email), rotate)
	case e.Code == oauth.InvalidScope:
		return hint.Wrap(e, hint.Refused, "Google does not know the scope or audience that this account asks for.",
			"Check the account's --scope or --audience for typing errors.")
	case e.Code == "unauthorized_client" || e.Code == "access_denied" || e.Status == http.StatusForbidden:
		return hint.Wrap(e, hint.Refused, fmt.Sprintf("Google does not let %s get this token.", s.key.Email),
			"Ask the owner of the project what the service account may do.")
	}
	return hint.Wrap(e, hint.Refused, fmt.Sprintf("%s refused to give a token to %s.", s.host(), s.key.Email),
		"Try again later; if it stays so, ask the owner of the project.")
}

// clockMatters reports whether an invalid_grant is about the time.
func clockMatters(text string, ahead time.Duration) bool {
	said := strings.Contains(text, "short-lived") || strings.Contains(text, "iat") && strings.Contains(text, "exp")
	return said || ahead.Abs() > tolerance && !strings.Contains(text, "signature") && !strings.Contains(text, "account")
}

// clockWords says how far the clock is off, as far as the answer told.
func clockWords(ahead time.Duration) string {
	if ahead.Abs() < 30*time.Second {
		return "Google refuses the request because of its time: this computer's clock seems to be wrong."
	}
	return oauth.ClockOff(ahead, "Google's") + ", so Google refuses the key's signature."
}
