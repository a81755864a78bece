package oauth

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"keyporter/broker/secret"
)

// Error codes that callers branch on (RFC 6749 section 5.2, RFC 6750 section
// 3.1, RFC 8628 section 3.5, RFC 8707 section 2, RFC 9449 section 5).
const (
	InvalidRequest       = "invalid_request"
	InvalidClient        = "invalid_client"
	InvalidGrant         = "invalid_grant"
	UnauthorizedClient   = "unauthorized_client"
	UnsupportedGrantType = "unsupported_grant_type"
	InvalidScope         = "invalid_scope"
	InvalidTarget        = "invalid_target"
	InvalidToken         = "invalid_token"
	InsufficientScope    = "insufficient_scope"
	AccessDenied         = "access_denied"
	AuthorizationPending = "authorization_pending"
	SlowDown             = "slow_down"
	ExpiredToken         = "expired_token"
	UseDPoPNonce         = "use_dpop_nonce"
	InvalidDPoPProof     = "invalid_dpop_proof"
)

// An Error is what an authorization server answered instead of what was asked
// for (RFC 6749 section 5.2, RFC 7591 section 3.2.2). It holds nothing else of
// the answer.
type Error struct {
	Code        string // error, cleaned; empty if the answer had none
	Description string // error_description, cleaned: at most 200 characters, none of them control characters
	Status      int    // the HTTP status; 0 for an answer that came by the browser

	// Ahead is how far our clock is ahead of the server's, by the Date of its answer
	// (RFC 9110 section 6.6.1), where it refuses what we signed at our time; else zero.
	Ahead time.Duration
}

// Error gives the code, the status and the description on one line.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("the authorization server answered ")
	switch {
	case e.Status == 0:
		b.WriteString(e.Code)
	case e.Code == "":
		b.WriteString(strings.TrimSpace(fmt.Sprintf("HTTP %d %s", e.Status, http.StatusText(e.Status))))
	default:
		fmt.Fprintf(&b, "%s (HTTP %d)", e.Code, e.Status)
	}
	if e.Description != "" {
		b.WriteString(": " + e.Description)
	}
	return b.String()
}

// others are codes that providers send in place of the standards' own: GitHub,
// Slack.
var others = map[string]string{
	"bad_verification_code": InvalidGrant, "bad_refresh_token": InvalidGrant, "invalid_code": InvalidGrant, "code_already_used": InvalidGrant,
	"invalid_refresh_token": InvalidGrant, "token_expired": InvalidGrant, "token_revoked": InvalidGrant, "invalid_rapt": InvalidGrant,
	"incorrect_client_credentials": InvalidClient, "invalid_client_id": InvalidClient, "bad_client_secret": InvalidClient,
	// OpenID Connect Core section 3.1.2.6, at the token endpoint: the person has to
	// be there. Entra ID answers so when a rule asks for a second factor.
	"interaction_required": InvalidGrant, "login_required": InvalidGrant, "consent_required": InvalidGrant, "account_selection_required": InvalidGrant,
	"redirect_uri_mismatch": InvalidRequest, "bad_redirect_uri": InvalidRequest,
}

// Means reports whether the code is one of the given ones, or one that some
// provider sends in place of them.
func (e *Error) Means(codes ...string) bool {
	standard, ok := others[e.Code]
	return e.Code != "" && slices.Contains(codes, e.Code) || ok && slices.Contains(codes, standard)
}

// Temporary reports whether the same request may do better later.
func (e *Error) Temporary() bool {
	switch e.Code {
	case "temporarily_unavailable", "server_error", "slow_down":
		return true
	}
	return e.Status >= 500 || e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout
}

// CodeOf returns the code of the *Error in err's chain, or "".
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// clean makes a text that came from outside fit for an error; see secret.Quote.
func clean(s string, limit int) string { return secret.Quote(s, limit) }

// NewError returns the Error for an error response at the authorization endpoint
// (RFC 6749 section 4.1.2.1), which has no status.
func NewError(code, description string) *Error {
	return &Error{Code: clean(code, 100), Description: clean(description, 200)}
}
