package broker

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	joining "keyporter/bridge"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/fakemcp"
)

// A clinic is a world with a home folder that has one MCP client, and with
// sessions through real bridges.
type clinic struct {
	*world
	home string
}

// variables are those of an environment.
type variables map[string]string

func (v variables) get(name string) string { return v[name] }

func newClinic(t *testing.T, change func(*Options)) *clinic {
	t.Helper()
	c := &clinic{home: t.TempDir()}
	command := filepath.Join(c.home, "keyporter")
	for _, f := range []string{command, filepath.Join(c.home, ".config/Claude/claude_desktop_config.json")} {
		writeText(t, f, "{}")
	}
	c.world = newWorldWith(t, func(o *Options) {
		o.Getenv, o.Command = variables{"HOME": c.home}.get, command
		o.Try = func(ctx context.Context, server string) (*Tried, error) { return c.session(ctx, server) }
		if change != nil {
			change(o)
		}
	})
	return c
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// session is a session through a bridge, as the agent has it.
func (c *clinic) session(ctx context.Context, server string) (*Tried, error) {
	toBridge, fromClient := io.Pipe()
	toClient, fromBridge := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := joining.Run(ctx, joining.Options{
			Connect: func(context.Context) (joining.Agent, error) { return c.Broker, nil },
			Server:  server, Stdin: toBridge, Stdout: fromBridge, Version: "test",
		})
		fromBridge.Close()
		toBridge.Close()
		ended <- err
	}()
	client := mcp.NewClient(&mcp.Implementation{Name: "doctor", Version: "test"}, nil)
	s, err := client.Connect(ctx, &mcp.IOTransport{Reader: toClient, Writer: fromClient}, nil)
	out := &Tried{}
	if err == nil {
		for _, toolErr := range s.Tools(ctx, nil) {
			out.Tools++
			err = toolErr
		}
		out.Version, out.Title = s.InitializeResult().ProtocolVersion, s.InitializeResult().ServerInfo.Name
		s.Close()
	}
	fromClient.Close()
	return out, errors.Join(err, <-ended)
}

// checks runs the doctor.
func (c *clinic) checks(r local.DoctorRequest) []*local.Check {
	c.t.Helper()
	if r.Version == "" {
		r.Version = "test"
	}
	var out []*local.Check
	if err := c.Doctor(c.t.Context(), r, func(k *local.Check) error {
		out = append(out, k)
		return nil
	}); err != nil {
		c.t.Fatal(err)
	}
	return out
}

// TestAWorldInOrder has every check, in its order, and nothing to complain of.
func TestAWorldInOrder(t *testing.T) {
	c := newClinic(t, nil)
	_, m := oauthServer(t, fakeas.Options{})
	c.add("notes", m.URL(), nil)
	if err := c.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	c.add("open", fakemcp.Start(t, fakemcp.Options{Open: true, Sessions: true}).URL(), nil)
	c.addStatic("keyed")
	c.add("keyed", keyed(t, "token-keyed-"+word), func(p *local.PutServer) { p.Server.Account, p.Bind = "keyed", true })

	all := c.checks(local.DoctorRequest{})
	for _, k := range all {
		if k.Result != local.CheckOK || k.Problem != nil || k.Seen == "" {
			t.Errorf("%s of %q: %s, %q, %v, after %q", k.ID, k.Subject, k.Result, k.Seen, k.Problem, k.After)
		}
		c.noSecretIn("a check", k.Seen)
	}
	for _, server := range []string{"notes", "open", "keyed"} {
		var ids []local.CheckID
		for _, k := range c.checks(local.DoctorRequest{Server: server}) {
			ids = append(ids, k.ID)
			if k.Subject != "" && k.Subject != server && k.ID != local.CheckClient {
				t.Errorf("doctor %s looks at %s", server, k.Subject)
			}
		}
		if !slices.Equal(ids, local.CheckIDs()) {
			t.Errorf("checks of %s: %q", server, ids)
		}
	}
	if len(all) != len(local.CheckIDs())+2*12 {
		t.Errorf("%d checks of three servers", len(all))
	}
}

// A diagnosis is what a broken world is expected to show: one check that names the
// cause.
type diagnosis struct {
	name   string
	id     local.CheckID
	result local.CheckResult // failed, unless it says note
	what   string            // in what happened
	do     string            // in what to do
	world  func(t *testing.T) *clinic
	ask    local.DoctorRequest
}

func TestEachBrokenWorldIsNamedByOneCheck(t *testing.T) {
	var seen []local.CheckID
	said := &problems{texts: map[string]bool{}}
	t.Cleanup(func() { said.compare(t) }) // after all of them
	for _, d := range slices.Concat(brokenSelves(), brokenRoads(), brokenServers(), brokenTokens(), brokenClients()) {
		seen = append(seen, d.id)
		t.Run(string(d.id)+", "+d.name, func(t *testing.T) {
			t.Parallel() // they mostly wait
			diagnose(t, d.world(t), d, said)
		})
	}
	for _, id := range local.CheckIDs() {
		if !slices.Contains(seen, id) {
			t.Errorf("no broken world for %s", id)
		}
	}
}

func diagnose(t *testing.T, c *clinic, d diagnosis, said *problems) {
	t.Helper()
	if d.result == "" {
		d.result = local.CheckFailed
	}
	found := false
	for _, k := range c.checks(d.ask) {
		if k.Problem != nil {
			c.noSecretIn("a problem", k.Problem.Text()+k.Problem.Error())
		}
		switch {
		case k.ID == d.id && k.Result == d.result:
			found = true
			if k.Problem == nil || !strings.Contains(k.Problem.What, d.what) || !strings.Contains(k.Problem.Do, d.do) || k.Problem.Do == "" {
				t.Errorf("%s says %v; want %q and %q", k.ID, k.Problem, d.what, d.do)
			} else {
				t.Logf("%s", k.Problem.Text())
				said.add(k.Problem.What, k.Problem.Do)
			}
		case k.Result == local.CheckOK:
		case k.Result == local.CheckSkipped && k.After == d.id && d.result == local.CheckFailed:
		default:
			t.Errorf("%s of %q too: %s, %q, %v, after %q", k.ID, k.Subject, k.Result, k.Seen, k.Problem, k.After)
		}
	}
	if !found {
		t.Errorf("%s did not name the cause", d.id)
	}
}

// withServer is a clinic with one server.
func withServer(t *testing.T, url string, change func(*local.PutServer)) *clinic {
	t.Helper()
	c := newClinic(t, nil)
	c.add("notes", url, func(p *local.PutServer) {
		p.Offline = true
		if change != nil {
			change(p)
		}
	})
	return c
}

// signedIn is a clinic with one server to which alice is signed in.
func signedIn(t *testing.T, url string, change func(*local.PutServer)) *clinic {
	t.Helper()
	c := withServer(t, url, change)
	if err := c.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	return c
}

// withStatic is a clinic with a server that gets a fixed token.
func withStatic(t *testing.T, url string) *clinic {
	t.Helper()
	c := newClinic(t, nil)
	_, err := c.AddAccount(t.Context(), local.PutAccount{Name: "key", Account: account.Account{Kind: account.Static}, Secret: plain("a-" + word)})
	if err != nil {
		t.Fatal(err)
	}
	c.add("notes", url, func(p *local.PutServer) { p.Offline, p.Bind, p.Server.Account = true, true, "key" })
	return c
}
