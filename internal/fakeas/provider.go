package fakeas

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The providers here behave in the ways for which they are known, as far as a
// client meets them: what they refuse and in which words, and what they leave out.
// Each has a registered client named "client" where the provider registers none by
// itself. Host is where the real one is.

// A Provider is the behaviour of one provider.
type Provider struct {
	Name    string // the name of the preset for it
	Host    string
	Options Options
}

const loopbackURI = "http://127.0.0.1/callback"

func registered(redirect ...string) []Client {
	return []Client{{ID: "client", RedirectURIs: redirect}}
}

// Google issues a refresh token with access_type=offline only, and to somebody who
// agreed before only with prompt=consent; answers with long names of scopes; has
// opaque tokens; knows neither offline_access nor resource.
func Google() Provider {
	agreed := false
	return Provider{"Google", "accounts.google.com", Options{
		Clients: registered(loopbackURI), NoRegistration: true, IgnoreResource: true, TokenForm: Opaque, KeepRefresh: true,
		Scopes: []string{"openid", "email", "profile", "https://www.googleapis.com/auth/calendar"},
		Offline: func(q url.Values) bool {
			again := agreed
			agreed = true
			return q.Get("access_type") == "offline" && (!again || slices.Contains(strings.Fields(q.Get("prompt")), "consent"))
		},
		EditToken: func(m map[string]any) {
			for _, s := range []string{"email", "profile"} {
				m["scope"] = strings.Replace(m["scope"].(string), s, "https://www.googleapis.com/auth/userinfo."+s, 1)
			}
		},
	}}
}

// Entra is Microsoft Entra ID as an application for any tenant meets it: its
// metadata names {tenantid}, says nothing of PKCE and is behind the path only; ID
// tokens name the person's tenant; resource is refused; scopes name the application, and refresh repeats them.
func Entra() Provider {
	const app = "api://11111111-2222-3333-4444-555555555555/"
	qualified := func(scope string) bool {
		return slices.ContainsFunc(strings.Fields(scope), func(s string) bool { return strings.HasPrefix(s, app) })
	}
	mismatch := "AADSTS9010010: The resource parameter provided in the request doesn't match with the requested scopes."
	return Provider{"Entra ID", "login.microsoftonline.com", Options{
		IssuerPath: "/organizations/v2.0", Shape: OIDCAppended, MetadataIssuer: "https://login.microsoftonline.com/{tenantid}/v2.0",
		IDTokenIssuer: "https://login.microsoftonline.com/99999999-8888-7777-6666-555555555555/v2.0",
		Clients:       registered(loopbackURI), NoRegistration: true, NoPKCEMetadata: true, NoIss: true, NoResource: true,
		Scopes: []string{app + "read", app + "write", "read", "openid", "profile", "email", "offline_access"},
		EditMetadata: func(m map[string]any) {
			m["scopes_supported"] = []string{"openid", "profile", "email", "offline_access"}
		},
		CheckAuthorize: func(q url.Values) (code, description string) {
			switch {
			case q.Has("resource"):
				return "invalid_request", mismatch
			case strings.Contains(q.Get("prompt"), "consent"):
				return "access_denied", "AADSTS65004: User declined to consent to access the app."
			case !qualified(q.Get("scope")):
				return "invalid_client", "AADSTS650053: The application asked for scope that doesn't exist on the resource '00000003-0000-0000-c000-000000000000'."
			}
			return "", ""
		},
		CheckToken: func(form url.Values) (code, description string) {
			switch {
			case form.Has("resource"):
				return "invalid_target", mismatch
			case form.Get("grant_type") == "refresh_token" && !qualified(form.Get("scope")):
				return "invalid_request", "AADSTS90009: Application is requesting a token for itself. This scenario is supported only if resource is specified using the GUID based App Identifier."
			}
			return "", ""
		},
		Offline: func(q url.Values) bool { return strings.Contains(q.Get("scope"), "offline_access") },
		EditToken: func(m map[string]any) { // the answer names the application's scopes only
			var scopes []string
			for _, s := range strings.Fields(m["scope"].(string)) {
				if strings.HasPrefix(s, app) {
					scopes = append(scopes, s)
				}
			}
			if !strings.Contains(m["scope"].(string), "offline_access") {
				delete(m, "refresh_token")
			}
			m["scope"] = strings.Join(scopes, " ")
		},
	}}
}

// Auth0 takes audience and no resource; without it the access token is encrypted
// for Auth0 itself.
func Auth0() Provider {
	return Provider{"Auth0", "tenant.eu.auth0.com", Options{
		AudienceParam: true, NoIss: true, Offline: func(q url.Values) bool { return strings.Contains(q.Get("scope"), "offline_access") },
		Scopes: []string{"mcp:read", "openid", "profile", "email", "offline_access"},
		EditMetadata: func(m map[string]any) {
			m["scopes_supported"] = []string{"openid", "profile", "email", "offline_access"}
		},
	}}
}

// Okta is a custom authorization server: its metadata is behind its path, and at
// the root there is another server's, whose tokens are of no use.
func Okta() Provider {
	const issuer = "https://company.okta.com"
	return Provider{"Okta", "company.okta.com", Options{
		IssuerPath: "/oauth2/default", Shape: OIDCAppended, NoRegistration: true, Clients: registered(loopbackURI),
		Offline: func(q url.Values) bool { return strings.Contains(q.Get("scope"), "offline_access") },
		ExtraHandlers: map[string]http.Handler{
			"/.well-known/openid-configuration": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				writeJSON(w, http.StatusOK, map[string]any{"issuer": issuer, "authorization_endpoint": issuer + "/oauth2/v1/authorize", "token_endpoint": issuer + "/oauth2/v1/token",
					"code_challenge_methods_supported": []string{"S256"}})
			}),
		},
	}}
}

// Keycloak blocks registration from computers it does not trust, and knows
// resources only that are set up.
func Keycloak(resources ...string) Provider {
	return Provider{"Keycloak", "sso.company.example", Options{
		IssuerPath: "/realms/main", Clients: registered(loopbackURI), Resources: resources,
		Wrap: func(endpoint string, next http.Handler) http.Handler {
			if endpoint != Register {
				return next
			}
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				writeJSON(w, http.StatusForbidden, map[string]string{"error": "insufficient_scope",
					"error_description": "Policy 'Trusted Hosts' rejected request to client-registration service. Details: Host not trusted."})
			})
		},
	}}
}

// Cognito says nothing of PKCE, registers nobody, compares redirect URIs to the
// letter, and refuses scopes it does not know.
func Cognito(redirect string) Provider {
	return Provider{"Cognito", "cognito-idp.eu-central-1.amazonaws.com", Options{
		IssuerPath: "/eu-central-1_AbCdEfGhI", Shape: OIDCAppended, NoPKCEMetadata: true, NoRegistration: true, ExactRedirect: true, NoIss: true,
		Clients: registered(redirect), Scopes: []string{"mcp/read", "openid", "email"},
		EditMetadata: func(m map[string]any) { m["scopes_supported"] = []string{"openid", "email", "phone", "profile"} },
		KeepRefresh:  true,
	}}
}

// GitHub answers with a form, with commas between scopes, with 200 for errors in
// words of its own, and with tokens that do not expire.
func GitHub() Provider {
	return Provider{"GitHub", "github.com", Options{
		IssuerPath: "/login/oauth", Shape: OAuthOnly, NoRegistration: true, NoIss: true, IgnoreResource: true, NoRefresh: true,
		Clients: []Client{{ID: "client", Secret: "SECRETWORD-github", AuthMethod: "client_secret_post", RedirectURIs: []string{loopbackURI}}},
		Scopes:  []string{"repo", "read:org"}, FormAnswers: true, TokenForm: Opaque, ErrorStatus: http.StatusOK,
		AuthMethods: []string{"client_secret_post"},
		EditToken: func(m map[string]any) {
			delete(m, "expires_in")
			m["scope"] = strings.ReplaceAll(m["scope"].(string), " ", ",")
			m["token_type"] = "bearer"
		},
	}}
}

// Atlassian rotates refresh tokens and ends the chain when one comes twice.
func Atlassian() Provider {
	return Provider{"Atlassian", "auth.atlassian.com", Options{
		Offline: func(q url.Values) bool { return strings.Contains(q.Get("scope"), "offline_access") },
	}}
}

// Slack has one redirect URI to the letter, host name included, another name for
// scope, refuses to go without, and wants the redirect URI on refresh.
func Slack() Provider {
	const redirect = "http://localhost:3118/callback"
	return Provider{"Slack", "slack.com", Options{
		IssuerPath: "/oauth/v2",
		Clients:    registered(redirect), NoRegistration: true, ExactRedirect: true, NoIss: true, IgnoreResource: true, ScopeParam: "user_scope",
		Scopes: []string{"channels:read", "chat:write"}, ErrorStatus: http.StatusOK, TokenForm: Opaque,
		CheckAuthorize: func(q url.Values) (code, description string) {
			if q.Get("user_scope") == "" {
				return "invalid_scope", "no scopes were asked for"
			}
			return "", ""
		},
		CheckToken: func(form url.Values) (code, description string) {
			if form.Get("redirect_uri") != redirect {
				return "bad_redirect_uri", ""
			}
			return "", ""
		},
		EditToken: func(m map[string]any) {
			m["ok"] = true
			m["scope"] = strings.ReplaceAll(m["scope"].(string), " ", ",")
		},
	}}
}

// Cloudflare is workers-oauth-provider: it forgets clients after 90 days, and keeps
// a refresh token until its successor is used.
func Cloudflare(now func() time.Time) Provider {
	return Provider{"Cloudflare workers-oauth-provider", "mcp.acme.workers.dev", Options{
		ClientLife: 90 * 24 * time.Hour, KeepPrevious: true, TokenForm: Opaque, NoIss: true, Now: now,
	}}
}

// FastMCP is FastMCP's OAuth proxy: an ordinary server with a consent page of its
// own, which a person answers each time.
func FastMCP() Provider {
	return Provider{"FastMCP", "tools.fastmcp.app", Options{AuthMethods: []string{"client_secret_post", "client_secret_basic", "none"}, RegisterMethod: "client_secret_post"}}
}

// Datadog has an empty list of scopes, which means that any is refused, and no
// client authentication.
func Datadog() Provider {
	return Provider{"Datadog", "mcp.datadoghq.eu", Options{
		Scopes: []string{}, DefaultScopes: []string{"all"}, AuthMethods: []string{"none"},
	}}
}
