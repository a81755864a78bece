package oauth

// presets are the providers that need one. The first whose pattern matches the
// issuer counts. Sources: the providers' own documentation and what clients met
// there.
var presets = []*Preset{
	{
		Name: "Google", match: []string{"accounts.google.com"},
		// Refresh tokens come with access_type=offline, and again only with a consent.
		AuthorizeParams: map[string]string{"access_type": "offline", "prompt": "consent"},
		OfflineAccess:   OfflineNever, // it does not know the scope
		NoRegistration:  true,
		RefreshDays:     7,
		Ask:             "In the Google Cloud console, under APIs & Services, Credentials, somebody makes an OAuth client ID of the type Desktop app.",
		Note:            "Sign-ins to an app whose publishing status is Testing end after seven days.",
	},
	{
		Name: "Entra ID",
		match: []string{
			"login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "login.chinacloudapi.cn",
			"login.microsoftonline.de", "login.windows.net", "*.ciamlogin.com",
		},
		NoResource:     true, // AADSTS9010010, AADSTS901002: only with the application ID URI
		AssumePKCE:     true,
		OfflineAccess:  OfflineAlways,
		NoConsent:      true, // tenants that let no user consent would refuse
		ScopePrefix:    true, // AADSTS650053: a bare scope is one of Microsoft Graph
		RepeatScope:    true, // AADSTS90009
		TemplateIssuer: true,
		NoRegistration: true,
		Ask:            "In the Entra admin center, under App registrations, somebody makes a registration with the platform Mobile and desktop applications and the redirect URI http://localhost.",
		TargetHelp:     "The scopes have to name the application, such as api://APP/read; set them with --scope.",
	},
	{
		Name: "Auth0", match: []string{"*.auth0.com"},
		AudienceResource: true, // without, tokens are opaque or encrypted
		NoConsent:        true,
		SwitchPrompt:     "login",
		Ask:              "In the Auth0 dashboard, under Applications, somebody makes an application of the type Native.",
		TargetHelp:       "Ask whoever runs the Auth0 tenant to make an API with the server's address as its identifier, or set --audience to the one it has.",
	},
	{
		Name: "Okta organisation", match: []string{"*.okta.com/", "*.oktapreview.com/", "*.okta-emea.com/", "*.okta-gov.com/"},
		NoConsent: true, SwitchPrompt: "login",
		Ask:  "In the Okta admin console, under Applications, somebody makes an OIDC app integration of the type Native Application.",
		Note: "Tokens of the organisation's own authorization server are good for Okta's own APIs only; a server of your company needs a custom one (/oauth2/ID).",
	},
	{
		Name: "Okta", match: []string{"*.okta.com", "*.oktapreview.com", "*.okta-emea.com", "*.okta-gov.com"},
		NoConsent: true, SwitchPrompt: "login",
		Ask: "In the Okta admin console, under Applications, somebody makes an OIDC app integration of the type Native Application.",
	},
	{
		Name: "Cognito", match: []string{"cognito-idp.*.amazonaws.com", "cognito-idp.*.amazonaws.com.cn", "cognito-idp-fips.*.amazonaws.com"},
		AssumePKCE: true, NoRegistration: true, ExactRedirect: true, NoConsent: true, SwitchPrompt: "login",
		OfflineAccess: OfflineNever, // unknown scopes are an error there
		Ask:           "In the Amazon Cognito console, in the user pool, under App clients, somebody makes a public client.",
		Note:          "A server that wants the ID token needs --use-id-token.",
	},
	{
		Name: "GitHub", match: []string{"github.com/login/oauth", "github.com/", "*.ghe.com/login/oauth"},
		AssumePKCE: true, NoRegistration: true, CommaScopes: true, OfflineAccess: OfflineNever,
		Ask:  "In GitHub's settings, under Developer settings, somebody makes a GitHub App or an OAuth App.",
		Note: "Tokens of an OAuth App do not expire. A personal access token works too, as an account of the kind static.",
	},
	{
		Name: "Atlassian", match: []string{"auth.atlassian.com", "*.atlassian.com", "*.atlassian.net"},
		Note: "Refresh tokens are used once. One sign-in covers the sites that were chosen in it; another site needs an account of its own.",
	},
	{
		Name: "Slack", match: []string{"slack.com", "*.slack.com", "slack-gov.com", "*.slack-gov.com"},
		NoRegistration: true, RedirectURI: "http://localhost:3118/callback", ExactRedirect: true,
		ScopeParam: "user_scope", ScopeParamAt: "/oauth/v2/authorize", ScopeRequired: true, CommaScopes: true, RepeatURI: true,
		OfflineAccess: OfflineNever,
		Ask:           "At api.slack.com/apps, somebody makes an app for your workspace with that redirect URL and the user scopes.",
	},
	{
		Name: "Datadog", match: []string{"*.datadoghq.com", "*.datadoghq.eu", "*.ddog-gov.com", "datadoghq.com", "datadoghq.eu"},
		OfflineAccess: OfflineNever, // its empty list of scopes means that there are none
	},
	{
		Name: "Cloudflare workers-oauth-provider", match: []string{"*.workers.dev", "*.mcp.cloudflare.com", "mcp.cloudflare.com"},
		RegistrationDays: 85, // it forgets clients after 90 days
		Note:             "Registered programs are forgotten after 90 days; Keyporter registers anew before that.",
	},
	{
		Name: "FastMCP", match: []string{"*.fastmcp.app"},
		Note: "The server shows a page of its own that asks for your consent at each sign-in.",
	},
	{
		Name: "Keycloak", match: []string{"*/realms/*", "*/auth/realms/*"},
		NoConsent: true, SwitchPrompt: "login",
		DevicePKCE: true, // clients that have to use PKCE have to here
		Ask:        "In the realm's admin console, under Clients, somebody makes a public client with Standard flow, or takes this computer into the client registration policy Trusted Hosts.",
		TargetHelp: "The realm does not know that resource; ask its administrator for an audience mapper or a client scope for the server, or use --no-resource.",
	},
}
