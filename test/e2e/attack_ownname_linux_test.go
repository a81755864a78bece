package e2e

import (
	"slices"
	"strings"
	"testing"
)

// credentials are addresses at which clouds hand out credentials to whoever asks from
// the machine: plain, and carried in addresses of IPv6.
var credentials = []string{
	"169.254.169.254", "169.254.170.2", "169.254.42.42", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254", "fd00:42::42",
	"::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe", "2002:a9fe:a9fe::1", "2001:0:5601:5601::5601:5601", "2001:db8::5efe:a9fe:a9fe",
}

// byItsOwnName has the server itself be where clouds keep credentials, or next to the
// user: as its name leads there, once it was added, and as it is written.
func (s *site) byItsOwnName(t *testing.T) {
	n, h := s.internet, s.h
	n.name("own.example.com", []string{"93.184.216.70"})
	h.do("account", "add", "static", "mine", "--token-file", given(t, word+"-own"))
	for server, url := range map[string]string{"own": "https://own.example.com/mcp", "plain": "http://own.example.com/mcp", "asks": "https://own.example.com/asks"} {
		h.do("add", server, url, "--offline", "--allow-http")
	}
	for _, server := range []string{"own", "plain"} {
		h.do("set", server, "account=mine", "--bind")
		if h.run("tools", server); n.connections() == 0 {
			t.Errorf("%s is not reached where it is public", server)
		}
	}
	// Where the token goes, and where a sign-in looks for metadata.
	ways := [][]string{{"call", "own", "greet", "{}"}, {"tools", "plain"}, {"login", "asks"}}
	refused := func(what, says string, ways ...[]string) {
		t.Helper()
		for _, args := range ways {
			r := h.run(args...)
			if r.code != 1 || !strings.Contains(r.err, says) {
				t.Errorf("%s: keyporter %s: exit code %d, want %q\n%s%s", what, strings.Join(args, " "), r.code, says, r.out, h.said(r.err))
			}
			if n.connections() != 0 {
				t.Errorf("%s: keyporter %s made a connection", what, strings.Join(args, " "))
			}
		}
	}
	for _, address := range credentials {
		n.name("own.example.com", []string{address})
		refused(address+" behind its name", "where clouds keep credentials", ways...)
	}
	c := h.launch("own")
	if m := c.ask("initialize", initializeParams); !strings.Contains(m.String(), "where clouds keep credentials") || n.connections() != 0 {
		t.Errorf("a bridge says %v", m)
	}
	n.name("own.example.com", []string{"169.254.7.7"})
	refused("a device behind a name of the internet", "where only devices without a router are", ways[:2]...)

	for _, address := range credentials {
		if strings.Contains(address, ":") {
			address = "[" + address + "]"
		}
		h.run("add", "literal", "http://"+address+"/mcp", "--allow-http") // which asks it, and warns or refuses
		h.run("set", "literal", "account=mine", "--bind")
		h.run("tools", "literal")
		h.run("remove", "literal")
		if n.connections() != 0 {
			t.Errorf("%s, as it is written, is reached", address)
		}
	}

	// What the user means is reached.
	n.name("printer.local", []string{"169.254.7.7"})
	n.name("intranet.example.com", []string{"10.0.0.5"})
	for _, host := range []string{"169.254.7.7", "printer.local", "10.0.0.5", "intranet.example.com"} {
		h.do("add", "mine", "http://"+host+"/mcp", "--allow-http", "--offline")
		h.do("set", "mine", "account=mine", "--bind")
		if h.run("tools", "mine"); n.connections() == 0 {
			t.Errorf("%s is not reached, which the user named", host)
		}
		h.do("remove", "mine")
	}
}

// atAStart has programs start, and tell what they know: nothing is fetched, of a newer
// version or a library, and a bridge asks its own server alone.
func (s *site) atAStart(t *testing.T) {
	n, h := s.internet, s.h
	h.do("stop")
	n.traffic() // of the attacks before
	for _, args := range [][]string{{"version"}, {"add", "quiet", "https://mcp.example.com/mcp", "--offline"}, {"stop"}, {"start"}, {"list"}, {"status"}, {"show", "quiet"},
		{"clients"}, {"scan"}, {"log", "--verify"}, {"settings", "get"}, {"bundle", "quiet", "-o", "quiet.mcpb"}} {
		h.do(args...)
		if asked, reached := n.traffic(); len(asked)+len(reached) > 0 {
			t.Errorf("keyporter %s looked up %q and connected to %q", strings.Join(args, " "), asked, reached)
		}
	}
	c := h.launch("quiet")
	c.initialize()
	c.wantTools("sign_in")
	c.close()
	asked, reached := n.traffic()
	if slices.Sort(asked); !slices.Equal(slices.Compact(asked), []string{"mcp.example.com"}) || len(reached) == 0 {
		t.Errorf("a bridge looked up %q and connected to %q, want its server", asked, reached)
	}
	h.do("remove", "quiet")
}
