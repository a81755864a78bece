package main

import (
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"

	"github.com/rogpeppe/go-internal/testscript"

	"keyporter/internal/fakegoogle"
	"keyporter/internal/fakemcp"
	"keyporter/internal/fakevault"
)

// invoker is the service account that Cloud Run's gate lets in.
const invoker = "etl@my-project.iam.gserviceaccount.com"

// gated starts an MCP server behind Cloud Run's gate.
func gated(ts *testscript.TestScript, g *fakegoogle.Server, o fakemcp.Options) (*fakegoogle.CloudRun, string) {
	m, err := fakemcp.New(o)
	ts.Check(err)
	var gate http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { gate.ServeHTTP(w, r) }))
	run := g.NewCloudRun(m, []string{srv.URL}, []string{invoker})
	gate = run
	m.SetURL(srv.URL)
	ts.Defer(func() {
		srv.CloseClientConnections()
		m.Close()
		srv.Close()
	})
	return run, srv.URL
}

// addGoogle completes a world: $RUN is an MCP server behind Cloud Run's gate
// ($RUN_ORIGIN) and $TWICE one behind it that has a sign-in of its own
// ($TWICE_ORIGIN). With HTTPS_PROXY=$GOOGLE_PROXY and SSL_CERT_FILE=$GOOGLE_CA
// Google's own addresses lead to the world's Google. $VAULT is a Vault.
func (w *world) addGoogle(ts *testscript.TestScript, o fakemcp.Options) {
	ca := ts.MkAbs("google-ca.pem")
	ts.Check(os.WriteFile(ca, w.google.CA(), 0o600))
	run, runURL := gated(ts, w.google, fakemcp.Options{Open: true})
	twice, twiceURL := gated(ts, w.google, o)
	w.gates = map[string]*fakegoogle.CloudRun{"run": run, "twice": twice}
	w.vault = fakevault.New()
	srv := httptest.NewServer(w.vault)
	ts.Defer(srv.Close)
	for name, value := range map[string]string{
		"RUN": runURL + fakemcp.Path, "RUN_ORIGIN": runURL, "TWICE": twiceURL + fakemcp.Path, "TWICE_ORIGIN": twiceURL,
		"GOOGLE_PROXY": w.google.ProxyURL(), "GOOGLE_CA": ca, "VAULT": srv.URL, "METADATA": w.google.MetadataHost(),
	} {
		ts.Setenv(name, value)
	}
}

// cmdGoogle is "google VERB ARG...": it changes the world's Google, or looks at it.
func cmdGoogle(ts *testscript.TestScript, neg bool, args []string) {
	w := ts.Value(worldKey{}).(*world)
	g := w.google
	if neg || len(args) < 2 {
		ts.Fatalf("usage: google VERB ARG...")
	}
	switch verb, a := args[0], args[1:]; verb {
	case "client": // ID
		g.NewClient(a[0], word+"-client")
	case "enable": // PROJECT...
		g.Enable(a...)
	case "account": // EMAIL
		g.NewServiceAccount(a[0])
	case "grant": // ON MEMBER ROLE
		g.Grant(a[0], a[1], a[2])
	case "secret": // PROJECT SECRET VALUE
		g.SetSecret(a[0], a[1], "latest", []byte(a[2]))
	case "adc": // FILE EMAIL QUOTA
		file, err := g.NewUserCredentials(a[1], a[2])
		ts.Check(err)
		ts.Check(os.WriteFile(ts.MkAbs(a[0]), file, 0o600))
	case "person": // EMAIL: who signs in from now on
		g.SetPerson(a[0])
	case "machine": // EMAIL
		g.SetMachine(a[0])
	case "end": // GATE: it refuses the tokens that it has let in
		w.gates[a[0]].End()
	case "admitted": // GATE EMAIL: all that the gate let in
		who, _ := w.gates[a[0]].Admitted()
		if len(who) == 0 || slices.ContainsFunc(who, func(email string) bool { return email != a[1] }) {
			ts.Fatalf("the gate let in %q, want %s alone", who, a[1])
		}
	case "calls": // METHOD CALLER ON: the newest call of an API
		calls := g.Calls()
		if len(calls) == 0 {
			ts.Fatalf("no API was called")
		}
		if c := calls[len(calls)-1]; c.Method != a[0] || c.Caller != a[1] || c.On != a[2] {
			ts.Fatalf("the last call is %+v", c)
		}
	default:
		ts.Fatalf("google: no verb %s", verb)
	}
}

// cmdVault is "vault VERB ARG...": it changes the world's Vault, or looks at it.
func cmdVault(ts *testscript.TestScript, neg bool, args []string) {
	w := ts.Value(worldKey{}).(*world)
	if neg || len(args) == 0 {
		ts.Fatalf("usage: vault VERB ARG...")
	}
	const login = "hvs." + word
	switch verb, a := args[0], args[1:]; verb {
	case "login": // the person at home
		w.vault.Allow(login, "secret/data/team/*", "transit/keys/etl", "transit/sign/etl/*")
		ts.Check(os.WriteFile(ts.Getenv("HOME")+"/.vault-token", []byte(login), 0o600))
	case "end":
		w.vault.End(login)
	case "put": // PATH FIELD VALUE
		w.vault.Put(a[0], map[string]any{a[1]: a[2]})
	case "key": // EMAIL: a Transit key named etl, trusted for the service account
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		ts.Check(err)
		w.vault.SetKey("etl", key)
		ts.Setenv("KEY_ID", w.google.Trust(a[0], &key.PublicKey))
	case "signed": // at least once
		if _, signs := w.vault.Counts(); signs == 0 {
			ts.Fatalf("the Transit key was not used")
		}
	default:
		ts.Fatalf("vault: no verb %s", verb)
	}
}
