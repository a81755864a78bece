package authcode

import (
	"context"
	"errors"
	"fmt"

	"keyporter/broker/oauth"
	"keyporter/internal/hint"
)

// Revoke asks the issuer to end a grant (RFC 7009): the refresh token, which ends
// everything that came of it, and then the access token for issuers that go on
// accepting it. auth is of the grant's client. The error is a hint; the grant may
// be forgotten all the same.
func Revoke(ctx context.Context, client *oauth.Client, g *Grant, auth oauth.ClientAuth) error {
	if g.RevocationEndpoint == "" {
		return hint.New(hint.Refused, fmt.Sprintf("%s has no way to revoke a sign-in from here.", g.Issuer),
			"Remove Keyporter from the list of connected programs in your account there.")
	}
	var errs []error
	if !g.RefreshToken.IsZero() {
		errs = append(errs, client.Revoke(ctx, g.RevocationEndpoint, auth, g.RefreshToken.Value, "refresh_token"))
	}
	if !g.AccessToken.IsZero() {
		err := client.Revoke(ctx, g.RevocationEndpoint, auth, g.AccessToken.Value, "access_token")
		if oauth.CodeOf(err) != "unsupported_token_type" { // RFC 7009 section 2.2.1: short-lived and self-contained
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return hint.Wrap(err, hint.CodeOf(err), fmt.Sprintf("%s did not confirm that the sign-in is revoked.", g.Issuer),
			"Try again, or remove Keyporter from the list of connected programs in your account there.")
	}
	return nil
}
