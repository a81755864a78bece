package claims_test

import (
	"strings"
	"testing"
	"time"

	"keyporter/broker/claims"
	"keyporter/broker/secret"
)

const (
	server   = "https://mcp.example.com/mcp"
	google   = `"iss":"https://accounts.google.com","email":"robot@p.iam.gserviceaccount.com","sub":"1"`
	provider = "https://as.example.com"
)

var now = time.Unix(1_700_000_000, 0)

// named is what a server expects that says all of it and has refused the token.
func named() claims.Expected {
	return claims.Expected{Server: server, Resource: server, Issuers: []string{provider}, Refused: true, Error: "invalid_token", Now: now}
}

// silent is what is known of a server without metadata that has refused the token.
func silent(address string) claims.Expected {
	return claims.Expected{Server: address, Refused: true, Now: now}
}

func with(e claims.Expected, change func(*claims.Expected)) claims.Expected {
	change(&e)
	return e
}

func TestJudge(t *testing.T) {
	good := `"iss":"` + provider + `","aud":"` + server + `"`
	for _, c := range []struct {
		name    string
		payload string
		e       claims.Expected
		want    string // codes; certain ones with an exclamation mark, which is no part of them
		says    []string
	}{
		{"all as it should be", `{` + good + `,"exp":1700003600,"scope":"read"}`, named(), "", nil},
		{"several audiences", `{"iss":"` + provider + `","aud":["other","` + server + `"]}`, named(), "", nil},

		{"expired", `{` + good + `,"exp":1699999999}`, named(), "expired!", []string{"2023-11-14T22:13:19Z", "clock"}},
		{"expires this second", `{` + good + `,"exp":1700000000}`, named(), "expired!", nil},
		{"not valid yet", `{` + good + `,"nbf":1700000061,"exp":1700003600}`, named(), "not_yet!", []string{"clock"}},
		{"issued in the future", `{` + good + `,"iat":1700000100}`, named(), "not_yet!", nil},
		{"clocks that differ a little", `{` + good + `,"iat":1700000059}`, named(), "", nil},
		{"expired, though nobody refused it", `{` + good + `,"exp":1}`, claims.Expected{Now: now}, "expired!", nil},

		{"another issuer", `{"iss":"https://other.example.com","aud":"` + server + `"}`, named(), "issuer!", []string{"https://other.example.com", provider}},
		{"issuer with a slash", `{"iss":"` + provider + `/","aud":"` + server + `"}`, named(), "issuer", []string{"each character"}},
		{"Entra ID version 1", `{"iss":"https://sts.windows.net/72f9/","aud":"` + server + `"}`,
			with(named(), func(e *claims.Expected) { e.Issuers = []string{"https://login.microsoftonline.com/72f9/v2.0"} }),
			"issuer!", []string{"requestedAccessTokenVersion"}},
		{"Entra ID under another tenant's name", `{"iss":"https://login.microsoftonline.com/72f9/v2.0","aud":"` + server + `"}`,
			with(named(), func(e *claims.Expected) {
				e.Issuers = []string{"https://login.microsoftonline.com/organizations/v2.0"}
			}), "", nil},
		{"a Google token where another issuer is wanted", `{` + google + `,"aud":"` + server + `"}`, named(), "issuer!", nil},

		{"another audience", `{"iss":"` + provider + `","aud":"https://api.example.net"}`, named(), "audience!", []string{"https://api.example.net", server}},
		{"/mcp/ in place of /mcp", `{"iss":"` + provider + `","aud":"` + server + `/"}`, named(), "audience_slash!", []string{server + "/", "FastMCP", "--audience"}},
		{"/mcp in place of /mcp/", `{` + google + `,"aud":"` + server + `"}`, silent(server + "/"), "audience_slash no_scope", nil},
		{"the origin in place of /mcp", `{"iss":"` + provider + `","aud":"https://mcp.example.com"}`, named(), "audience_path!", []string{"whole address"}},
		{"the resource is the root", `{"iss":"` + provider + `","aud":"https://mcp.example.com"}`,
			with(named(), func(e *claims.Expected) { e.Resource = "https://mcp.example.com" }), "", nil},
		{"another audience at a server that is content", `{"iss":"` + provider + `","aud":"api://1234"}`,
			with(named(), func(e *claims.Expected) { e.Refused, e.Error = false, "" }), "", nil},
		{"no audience", `{"iss":"` + provider + `"}`, named(), "no_audience", []string{"--audience"}},
		{"Cognito's access token", `{"iss":"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A","client_id":"c"}`,
			with(named(), func(e *claims.Expected) { e.Issuers = nil }), "no_audience", []string{"--use-id-token"}},

		{"for Microsoft Graph", `{"iss":"https://sts.windows.net/72f9/","aud":"00000003-0000-0000-c000-000000000000"}`,
			claims.Expected{Server: server}, "no_audience!", []string{"--scope api://"}},
		{"for Keycloak's account console", `{"iss":"https://kc.example.com/realms/a","aud":"account"}`, claims.Expected{Server: server}, "no_audience!", []string{"audience mapper"}},
		{"for Auth0's userinfo", `{"iss":"https://acme.eu.auth0.com/","aud":["https://acme.eu.auth0.com/userinfo"]}`, claims.Expected{Server: server}, "no_audience!", []string{"--audience"}},
		{"for Auth0's userinfo too", `{"iss":"https://acme.eu.auth0.com/","aud":["` + server + `","https://acme.eu.auth0.com/userinfo"]}`, silent(server), "", nil},
		{"of Okta's organisation", `{"iss":"https://acme.okta.com","aud":"https://acme.okta.com"}`, claims.Expected{Server: server}, "no_audience!", []string{"/oauth2/"}},
		{"of an authorization server at Okta", `{"iss":"https://acme.okta.com/oauth2/x","aud":"` + server + `"}`, silent(server), "", nil},

		{"scopes of a Google ID token", `{` + google + `,"aud":"` + server + `"}`,
			with(silent(server), func(e *claims.Expected) { e.Scopes, e.Error = []string{"mcp:read"}, "insufficient_scope" }),
			"no_scope! custom_domain", []string{"required_scopes", "mcp:read", "never carry any"}},
		{"scopes that are not named", `{` + google + `,"aud":"https://a.run.app/mcp"}`,
			with(silent("https://a.run.app/mcp"), func(e *claims.Expected) { e.Error = "insufficient_scope" }), "no_scope!", []string{"not named"}},
		{"a Google ID token refused without a word", `{` + google + `,"aud":"https://a.run.app/mcp"}`, silent("https://a.run.app/mcp"), "no_scope", nil},
		{"a scope is missing", `{` + good + `,"scope":"read"}`,
			with(named(), func(e *claims.Expected) { e.Scopes, e.Error = []string{"read", "write"}, "insufficient_scope" }), "scope!", []string{"the scope write that"}},
		{"scopes in scp", `{` + good + `,"scp":["read","write"]}`,
			with(named(), func(e *claims.Expected) { e.Scopes, e.Error = []string{"read", "write"}, "insufficient_scope" }), "", nil},
		{"Auth0's permissions", `{` + good + `,"scope":"openid","permissions":["read"]}`,
			with(named(), func(e *claims.Expected) { e.Scopes, e.Error = []string{"read"}, "insufficient_scope" }), "scope!", []string{"among its permissions"}},
		{"scopes of a challenge that is about the token", `{` + good + `,"scope":"read"}`,
			with(named(), func(e *claims.Expected) { e.Scopes = []string{"write"} }), "", nil},

		{"Cloud Run, its host alone", `{` + google + `,"aud":"https://a.run.app"}`, silent("https://a.run.app/api/mcp"), "audience_path no_scope", []string{"https://a.run.app/api/mcp"}},
		{"a domain of one's own", `{` + google + `,"aud":"https://mcp.example.com"}`, silent(server), "custom_domain no_scope", []string{"run.app", "Identity-Aware Proxy", "--audience"}},
		{"Cloud Run behind a domain of one's own", `{` + google + `,"aud":"https://a-uc.a.run.app"}`, silent(server), "custom_domain no_scope", []string{"behind " + server}},
		{"another service of Cloud Run", `{` + google + `,"aud":"https://b.run.app"}`, silent("https://a.run.app/mcp"), "audience no_scope", nil},
		{"Identity-Aware Proxy", `{` + google + `,"azp":"1","aud":"9-x.apps.googleusercontent.com"}`,
			with(silent(server), func(e *claims.Expected) { e.Asked = "9-x.apps.googleusercontent.com" }), "audience_client no_scope", []string{"Identity-Aware Proxy", "client ID"}},
		{"a person's Google ID token", `{` + google + `,"azp":"9-x.apps.googleusercontent.com","aud":"9-x.apps.googleusercontent.com"}`,
			silent(server), "audience_client no_scope", []string{"custom audience", "impersonate"}},
		{"an ID token where an access token is wanted", `{"iss":"` + provider + `","aud":"client","azp":"client","nonce":"n"}`, named(), "audience_client", []string{"--use-id-token"}},
		{"signed by the key itself", `{"iss":"r@p.iam.gserviceaccount.com","sub":"r@p.iam.gserviceaccount.com","aud":"` + server + `"}`, silent(server), "self_signed", []string{"--self-signed"}},
		{"bound to a certificate", `{` + good + `,"cnf":{"x5t#S256":"x"}}`, named(), "bound_to_key", nil},

		{"text that would break a line", `{"iss":"` + provider + `","aud":"a\nb\u001b[31m` + strings.Repeat("x", 300) + `"}`, named(), "audience!", []string{"ab[31mxxx"}},
		{"claims of other types", `{"iss":1,"aud":{"a":1},"scope":[2],"exp":"x","nbf":[]}`, named(), "no_audience", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := claims.Judge(jwt(c.payload), c.e)
			compare(t, found, c.want, c.says)
		})
	}
}

func TestJudgeTokensThatCannotBeRead(t *testing.T) {
	jwe := claims.Read(secret.New(part(`{"alg":"dir","enc":"A256GCM"}`) + ".." + word + ".b.c"))
	opaque := claims.Read(secret.New(word))
	for _, c := range []struct {
		name string
		t    claims.Token
		e    claims.Expected
		want string
		says []string
	}{
		{"JWE for want of audience", jwe, claims.Expected{Server: server}, "encrypted!", []string{"encrypted", "--audience", "Auth0"}},
		{"JWE for an audience", jwe, with(silent(server), func(e *claims.Expected) { e.Asked = "api" }), "encrypted", []string{"for api"}},
		{"JWE that nobody refused", jwe, claims.Expected{Asked: "api"}, "", nil},
		{"opaque", opaque, silent(server), "opaque", []string{"opaque"}},
		{"opaque that nobody refused", opaque, claims.Expected{Server: server}, "", nil},
		{"Google's access token", opaque, with(silent(server), func(e *claims.Expected) { e.Issuer = "https://accounts.google.com" }), "opaque", []string{"Google access token", "--audience"}},
		{"Auth0 without audience", opaque, with(silent(server), func(e *claims.Expected) { e.Issuer = "https://acme.auth0.com/" }), "opaque", []string{"--audience"}},
	} {
		t.Run(c.name, func(t *testing.T) { compare(t, claims.Judge(c.t, c.e), c.want, c.says) })
	}
}

func compare(t *testing.T, found []claims.Finding, want string, says []string) {
	t.Helper()
	var codes, text []string
	for _, f := range found {
		code := string(f.Code)
		if f.Certain {
			code += "!"
		}
		codes = append(codes, code)
		text = append(text, f.Text())
		for _, sentence := range []string{f.What, f.Do} {
			if !strings.HasSuffix(sentence, ".") || strings.ContainsAny(sentence, "\n\x1b") || len([]rune(sentence)) > 600 {
				t.Errorf("not a sentence: %q", sentence)
			}
		}
	}
	if got := strings.Join(codes, " "); got != want {
		t.Errorf("found %q, want %q\n%s", got, want, strings.Join(text, "\n"))
	}
	all := strings.Join(text, "\n")
	for _, s := range says {
		if !strings.Contains(all, s) {
			t.Errorf("nothing says %q:\n%s", s, all)
		}
	}
	if strings.Contains(all, word) {
		t.Errorf("the signature is shown: %s", all)
	}
}
