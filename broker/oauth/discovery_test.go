package oauth

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"keyporter/internal/hint"
)

// A site answers paths with fixed bodies. BASE in a path or body stands for its
// address. A body of three digits is a status.
type site struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newSite(t *testing.T, pages map[string]string) *site {
	s := &site{}
	s.Server = serve(t, func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.RequestURI())
		s.mu.Unlock()
		page, ok := pages[r.URL.RequestURI()]
		switch {
		case !ok && pages["*"] != "":
			page = pages["*"]
		case !ok:
			page = "404"
		}
		switch page {
		case "401", "404", "500", "429":
			w.WriteHeader(map[string]int{"401": 401, "404": 404, "500": 500, "429": 429}[page])
			io.WriteString(w, "SECRETWORD in a body")
			return
		}
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, strings.ReplaceAll(page, "BASE", s.URL))
	})
	return s
}

const (
	html     = "<!DOCTYPE html><html>SECRETWORD</html>"
	prmRoot  = "/.well-known/oauth-protected-resource"
	prmPath  = prmRoot + "/mcp"
	asRoot   = "/.well-known/oauth-authorization-server"
	oidcRoot = "/.well-known/openid-configuration"
)

func prm(resource string, issuers ...string) string {
	b, _ := json.Marshal(map[string]any{"resource": resource, "authorization_servers": issuers})
	return string(b)
}

func as(issuer string) string {
	b, _ := json.Marshal(map[string]any{"issuer": issuer, "authorization_endpoint": issuer + "/authorize", "token_endpoint": "BASE/token"})
	return string(b)
}

func TestResourceMetadataIsFoundWhereItMayBe(t *testing.T) {
	tests := []struct {
		name      string
		pages     map[string]string
		challenge string
		want      string   // the resource as published
		asked     []string // in this order
	}{
		{"at the path", map[string]string{prmPath: prm("BASE/mcp", "BASE")}, "", "BASE/mcp", []string{prmPath}},
		{"at the root", map[string]string{prmRoot: prm("BASE", "BASE")}, "", "BASE", []string{prmPath, prmRoot}},
		{"byte for byte", map[string]string{prmPath: prm("BASE/mcp/", "BASE")}, "", "BASE/mcp/", []string{prmPath}},
		{"where the challenge says", map[string]string{"/custom?x=1": prm("BASE/mcp", "BASE"), prmPath: prm("BASE", "BASE")},
			"BASE/custom?x=1", "BASE/mcp", []string{"/custom?x=1"}},
		{"elsewhere than the challenge says", map[string]string{prmRoot: prm("BASE/mcp", "BASE")},
			"BASE/gone", "BASE/mcp", []string{"/gone", prmPath, prmRoot}},
		{"where the challenge says by its path", map[string]string{"/custom": prm("BASE/mcp", "BASE")}, "/custom", "BASE/mcp", []string{"/custom"}},
		{"after an error", map[string]string{prmPath: "500", prmRoot: prm("BASE/mcp", "BASE")}, "", "BASE/mcp", []string{prmPath, prmRoot}},
		{"after a web page", map[string]string{prmPath: html, prmRoot: prm("BASE/mcp", "BASE")}, "", "BASE/mcp", []string{prmPath, prmRoot}},
		{"after bad JSON", map[string]string{prmPath: "{", prmRoot: prm("BASE/mcp", "BASE")}, "", "BASE/mcp", []string{prmPath, prmRoot}},
		{"after one that names no server", map[string]string{prmPath: prm("BASE/mcp"), prmRoot: prm("BASE/mcp", "BASE")}, "", "BASE/mcp", []string{prmPath, prmRoot}},
		{"asked once although the challenge names the usual place", map[string]string{prmRoot: prm("BASE", "BASE")},
			"BASE" + prmPath, "BASE", []string{prmPath, prmRoot}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, tt.pages)
			c := newClient(t, s.URL+"/mcp")
			ch := &Challenge{Params: params{"resource_metadata": strings.ReplaceAll(tt.challenge, "BASE", s.URL)}}
			m, err := c.DiscoverResource(t.Context(), s.URL+"/mcp", ch)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.ReplaceAll(tt.want, "BASE", s.URL); m.Resource != want {
				t.Errorf("got resource %s, want %s", m.Resource, want)
			}
			if !slices.Equal(s.asked, tt.asked) {
				t.Errorf("asked %q, want %q", s.asked, tt.asked)
			}
		})
	}
}

func TestMetadataOfAnotherResourceEndsDiscovery(t *testing.T) {
	s := newSite(t, map[string]string{prmPath: prm("https://evil.example/mcp", "BASE"), prmRoot: prm("BASE/mcp", "BASE"), asRoot: as("BASE")})
	_, err := newClient(t, s.URL).Discover(t.Context(), s.URL+"/mcp", nil, "")
	if hint.CodeOf(err) != hint.Refused || !strings.Contains(err.Error(), "evil.example") {
		t.Errorf("got %v", err)
	}
	if !slices.Equal(s.asked, []string{prmPath}) {
		t.Errorf("asked %q after the refusal", s.asked)
	}
}

func TestResourceHasToCoverTheServer(t *testing.T) {
	tests := []struct {
		server, resource string
		ok               bool
	}{
		{"https://h/mcp", "https://h/mcp", true},
		{"https://h/mcp", "https://h/mcp/", true},
		{"https://h/mcp/", "https://h/mcp", true},
		{"https://h/a/mcp", "https://h/a", true},
		{"https://h/a/mcp", "https://h", true},
		{"https://h/a/mcp", "https://h/", true},
		{"https://H:443/mcp", "https://h/mcp", true},
		{"https://h/mcp?tenant=1", "https://h/mcp", true},
		{"https://h/mcp?tenant=1", "https://h/mcp?tenant=1", true},
		{"https://h/mcp?tenant=1", "https://h/mcp?tenant=2", false},
		{"https://h/mcp", "https://h/mc", false},
		{"https://h/mcp", "https://h/mcp/sub", false},
		{"https://h/mcp", "https://h/other", false},
		{"https://h/mcp", "https://h/mcp#x", false},
		{"https://h/mcp", "http://h/mcp", false},
		{"https://h/mcp", "https://h:8443/mcp", false},
		{"https://h/mcp", "https://h.evil.example/mcp", false},
		{"https://h/mcp", "https://user@h/mcp", false},
		{"https://h/a/../mcp", "https://h/a", false},
		{"https://h/a/%2e%2e/mcp", "https://h/a", false},
		{"https://h/mcp", "urn:example:mcp", false},
		{"https://h/mcp", "", false},
	}
	for _, tt := range tests {
		if err := CheckResource(tt.server, tt.resource); (err == nil) != tt.ok {
			t.Errorf("CheckResource(%q, %q) = %v, want %v", tt.server, tt.resource, err, tt.ok)
		}
	}
}

func TestAuthorizationServerMetadataIsFoundWhereItMayBe(t *testing.T) {
	const tenantOAuth, tenantOIDC, tenantOwn = asRoot + "/t1", oidcRoot + "/t1", "/t1" + oidcRoot
	tests := []struct {
		name, issuer string
		pages        map[string]string
		want         string // the issuer in the document; empty: nothing is found
		asked        []string
	}{
		{"OAuth at the root", "BASE", map[string]string{asRoot: as("BASE")}, "BASE", []string{asRoot}},
		{"OpenID Connect at the root", "BASE", map[string]string{oidcRoot: as("BASE")}, "BASE", []string{asRoot, oidcRoot}},
		{"root slash, as Google's servers name it", "BASE/", map[string]string{asRoot: as("BASE")}, "BASE", []string{asRoot}},
		{"root slash only in the document", "BASE", map[string]string{asRoot: as("BASE/")}, "BASE/", []string{asRoot}},
		{"path inserted, OAuth", "BASE/t1", map[string]string{tenantOAuth: as("BASE/t1")}, "BASE/t1", []string{tenantOAuth}},
		{"path inserted, OpenID Connect", "BASE/t1", map[string]string{tenantOIDC: as("BASE/t1")}, "BASE/t1", []string{tenantOAuth, tenantOIDC}},
		{"path in front", "BASE/t1", map[string]string{tenantOwn: as("BASE/t1")}, "BASE/t1", []string{tenantOAuth, tenantOIDC, tenantOwn}},
		{"path with a slash", "BASE/t1/", map[string]string{tenantOwn: as("BASE/t1/")}, "BASE/t1/", []string{tenantOAuth, tenantOIDC, tenantOwn}},
		{"path with a slash that the document lacks", "BASE/t1/", map[string]string{tenantOAuth: as("BASE/t1")}, "", []string{tenantOAuth, tenantOIDC, tenantOwn}},
		{"never at the root for a path", "BASE/t1", map[string]string{asRoot: as("BASE/t1")}, "", []string{tenantOAuth, tenantOIDC, tenantOwn}},
		{"after an error", "BASE", map[string]string{asRoot: "500", oidcRoot: as("BASE")}, "BASE", []string{asRoot, oidcRoot}},
		{"after a web page", "BASE", map[string]string{"*": html, oidcRoot: as("BASE")}, "BASE", []string{asRoot, oidcRoot}},
		{"after bad JSON", "BASE", map[string]string{asRoot: "{]", oidcRoot: as("BASE")}, "BASE", []string{asRoot, oidcRoot}},
		{"another issuer", "BASE", map[string]string{asRoot: as("https://evil.example")}, "", []string{asRoot, oidcRoot}},
		{"another issuer first", "BASE", map[string]string{asRoot: as("https://evil.example"), oidcRoot: as("BASE")}, "BASE", []string{asRoot, oidcRoot}},
		{"case of the issuer", "BASE/t1", map[string]string{tenantOAuth: as("BASE/T1")}, "", []string{tenantOAuth, tenantOIDC, tenantOwn}},
		{"private token endpoint", "BASE", map[string]string{asRoot: `{"issuer":"BASE","token_endpoint":"https://10.1.2.3/token"}`}, "", []string{asRoot, oidcRoot}},
		{"a member of the wrong type that is not needed", "BASE", map[string]string{asRoot: `{"issuer":"BASE","scopes_supported":"a b","ui_locales_supported":7,"jwks_uri":null,"token_endpoint":"BASE/token"}`}, "BASE", []string{asRoot}},
		{"a member of the wrong type", "BASE", map[string]string{asRoot: `{"issuer":"BASE","token_endpoint":["SECRETWORD"]}`}, "", []string{asRoot, oidcRoot}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, tt.pages)
			base := func(text string) string { return strings.ReplaceAll(text, "BASE", s.URL) }
			m, err := newClient(t, s.URL).DiscoverAuthorizationServer(t.Context(), base(tt.issuer))
			if !slices.Equal(s.asked, tt.asked) {
				t.Errorf("asked %q, want %q", s.asked, tt.asked)
			}
			if tt.want != "" {
				if err != nil {
					t.Fatal(err)
				}
				if m.Issuer != base(tt.want) {
					t.Errorf("got issuer %s, want %s", m.Issuer, base(tt.want))
				}
				return
			}
			var e *DiscoveryError
			if !errors.As(err, &e) || len(e.Attempts) != len(tt.asked) || hint.Of(err).Do == "" {
				t.Fatalf("got %v", err)
			}
			for _, path := range tt.asked {
				if !strings.Contains(err.Error(), s.URL+path) {
					t.Errorf("the error does not name %s: %v", path, err)
				}
			}
			noSecret(t, "error", err.Error())
		})
	}
}

func TestServersOf2025AreServedOnlyWhereNoResourceMetadataIs(t *testing.T) {
	tests := []struct {
		name      string
		pages     map[string]string
		challenge string
		guessed   bool
		fails     bool
	}{
		{"metadata at the origin", map[string]string{asRoot: as("BASE")}, "", false, false},
		{"nothing at all", map[string]string{}, "", true, false},
		{"nothing behind a sign-in", map[string]string{"*": "401"}, "", true, false},
		{"a page for everything", map[string]string{"*": html}, "", true, false},
		{"not while the server has an error", map[string]string{"*": "500"}, "", false, true},
		{"not while the server is busy", map[string]string{prmPath: "429", asRoot: as("BASE")}, "", false, true},
		{"not if the challenge names metadata", map[string]string{asRoot: as("BASE")}, "BASE/gone", false, true},
		{"not if the metadata is odd", map[string]string{prmPath: `{"resource":"BASE/mcp"}`, asRoot: as("BASE")}, "", false, true},
		{"no guessing under a named issuer", map[string]string{prmPath: prm("BASE/mcp", "BASE")}, "", false, true},
		{"no guessing while the origin has an error", map[string]string{asRoot: "500"}, "", false, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pages := map[string]string{}
			s := newSite(t, pages)
			for path, page := range tt.pages { // prm quotes its arguments itself
				pages[path] = page
			}
			ch := &Challenge{Params: params{"resource_metadata": strings.ReplaceAll(tt.challenge, "BASE", s.URL)}}
			d, err := newClient(t, s.URL).Discover(t.Context(), s.URL+"/mcp", ch, "")
			if tt.fails {
				if err == nil {
					t.Fatalf("got %+v", d.Server)
				}
				noSecret(t, "error", err.Error())
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d.Resource != nil || d.Guessed != tt.guessed || d.Server.Issuer != s.URL {
				t.Errorf("got %+v, %+v", d, d.Server)
			}
			if tt.guessed && (d.Server.AuthorizationEndpoint != s.URL+"/authorize" || d.Server.TokenEndpoint != s.URL+"/token" || d.Server.RegistrationEndpoint != s.URL+"/register") {
				t.Errorf("guessed %+v", d.Server)
			}
		})
	}
}

func TestTheFirstIssuerThatAnswersIsTakenUnlessTheUserChose(t *testing.T) {
	s := newSite(t, map[string]string{
		prmPath: prm("BASE/mcp", "BASE/gone", "BASE/a", "BASE/b"), asRoot + "/a": as("BASE/a"), asRoot + "/b": as("BASE/b"),
	})
	c := newClient(t, s.URL)
	for preferred, want := range map[string]string{"": s.URL + "/a", s.URL + "/b": s.URL + "/b"} {
		d, err := c.Discover(t.Context(), s.URL+"/mcp", nil, preferred)
		if err != nil || d.Server.Issuer != want {
			t.Errorf("preferred %q: got %+v, %v; want %s", preferred, d, err, want)
		}
	}
	if _, err := c.Discover(t.Context(), s.URL+"/mcp", nil, s.URL+"/gone"); err == nil {
		t.Error("another issuer than the user's was taken")
	}
}

func TestAFailedDiscoveryNamesEveryAddressAndWhatItSaid(t *testing.T) {
	for _, tt := range []struct {
		name  string
		pages map[string]string
		want  []string
	}{
		{"several authorization servers", map[string]string{prmPath: prm("BASE/mcp", "BASE/a", "http://BASE.example/b", "BASE/c"), asRoot + "/a": "500", oidcRoot + "/a": html, asRoot + "/c": as("https://other.example")},
			[]string{asRoot + "/a: it answered HTTP 500", oidcRoot + "/a: it is a web page", "/a" + oidcRoot + ": it answered HTTP 404", asRoot + "/c: it is about another issuer, https://other.example", "/c" + oidcRoot + ": "}},
		{"neither resource nor authorization server", map[string]string{asRoot: "500", oidcRoot: "{"},
			[]string{prmPath + ": it answered HTTP 404", prmRoot + ": it answered HTTP 404", asRoot + ": it answered HTTP 500", oidcRoot + ": it is not valid JSON"}},
		{"one", map[string]string{prmPath: prm("BASE/mcp", "BASE")}, []string{asRoot + ": it answered HTTP 404", oidcRoot + ": it answered HTTP 404"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSite(t, tt.pages)
			_, err := newClient(t, s.URL).Discover(t.Context(), s.URL+"/mcp", nil, "")
			h := hint.Of(err)
			if err == nil || h.Cause == nil || h.What == "" || h.Do == "" {
				t.Fatalf("got %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(h.Cause.Error(), want) {
					t.Errorf("the details do not have %q: %v", want, h.Cause)
				}
			}
			noSecret(t, "error", err.Error()+h.Cause.Error())
		})
	}
}

func TestUnreachableServersSaySo(t *testing.T) {
	s := newSite(t, nil)
	s.Close()
	_, err := newClient(t, s.URL).Discover(t.Context(), s.URL+"/mcp", nil, "")
	if hint.CodeOf(err) != hint.Unreachable {
		t.Errorf("got %v", err)
	}
}

func TestAddressesForTheBrowser(t *testing.T) {
	for addr, ok := range map[string]bool{
		"https://as.example/authorize?x=%2F&y": true, "http://127.0.0.1:80/a": true, "http://localhost/a": true, "http://[::1]/a": true,
		"http://as.example/a": false, "file:///etc/passwd": false, "javascript:alert(1)": false, "-https://as.example/": false,
		"--help": false, "https://as.example/a b": false, "https://as.example/\n": false, "https://as.example/\x00": false,
		"https://as.example/\"x": false, "https://as.example/`id`": false, "https:///a": false, "https://u:p@as.example/": false,
		"https://-x/": false, "https://as.example/#a": false, "": false, "ms-settings:": false, `\\host\share`: false,
		"https://as.example/\u202egpj.exe": false, "https://as.example/\u009b2J": false, "https://as.example/\u2028": false, "https://as.example/日本": true,
		"https://аs.example/": false, "https://$(id)/": false, "https://as.example:8443/": true, "https://[2001:db8::1]:8443/": true,
	} {
		if err := CheckBrowserURL(addr); (err == nil) != ok {
			t.Errorf("CheckBrowserURL(%q) = %v, want %v", addr, err, ok)
		}
	}
}

// Who reads the first of two members, or other spellings, must not see another
// document than this client.
func TestDocumentsAreReadInOneWay(t *testing.T) {
	const good = `"issuer":"https://as.example","token_endpoint":"https://as.example/t"`
	for doc, ok := range map[string]bool{
		`{` + good + `}`:             true,
		"\xef\xbb\xbf{" + good + `}`: true,
		`{` + good + `,"Token_Endpoint":"https://evil.example/"}`:      true,
		`{` + good + `,"to\u017fen_endpoint":"https://evil.example/"}`: true,
		`{` + good + `,"token_endpoint":"https://evil.example/"}`:      false,
		`{` + good + `,"to\u006ben_endpoint":"https://evil.example/"}`: false,
		`{` + good + `,"x":{"a":1,"a":2}}`:                             false,
		`{` + good + `}{"issuer":"https://evil.example"}`:              false,
		`{` + good + `} // comment`:                                    false,
		`{"ISSUER":"https://as.example",` + good[30:] + `}`:            false,
		`{` + good + `,"x":` + strings.Repeat("[", 20000):              false,
	} {
		m, err := parseServerMetadata([]byte(doc), "https://as.example")
		if (err == nil) != ok || ok && m.TokenEndpoint != "https://as.example/t" {
			t.Errorf("%.100s: got %+v, %v", doc, m, err)
		}
	}
	for answer, ok := range map[string]bool{`{"access_token":"a"}`: true, `{"access_token":"a","access_token":"b"}`: false, `{"Access_Token":"a"}`: true} {
		f, err := parseFields([]byte(answer))
		if (err == nil) != ok || strings.Contains(answer, "Access") && f.str("access_token") != "" {
			t.Errorf("%s: got %v, %v", answer, f, err)
		}
	}
}

// No document makes discovery accept another issuer or another resource.
func FuzzMetadata(f *testing.F) {
	for _, s := range []string{`{}`, `[]`, `{"issuer":"https://as.example","token_endpoint":"https://as.example/t"}`,
		`{"resource":"https://h/mcp","authorization_servers":["https://as.example"]}`, "\xef\xbb\xbf{}", `{"issuer":1}`, "<html>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if m, err := parseServerMetadata(b, "https://as.example"); err == nil &&
			(m.Issuer != "https://as.example" && m.Issuer != "https://as.example/" || m.TokenEndpoint == "") {
			t.Errorf("accepted %+v", m)
		}
		if m, err := parseResourceMetadata(b); err == nil && (m.Resource == "" || len(m.AuthorizationServers) == 0) {
			t.Errorf("accepted %+v", m)
		}
	})
}
