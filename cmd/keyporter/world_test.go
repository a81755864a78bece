package main

import (
	"encoding/base64"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"keyporter/internal/fakeas"
	"keyporter/internal/fakegoogle"
	"keyporter/internal/fakemcp"
	"keyporter/internal/fakevault"
)

type worldKey struct{}

// A world is what a script's command line talks to.
type world struct {
	as     *fakeas.Server
	google *fakegoogle.Server
	gates  map[string]*fakegoogle.CloudRun
	vault  *fakevault.Server
}

// cmdWorld is "world [FLAG...]": it starts an authorization server ($ISSUER),
// Google's token endpoint ($TOKEN_URI), an MCP server that takes tokens of both
// ($MCP and $API, at $ORIGIN), another one ($OTHER), one without any protection
// ($OPEN) and one that wants an API key ($KEYED).
func cmdWorld(ts *testscript.TestScript, neg bool, args []string) {
	flags := flag.NewFlagSet("world", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	form := flags.String("tokens", "jwt", "jwt, jwe or opaque")
	life := flags.Duration("life", time.Hour, "of access tokens")
	offered := flags.String("offered", "", "the one scope that the MCP server asks for")
	document := flags.String("document", "", "a client ID metadata document that the authorization server knows, as it knows of such")
	if err := flags.Parse(args); err != nil || neg {
		ts.Fatalf("usage: world [FLAG...]: %v", err)
	}
	known := []fakeas.Client{{ID: "ci", Secret: word + "-ci", GrantTypes: []string{"client_credentials"}}}
	if *document != "" {
		known = append(known, fakeas.Client{ID: *document, RedirectURIs: []string{"http://127.0.0.1/callback"}})
	}
	as := fakeas.Start(scriptTB{ts}, fakeas.Options{AccessLife: *life, EditToken: tokenForm(*form), Clients: known, CIMD: *document != ""})
	google, err := fakegoogle.Start(fakegoogle.Options{})
	ts.Check(err)
	ts.Defer(func() { ts.Check(google.Close()) })
	w := ts.Value(worldKey{}).(*world)
	*w = world{as: as, google: google}
	o := fakemcp.Options{Issuer: as.Issuer(), GoogleCerts: google.CertsURL()}
	if *offered != "" {
		o.OfferedScopes = []string{*offered}
	}
	w.addGoogle(ts, o)
	m := fakemcp.Start(scriptTB{ts}, o)
	for name, value := range map[string]string{
		"ISSUER": as.Issuer(), "TOKEN_URI": google.TokenURI(), "ORIGIN": m.Origin(), "MCP": m.URL(), "API": m.APIURL(),
		"OTHER": fakemcp.Start(scriptTB{ts}, o).URL(),
		"OPEN":  fakemcp.Start(scriptTB{ts}, fakemcp.Options{Open: true}).URL(),
		"KEYED": keyed(ts),
	} {
		ts.Setenv(name, value)
	}
}

// tokenForm changes the form of access tokens.
func tokenForm(form string) func(map[string]any) {
	token := ""
	switch form {
	case "opaque":
		token = word + "-opaque"
	case "jwe":
		part := base64.RawURLEncoding.EncodeToString
		token = part([]byte(`{"alg":"RSA-OAEP-256","enc":"A256GCM"}`)) + "." + word + ".aXY.Y2lwaGVydGV4dA.dGFn"
	default:
		return nil
	}
	return func(answer map[string]any) { answer["access_token"] = token }
}

// keyed starts an MCP server behind a fixed token or an API key.
func keyed(ts *testscript.TestScript) string {
	m, err := fakemcp.New(fakemcp.Options{Open: true})
	ts.Check(err)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+word+"-token" && r.Header.Get("X-API-Key") != word+"-key" {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "no key", http.StatusUnauthorized)
			return
		}
		m.ServeHTTP(w, r)
	}))
	m.SetURL(srv.URL)
	ts.Defer(func() {
		srv.CloseClientConnections()
		m.Close()
		srv.Close()
	})
	return srv.URL + fakemcp.Path
}

// cmdGoogleKey is "googlekey FILE EMAIL": a new key of a service account.
func cmdGoogleKey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: googlekey FILE EMAIL")
	}
	key, err := ts.Value(worldKey{}).(*world).google.NewKey(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), key, 0o600))
}

// cmdRequests is "requests ENDPOINT N": the authorization server was asked that
// often there.
func cmdRequests(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: requests ENDPOINT N")
	}
	if got := strconv.Itoa(ts.Value(worldKey{}).(*world).as.Counters().Requests[args[0]]); got != args[1] {
		ts.Fatalf("%s requests to %s, want %s", got, args[0], args[1])
	}
}

// scriptTB lets a script own what a test owns elsewhere.
type scriptTB struct{ ts *testscript.TestScript }

func (t scriptTB) Helper()                           {}
func (t scriptTB) Cleanup(f func())                  { t.ts.Defer(f) }
func (t scriptTB) Fatalf(format string, args ...any) { t.ts.Fatalf(format, args...) }
