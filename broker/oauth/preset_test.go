package oauth

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"keyporter/internal/hint"
)

func TestPresetsAreFoundByTheIssuer(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://accounts.google.com":                                   "Google",
		"https://accounts.google.com/":                                  "Google",
		"https://login.microsoftonline.com/common/v2.0":                 "Entra ID",
		"https://login.microsoftonline.us/t/v2.0":                       "Entra ID",
		"https://login.partner.microsoftonline.cn/t/v2.0":               "Entra ID",
		"https://company.ciamlogin.com/t/v2.0":                          "Entra ID",
		"https://tenant.eu.auth0.com/":                                  "Auth0",
		"https://tenant.auth0.com":                                      "Auth0",
		"https://company.okta.com":                                      "Okta organisation",
		"https://company.okta.com/oauth2/default":                       "Okta",
		"https://company.oktapreview.com/oauth2/a1":                     "Okta",
		"https://sso.company.example/realms/main":                       "Keycloak",
		"https://sso.company.example/auth/realms/main":                  "Keycloak",
		"https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_X": "Cognito",
		"https://github.com/login/oauth":                                "GitHub",
		"https://github.com":                                            "GitHub",
		"https://github.com/somebody/else":                              "",
		"https://mcp.atlassian.com":                                     "Atlassian",
		"https://slack.com":                                             "Slack",
		"https://mcp.datadoghq.eu":                                      "Datadog",
		"https://server.acme.workers.dev":                               "Cloudflare workers-oauth-provider",
		"https://bindings.mcp.cloudflare.com":                           "Cloudflare workers-oauth-provider",
		"https://tools.fastmcp.app":                                     "FastMCP",
		"https://as.example":                                            "",
		"https://accounts.google.com.evil.example":                      "",
		"https://evilauth0.com":                                         "",
		"https://auth0.com":                                             "",
		"https://cognito-idp.a.b.amazonaws.com/x":                       "",
		"https://LOGIN.microsoftonline.com./common/v2.0":                "Entra ID",
		"https://sso.company.example/x/realms/main":                     "",
		"https://sso.company.example/realms":                            "",
		"not an address %%":                                             "",
	} {
		p, err := FindPreset(issuer, nil)
		if err != nil || p.Name != want || (p.Why == "") != (want == "") {
			t.Errorf("%s: got %q (%s), %v; want %q", issuer, p.Name, p.Why, err, want)
		}
	}
}

func TestEveryFieldOfAPresetCanBeOverridden(t *testing.T) {
	const entra = "https://login.microsoftonline.com/t/v2.0"
	p, err := FindPreset(entra, json.RawMessage(`{"no_resource":false,"authorize_params":{"domain_hint":"acme.example"}}`))
	if err != nil || p.NoResource || !p.AssumePKCE || p.AuthorizeParams["domain_hint"] != "acme.example" || p.Name != "Entra ID" || !strings.Contains(p.Why, "changed for this server") {
		t.Errorf("got %+v, %v", p, err)
	}
	p, err = FindPreset("https://login.company.example", json.RawMessage(`"auth0"`))
	if err != nil || p.Name != "Auth0" || p.Why != "set for this server" {
		t.Errorf("by name: %+v, %v", p, err)
	}
	p, err = FindPreset("https://login.company.example", json.RawMessage(`{"name":"Auth0","audience_resource":false}`))
	if err != nil || p.Name != "Auth0" || p.AudienceResource || p.SwitchPrompt != "login" {
		t.Errorf("by name with a change: %+v, %v", p, err)
	}
	p, err = FindPreset(entra, json.RawMessage(`"none"`))
	if err != nil || p.Name != "" || p.NoResource {
		t.Errorf("none: %+v, %v", p, err)
	}
	for _, bad := range []string{`"nobody"`, `{"no_such":1}`, `[]`, `{"no_resource":"x"}`, `{"name":"nobody"}`, `{`} {
		if _, err := FindPreset(entra, json.RawMessage(bad)); hint.CodeOf(err) != hint.Usage || !strings.Contains(hint.Of(err).Text(), "Entra ID") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	// What one server changed is not another's.
	google, _ := FindPreset("https://accounts.google.com", json.RawMessage(`{"authorize_params":{"access_type":"online"}}`))
	if fresh, _ := FindPreset("https://accounts.google.com", nil); google.AuthorizeParams["access_type"] != "online" || fresh.AuthorizeParams["access_type"] != "offline" {
		t.Error("the table itself was changed")
	}
	if names := PresetNames(); !slices.IsSorted(names) || !slices.Contains(names, NoPreset) || len(names) < 13 {
		t.Errorf("names %q", names)
	}
}

func TestScopesUnderOtherNames(t *testing.T) {
	google, _ := FindPreset("https://accounts.google.com", nil)
	entra, _ := FindPreset("https://login.microsoftonline.com/t/v2.0", nil)
	for _, tt := range []struct {
		p              *Preset
		asked, granted string
		want           string
	}{
		{google, "openid email calendar", "https://www.googleapis.com/auth/userinfo.email openid", "calendar"},
		{entra, "api://a/read offline_access openid", "api://a/read", ""},
		{entra, "api://a/read", "read", ""},
		{&Preset{}, "a b", "a", "b"},
		{&Preset{}, "api://a/read", "read", "api://a/read"},
	} {
		if got := tt.p.Missing(strings.Fields(tt.asked), strings.Fields(tt.granted)); strings.Join(got, " ") != tt.want {
			t.Errorf("%s of %s: missing %q, want %q", tt.granted, tt.asked, got, tt.want)
		}
	}
	for _, tt := range []struct {
		p                      *Preset
		scopes, audience, want string
	}{
		{entra, "api://a/read write openid", "", "api://a/read api://a/write openid"},
		{entra, "read", "api://b/", "api://b/read"},
		{entra, "read", "", "read"},
		{&Preset{}, "read", "api://b", "read"},
	} {
		if got := tt.p.Qualify(strings.Fields(tt.scopes), tt.audience); strings.Join(got, " ") != tt.want {
			t.Errorf("%s for %q: got %q", tt.scopes, tt.audience, got)
		}
	}
}

func TestMetadataSharedByTenants(t *testing.T) {
	const guid = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	for _, tt := range []struct {
		issuer, document string
		ok               bool
	}{
		{"https://login.microsoftonline.com/common/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0", true},
		{"https://login.microsoftonline.com/acme.example/v2.0", "https://login.microsoftonline.com/" + guid + "/v2.0", true},
		{"https://login.microsoftonline.com/" + guid + "/v2.0", "https://login.microsoftonline.com/" + guid + "/v2.0", true},
		{"https://login.microsoftonline.com/" + guid + "/v2.0", "https://login.microsoftonline.com/11111111-86f1-41af-91ab-2d7cd011db47/v2.0", false},
		{"https://login.microsoftonline.com/" + guid + "/v2.0", "https://login.microsoftonline.com/{tenantid}/v2.0", false},
		{"https://login.microsoftonline.com/acme.example/v2.0", "https://login.microsoftonline.com/other.example/v2.0", false},
		{"https://login.microsoftonline.com/acme.example/v2.0", "https://sts.windows.net/" + guid + "/", false},
		{"https://login.microsoftonline.com/common/v2.0", "https://other.example/{tenantid}/v2.0", false},
		{"https://as.example/common/v2.0", "https://as.example/{tenantid}/v2.0", false},
	} {
		body := fmt.Sprintf(`{"issuer":%q,"token_endpoint":"https://x.example/token"}`, tt.document)
		if _, err := parseServerMetadata([]byte(body), tt.issuer); (err == nil) != tt.ok {
			t.Errorf("%s for %s: %v", tt.document, tt.issuer, err)
		}
	}
}

func TestCodesOfProviders(t *testing.T) {
	for code, want := range map[string]string{"bad_refresh_token": InvalidGrant, "invalid_grant": InvalidGrant, "bad_client_secret": InvalidClient} {
		if !(&Error{Code: code}).Means(want) {
			t.Errorf("%s does not mean %s", code, want)
		}
	}
	for _, e := range []Error{{}, {Code: "other"}, {Code: InvalidClient}} {
		if e.Means(InvalidGrant, "") {
			t.Errorf("%q means invalid_grant", e.Code)
		}
	}
}
