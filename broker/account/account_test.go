package account

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"keyporter/internal/hint"
)

func TestParseURL(t *testing.T) {
	for _, tt := range []struct {
		url  string
		http bool
		ok   bool
	}{
		{"https://mcp.example.com/mcp", false, true},
		{"http://127.0.0.1:8080/mcp", false, true},
		{"http://[::1]:8080/mcp", false, true},
		{"http://localhost/mcp", false, true},
		{"http://intranet/mcp", false, false},
		{"http://intranet/mcp", true, true},
		{"http://127.0.0.1.evil.example/", false, false},
		{"https://user:SECRETWORD@host/", false, false},
		{"https://host/#x", false, false},
		{"ftp://host/", true, false},
		{"notion", false, false},
		{"https:///mcp", false, false},
		{"javascript:alert(1)", true, false},
	} {
		_, err := ParseURL(tt.url, tt.http)
		if (err == nil) != tt.ok {
			t.Errorf("ParseURL(%q, %t) = %v, want ok=%t", tt.url, tt.http, err, tt.ok)
		}
		if err != nil && strings.Contains(err.Error(), "SECRETWORD") {
			t.Errorf("the error for %q repeats the password", tt.url)
		}
	}
}

func TestOrigin(t *testing.T) {
	for in, want := range map[string]string{
		"https://EXAMPLE.com:443/x":  "https://example.com",
		"http://example.com:80/":     "http://example.com",
		"https://example.com:8443/":  "https://example.com:8443",
		"http://[::1]:80/":           "http://[::1]",
		"http://example.com:443/mcp": "http://example.com:443",
	} {
		u, err := url.Parse(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := Origin(u); got != want {
			t.Errorf("Origin(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"notion": true, "Sales data": true, "売上データ": true, "a": true, "a.b-c_d": true,
		"": false, " a": false, "a ": false, "../x": false, "a/b": false, "a\nb": false, "-x": false, ".": false,
		strings.Repeat("a", 64): true, strings.Repeat("a", 65): false, "a\u202eb": false, "https://x": false,
	} {
		if got := CheckName(name) == nil; got != ok {
			t.Errorf("CheckName(%q) ok = %t, want %t", name, got, ok)
		}
	}
}

func TestHeadersOfTheProtocolAreRefused(t *testing.T) {
	for name, ok := range map[string]bool{
		"X-API-Key": true, "Authorization": true, "X-Serverless-Authorization": true,
		"Mcp-Session-Id": false, "content-length": false, "Host": false, "a b": false, "": false, "X:Y": false,
	} {
		if got := CheckHeader(name) == nil; got != ok {
			t.Errorf("CheckHeader(%q) ok = %t, want %t", name, got, ok)
		}
	}
}

func TestAccountChecks(t *testing.T) {
	for _, tt := range []struct {
		name string
		a    Account
		ok   bool
	}{
		{"id token", Account{Name: "k", Kind: GoogleKey, Audience: "https://x"}, true},
		{"access token", Account{Name: "k", Kind: GoogleKey, Scopes: []string{"s"}}, true},
		{"self-signed", Account{Name: "k", Kind: GoogleKey, SelfSigned: true}, true},
		{"self-signed with audience", Account{Name: "k", Kind: GoogleKey, SelfSigned: true, Audience: "https://x"}, true},
		{"both", Account{Name: "k", Kind: GoogleKey, Audience: "https://x", Scopes: []string{"s"}}, false},
		{"neither", Account{Name: "k", Kind: GoogleKey}, false},
		{"issuer", Account{Name: "c", Kind: ClientCredentials, ClientID: "id", Issuer: "https://as"}, true},
		{"the server's issuer", Account{Name: "c", Kind: ClientCredentials, ClientID: "id"}, true},
		{"two places", Account{Name: "c", Kind: ClientCredentials, ClientID: "id", Issuer: "https://as", TokenEndpoint: "https://as/token"}, false},
		{"enterprise", Account{Name: "e", Kind: Enterprise, ClientID: "id", IDPClientID: "id", IDPTokenEndpoint: "https://idp/token", TokenFile: "/f"}, true},
		{"enterprise, two sources", Account{Name: "e", Kind: Enterprise, ClientID: "id", IDPClientID: "id", IDPTokenEndpoint: "https://idp/token", TokenFile: "/f", Through: "a"}, false},
		{"enterprise, no source", Account{Name: "e", Kind: Enterprise, ClientID: "id", IDPClientID: "id", IDPTokenEndpoint: "https://idp/token"}, false},
		{"enterprise, no client", Account{Name: "e", Kind: Enterprise, IDPClientID: "id", IDPTokenEndpoint: "https://idp/token", TokenFile: "/f"}, false},
		{"workload", Account{Name: "w", Kind: Workload, ClientID: "id", TokenFile: "/f"}, true},
		{"workload, no file", Account{Name: "w", Kind: Workload, ClientID: "id"}, false},
		{"no client", Account{Name: "c", Kind: ClientCredentials, Issuer: "https://as"}, false},
		{"unknown kind", Account{Name: "c", Kind: "magic"}, false},
		{"header", Account{Name: "c", Kind: Static, Header: "X-API-Key"}, true},
		{"bad header", Account{Name: "c", Kind: Static, Header: "X Y"}, false},
	} {
		if err := tt.a.Check(); (err == nil) != tt.ok {
			t.Errorf("%s: Check = %v, want ok=%t", tt.name, err, tt.ok)
		}
	}
}

func TestPresetIsANameOrAnObject(t *testing.T) {
	for value, want := range map[string]string{"none": `"none"`, " Auth0 ": `"Auth0"`, `{"no_resource": false}`: `{"no_resource": false}`, "": ""} {
		s := Server{Preset: []byte(`"old"`)}
		if err := s.Set("preset", value); err != nil || string(s.Preset) != want {
			t.Errorf("%q: got %s, %v", value, s.Preset, err)
		}
	}
	if err := new(Server).Set("preset", "{"); hint.CodeOf(err) != hint.Usage {
		t.Errorf("got %v", err)
	}
}

func TestUsersAreThoseOfEachAccount(t *testing.T) {
	c := &Config{Servers: map[string]*Server{
		"b": {Account: "one"}, "a": {Account: "two", AlsoAccounts: map[string]string{"X-Key": "one", "X-Other": "two"}}, "c": {},
	}}
	users := c.Users()
	for name, want := range map[string][]string{"one": {"a", "b"}, "two": {"a"}, "three": nil} {
		if got := users[name]; !slices.Equal(got, want) || !slices.Equal(c.UsedBy(name), want) {
			t.Errorf("%s is used by %q, and %q, want %q", name, got, c.UsedBy(name), want)
		}
	}
}
