package google

import "keyporter/broker/oauth"

// SignIn is Google's authorization server, as its metadata says it: fixed here,
// because a person's sign-in for impersonation goes to Google and nowhere else.
func SignIn() *oauth.AuthorizationServerMetadata {
	return &oauth.AuthorizationServerMetadata{
		Issuer:                            "https://accounts.google.com",
		AuthorizationEndpoint:             "https://accounts.google.com/o/oauth2/v2/auth",
		TokenEndpoint:                     googleTokenURL,
		RevocationEndpoint:                "https://oauth2.googleapis.com/revoke",
		TokenEndpointAuthMethodsSupported: []string{oauth.AuthSecretPost, oauth.AuthSecretBasic},
		CodeChallengeMethodsSupported:     []string{"plain", "S256"},
		ResponseTypesSupported:            []string{"code"},
	}
}

// IdentityScopes let a sign-in say who signed in.
var IdentityScopes = []string{"openid", "email"}
