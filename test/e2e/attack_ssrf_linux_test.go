package e2e

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
)

// insides are places that a server on the internet must not send a client to.
var insides = []string{
	"https://169.254.169.254", "https://169.254.170.2", "https://metadata.google.internal", "https://[fd00:ec2::254]", "https://[fe80::1]",
	"https://[::ffff:169.254.169.254]", "https://[64:ff9b::a9fe:a9fe]", "https://[64:ff9b:1::a9fe:a9fe]", "https://[2002:a9fe:a9fe::1]", "https://[2001:0:5601:5601::]",
	"https://[64:ff9b::10.0.0.5]", "https://[::10.0.0.5]", "https://[::ffff:10.0.0.5]", "https://[2002:a00:5::1]",
	"https://10.0.0.5", "https://172.16.0.5", "https://192.168.0.5", "https://100.64.0.5", "https://198.18.0.5", "https://0.0.0.0", "https://[::]", "https://127.0.0.1", "https://127.9.9.9", "https://[::1]",
	"https://localhost", "https://localhost.", "https://intranet", "https://printer.local", "https://2130706433", "https://0x7f000001", "https://0177.0.0.1", "https://127.1",
	"https://inside-4.example.com", "https://inside-6.example.com", "https://nat64.example.com", "https://mapped.example.com", "https://6to4.example.com", "https://teredo.example.com", "https://cloud.example.com", "https://loop.example.com",
	"http://as.example.com", "gopher://as.example.com", "file:///etc/passwd",
}

// A site is a public MCP server and its authorization server.
type site struct {
	*internet
	h   *home
	s   *hostile
	mcp *fakemcp.Server
}

func newSite(t *testing.T, n *internet, o fakeas.Options, more ...string) *site {
	t.Helper()
	h := n.home(more...)
	s := newHostile(h, o)
	s.as.SetURL("https://as.example.com")
	n.host("as.example.com", s.as)
	m, err := fakemcp.New(fakemcp.Options{Issuer: s.as.Issuer(), Leeway: -1})
	check(t, err)
	t.Cleanup(m.Close)
	m.SetURL("https://mcp.example.com")
	n.host("mcp.example.com", s.before(func(r *http.Request) string { return r.URL.Path }, m))
	for name, address := range map[string]string{
		"inside-4": "10.0.0.5", "inside-6": "fd12::5", "nat64": "64:ff9b::a9fe:a9fe", "mapped": "::ffff:169.254.169.254", "6to4": "2002:a9fe:a9fe::1",
		"teredo": "2001:0:5601:5601::", "cloud": "169.254.169.254", "loop": "127.0.0.1",
	} {
		n.name(name+".example.com", []string{address})
	}
	n.name("metadata.google.internal", []string{"169.254.169.254"})
	n.name("intranet", []string{"10.0.0.5"})
	n.name("localhost", []string{"127.0.0.1"})
	return &site{internet: n, h: h, s: s, mcp: m}
}

// refused checks that no sign-in follows what the server says. A person who is led
// to a sign-in page signs in.
func (s *site) refused(t *testing.T, what string, flags ...string) {
	t.Helper()
	r := s.h.run(append([]string{"login", "acme"}, flags...)...)
	if r.code != 1 || r.err == "" || strings.Contains(r.err, word) {
		t.Errorf("%s: exit code %d\n%s", what, r.code, s.h.said(r.err))
	}
	s.wantPublic(t, what)
}

// TestNobodyIsLedInside has servers on the internet, and names, lead to places in
// the network of the user.
func TestNobodyIsLedInside(t *testing.T) {
	n := inInternet(t)
	if n == nil {
		return
	}
	s := newSite(t, n, fakeas.Options{Devices: true, AccessLife: time.Second})
	for _, attack := range []struct {
		name string
		run  func(*site, *testing.T)
	}{
		{"by metadata", (*site).byMetadata}, // before there is a registration
		{"by a name that changes its mind", (*site).byRebinding},
		{"by localhost that is elsewhere", (*site).byLocalhost},
		{"by a profile", (*site).byProfile},
		{"by its own name", (*site).byItsOwnName},
		{"at a start", (*site).atAStart},
	} {
		t.Run(attack.name, func(t *testing.T) {
			of := *s
			of.h = s.h.in(t)
			attack.run(&of, t)
		})
	}
}

// byMetadata names a place wherever metadata has room for an address.
func (s *site) byMetadata(t *testing.T) {
	s.h.do("add", "acme", "https://mcp.example.com/mcp", "--offline")
	some := []string{"https://169.254.169.254", "https://10.0.0.5", "https://inside-4.example.com", "https://nat64.example.com", "https://localhost", "http://as.example.com"}
	for _, inside := range some { // while there is no registration to use again
		s.s.says(member("registration_endpoint", inside+"/register"))
		s.refused(t, inside+" as registration endpoint")
	}
	for _, inside := range insides {
		s.s.says(nil)
		s.s.answers(fakemcp.MetadataPath, document(`{"resource":"https://mcp.example.com/mcp","authorization_servers":["`+inside+`"]}`))
		s.refused(t, inside+" as authorization server")
		s.s.answers(fakemcp.MetadataPath, nil)

		s.s.says(member("token_endpoint", inside+"/token"))
		s.refused(t, inside+" as token endpoint")
	}
	// The other places have the same guard: some addresses show that it is asked.
	for _, inside := range some {
		s.inOtherPlaces(t, inside)
	}
	s.s.says(nil)
	s.h.do("login", "acme") // an honest server's sign-in goes through all the same
	if s.wantPublic(t, "an honest sign-in") == 0 {
		t.Error("a sign-in without a connection")
	}
	s.h.do("remove", "acme")
}

// inOtherPlaces has the servers name an address where it is not asked for first.
func (s *site) inOtherPlaces(t *testing.T, inside string) {
	t.Helper()
	s.s.says(nil)
	s.s.answers(fakemcp.MetadataPath, http.NotFound)
	s.s.answers("/mcp", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+inside+`/metadata"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	s.refused(t, inside+" in the challenge")
	s.s.answers("/mcp", nil)

	s.s.answers(fakemcp.MetadataPath, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inside+"/metadata", http.StatusFound)
	})
	s.refused(t, inside+" in a redirect")
	s.s.answers(fakemcp.MetadataPath, nil)

	s.s.says(member("device_authorization_endpoint", inside+"/device"))
	s.refused(t, inside+" as the endpoint of device codes", "--device")
	s.s.says(func(m map[string]any) {
		m["pushed_authorization_request_endpoint"], m["require_pushed_authorization_requests"] = inside+"/par", true
	})
	s.refused(t, inside+" as the endpoint of pushed requests")
	if !strings.HasSuffix(inside, ".example.com") || strings.HasPrefix(inside, "http:") { // names are the browser's to resolve
		s.s.says(member("authorization_endpoint", inside+"/authorize"))
		s.refused(t, inside+" as the page to sign in at")
	}
}

// byRebinding has a public name resolve to a public address at first and to one
// inside later, as soon as there is something to fetch there.
func (s *site) byRebinding(t *testing.T) {
	s.h.do("add", "acme", "https://mcp.example.com/mcp", "--offline")
	public := []string{"93.184.216.99"}
	for _, inside := range []string{"127.0.0.1", "169.254.169.254", "64:ff9b::10.0.0.5"} {
		// Metadata and registration, and with them the checks, are public; the token
		// endpoint is looked up anew.
		name := "rebind-" + strings.NewReplacer(".", "-", ":", "-").Replace(inside) + ".example.com"
		s.host(name, s.s.as)
		s.s.says(member("token_endpoint", "https://"+name+"/token"))
		s.name(name, []string{inside})
		s.refused(t, "a token endpoint at "+inside)

		// Several addresses at once: the ones inside are passed over.
		s.name(name, []string{inside, public[0]})
		s.h.do("login", "acme")
		if s.wantPublic(t, "a name with two addresses, one of them "+inside) == 0 {
			t.Error("a sign-in without a connection")
		}
		// The renewal: the name has changed its mind since.
		s.name(name, []string{inside})
		until(t, "the token's end", func() bool { return s.h.run("token", "acme").code != 0 })
		s.wantPublic(t, "a renewal at "+inside)
		s.h.do("logout", "acme")
	}
	s.h.do("remove", "acme")
}

// byLocalhost has a resolver that sends the name of
// this computer away: what is sent there need not be encrypted.
func (s *site) byLocalhost(t *testing.T) {
	n, h := s.internet, s.h
	var thief atomic.Int32
	n.host("localhost", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { thief.Add(1) }))
	n.name("localhost", []string{"127.0.0.1"})
	h.do("add", "local", "http://localhost/mcp", "--offline")
	h.do("account", "add", "static", "key", "--token-file", given(t, word+"-key"))
	h.do("set", "local", "account=key", "--bind")
	h.run("tools", "local")
	if thief.Load() == 0 {
		t.Error("a server on this computer is not reached")
	}
	thief.Store(0)
	n.name("localhost", []string{"93.184.216.66"})
	for _, args := range [][]string{{"call", "local", "greet", "{}"}, {"tools", "local"}, {"login", "local"}, {"doctor", "local"}, {"add", "other", "http://localhost/mcp"}} {
		r := h.run(args...)
		if thief.Load() != 0 {
			t.Fatalf("keyporter %s sent a request to another computer", strings.Join(args, " "))
		}
		if args[0] != "login" && !strings.Contains(r.out+r.err, "should be this computer, but leads elsewhere") {
			t.Errorf("keyporter %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.out, h.said(r.err))
		}
	}
	c := h.launch("local")
	if m := c.ask("initialize", initializeParams); !strings.Contains(m.String(), "should be this computer, but leads elsewhere") || thief.Load() != 0 {
		t.Errorf("a bridge says %v, and sent %d requests to another computer", m, thief.Load())
	}
	n.connections() // those to this computer
}

// byProfile has the address of a team's profile lead to a place that anybody on
// the way could answer for, and inside.
func (s *site) byProfile(t *testing.T) {
	n, h := s.internet, s.h
	profile := document(`{"version":1,"name":"Data team","servers":{"wiki":{"url":"https://wiki.example.com/mcp"}}}`)
	var leads atomic.Value
	n.host("team.example.com", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, leads.Load().(string), http.StatusFound)
	}))
	n.host("mirror.example.com", profile)
	for _, to := range []string{"http://mirror.example.com", "https://user:password@mirror.example.com", "file:///etc", "https://169.254.169.254", "https://metadata.google.internal",
		"https://10.0.0.5", "https://inside-4.example.com", "https://inside-6.example.com", "https://nat64.example.com", "https://loop.example.com", "https://localhost", "https://intranet"} {
		leads.Store(to + "/p.json")
		if r := h.run("join", "--yes", "https://team.example.com/p.json"); r.code != 1 || !strings.Contains(r.err, "cannot be read at team.example.com") {
			t.Errorf("%s: exit code %d\n%s%s", to, r.code, r.out, h.said(r.err))
		}
		n.wantPublic(t, to)
	}
	leads.Store("https://mirror.example.com/p.json")
	if r := h.run("join", "--yes", "https://team.example.com/p.json"); r.code != 0 || !strings.Contains(h.do("list"), "wiki") {
		t.Errorf("a profile that moved over https: exit code %d\n%s%s", r.code, r.out, h.said(r.err))
	}
}
