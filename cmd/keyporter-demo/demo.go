package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"keyporter/internal/fakegoogle"
	"keyporter/internal/fakemcp"
	"keyporter/internal/hint"
)

// Names of the servers and the account in the demo's home.
const (
	demoServer   = "demo"
	apiServer    = "demo-api"
	robotAccount = "demo-robot"
)

// goodbye is how long the end may take.
const goodbye = 15 * time.Second

// A demo is one run.
type demo struct {
	o     options
	show  *show
	world *world
	home  *home
	k     *keyporter
}

// run shows all steps. When it returns, everything is ended and removed, or
// endErr says what is not.
func (d *demo) run(ctx context.Context) (err, endErr error) {
	path, self, err := findKeyporter()
	if err != nil {
		return err, nil
	}
	err = d.steps(ctx, path, self)
	if err == nil && d.o.keep {
		<-ctx.Done() // Ctrl-C is how it ends
		d.show.say("\nEnding the demo.\n")
	}
	return err, d.end(context.WithoutCancel(ctx))
}

func (d *demo) steps(ctx context.Context, path, self string) error {
	if err := d.prepare(ctx, path, self); err != nil {
		return err
	}
	for _, part := range []func(context.Context) error{d.addServers, d.signIn, d.useBridges, d.status} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return d.last()
}

// prepare starts the servers and makes the home.
func (d *demo) prepare(ctx context.Context, path, self string) error {
	d.show.say("A demo of Keyporter. Everything in it runs on this machine and ends with it.\n\n")
	err := d.show.step("Start an identity provider, a stand-in for Google, and an MCP server that takes tokens of both.", nil, func() ([]string, error) {
		w, moved, err := startWorld(d.o)
		if err != nil {
			return nil, err
		}
		d.world = w
		out := []string{
			"identity provider  " + w.as.Issuer(),
			"Google             " + w.google.URL(),
			"MCP server         " + w.mcp.URL() + "      for people: OAuth access tokens",
			"                   " + w.mcp.APIURL() + "  for programs: ID tokens of service accounts",
		}
		if moved {
			out = append(out, fmt.Sprintf("(The usual ports from %d on are taken, so these are others.)", keepPort))
		}
		return out, nil
	})
	if err != nil {
		return err
	}
	return d.show.step("Make a home for this run's Keyporter. Yours is not touched.", nil, func() ([]string, error) {
		keep := ""
		if d.o.keep {
			if keep, err = keepHome(os.Getenv); err != nil {
				return nil, err
			}
		}
		d.home, err = makeHome(keep, func(dir string) {
			// An agent that outlived its demo; if there is none, stop has nothing to do.
			_, _, _ = newKeyporter(path, self, dir, false).do(ctx, "stop")
		})
		if err != nil {
			return nil, err
		}
		d.k = newKeyporter(path, self, d.home.dir, d.o.keep || d.o.browser)
		return []string{d.home.dir}, d.home.writePassphrase()
	})
}

// end stops the agent and the servers and removes the home.
func (d *demo) end(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	var errs []error
	if d.k != nil {
		if _, _, err := d.k.do(ctx, "stop"); err != nil {
			errs = append(errs, err)
		}
	}
	if d.home != nil {
		errs = append(errs, d.home.remove())
	}
	if d.world != nil {
		errs = append(errs, d.world.close())
	}
	return errors.Join(errs...)
}

// keyporter runs keyporter with args as a step and shows what it says.
func (d *demo) keyporter(ctx context.Context, k *keyporter, text string, args ...string) error {
	return d.show.step(text, append([]string{"keyporter"}, args...), func() ([]string, error) {
		answer, said, err := k.do(ctx, args...)
		return append(answerLines(answer), said...), err
	})
}

// addServers adds the MCP server twice: once for people, once for programs.
func (d *demo) addServers(ctx context.Context) error {
	if err := d.keyporter(ctx, d.k, "Add the MCP server. Keyporter asks it how it lets people in.", "add", demoServer, d.world.mcp.URL()); err != nil {
		return err
	}
	key, err := d.world.google.NewKey(robot)
	if err != nil {
		return hint.Wrap(err, hint.Failed, "The service account's key cannot be made.", "")
	}
	file, err := d.home.write("robot-key.json", key)
	if err != nil {
		return err
	}
	err = d.keyporter(ctx, d.k, "Take in the service account's key file. It goes into the vault, and the file can be deleted.",
		"account", "add", "google-key", robotAccount, "--key-file", file, "--audience", d.world.mcp.Audience(), "--allow-token-uri", d.world.google.TokenURI())
	if err != nil {
		return err
	}
	if err := os.Remove(file); err != nil {
		return hint.Wrap(err, hint.Failed, "The key file cannot be deleted.", "")
	}
	return d.keyporter(ctx, d.k, "Add the server's other entrance, with that account.", "add", apiServer, d.world.mcp.APIURL(), "--account", robotAccount)
}

// signIn signs in and lists the tools.
func (d *demo) signIn(ctx context.Context) error {
	k, text := d.k.withBrowser(), "Sign in. Here the demo fills in the page that a person would see."
	if d.o.browser {
		k, text = d.k, "Sign in: press the button on the page in your browser."
		d.show.say("    (If no page comes up, the demo waits; Ctrl-C ends it.)\n")
	}
	err := d.show.step(text, []string{"keyporter", "login", demoServer}, func() ([]string, error) {
		_, said, err := k.do(ctx, "login", demoServer)
		if err == nil {
			err = d.signIns(1)
		}
		// The address of the sign-in page is long and used up.
		return said[max(0, len(said)-1):], err
	})
	if err != nil {
		return err
	}
	return d.keyporter(ctx, d.k, "List the server's tools.", "tools", demoServer)
}

// signIns checks how often somebody signed in at the identity provider.
func (d *demo) signIns(want int) error {
	if got := d.world.as.Counters().Signins; got != want {
		return hint.New(hint.Failed, fmt.Sprintf("The identity provider counts %d sign-ins where %d should be.", got, want), "")
	}
	return nil
}

// useBridges calls tools as an MCP client does.
func (d *demo) useBridges(ctx context.Context) (err error) {
	alice := fakemcp.Identity{Subject: person, Issuer: d.world.as.Issuer(), Audience: []string{d.world.mcp.Resource()}}
	service := fakemcp.Identity{Email: robot, Issuer: fakegoogle.Issuer, Audience: []string{d.world.mcp.Audience()}}

	first, err := d.bridgeStep(ctx, "Do what Claude Desktop does: launch the bridge and call tools. Each request gets the token of the person who signed in.", demoServer, alice)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, first.close()) }()

	for _, s := range []struct {
		text, name string
		who        fakemcp.Identity
	}{
		{"The same at the other entrance: here the token is one that Google makes for the service account.", apiServer, service},
		{"Launch a second bridge beside the first one. It needs no sign-in of its own.", demoServer, alice},
	} {
		b, err := d.bridgeStep(ctx, s.text, s.name, s.who)
		if err != nil {
			return err
		}
		if err := b.close(); err != nil {
			return err
		}
	}
	if err := d.signIns(1); err != nil {
		return err
	}
	return d.renewal(ctx, first, alice)
}

// bridgeStep opens a bridge and calls two tools through it.
func (d *demo) bridgeStep(ctx context.Context, text, name string, who fakemcp.Identity) (b *bridge, err error) {
	err = d.show.step(text, []string{"keyporter", "bridge", name}, func() ([]string, error) {
		if b, err = d.k.openBridge(ctx, name); err != nil {
			return nil, err
		}
		said, err := b.whoami(ctx, who)
		if err != nil {
			return nil, errors.Join(err, b.close())
		}
		sum, err := b.add(ctx, 2, 40)
		if err != nil {
			return nil, errors.Join(err, b.close())
		}
		return []string{said, sum}, nil
	})
	return b, err
}

// renewal waits until there is a new token, and calls a tool through a bridge
// that was there before.
func (d *demo) renewal(ctx context.Context, b *bridge, who fakemcp.Identity) error {
	text := fmt.Sprintf("Wait for a renewal. Access tokens live %.0f seconds here; nobody has to sign in again.", accessLife.Seconds())
	return d.show.step(text, []string{"keyporter", "token", demoServer, "--claims"}, func() ([]string, error) {
		before, err := d.claims(ctx)
		if err != nil {
			return nil, err
		}
		after, err := d.nextToken(ctx, before.ID)
		if err != nil {
			return nil, err
		}
		said, err := b.whoami(ctx, who)
		if err == nil {
			err = d.signIns(1)
		}
		return []string{
			"before: token " + clip(before.ID) + ", good until " + clock(before.Expiry),
			"after:  token " + clip(after.ID) + ", good until " + clock(after.Expiry),
			"through the first bridge: " + said,
		}, err
	})
}

// tokenClaims is what the demo reads of keyporter token --claims.
type tokenClaims struct {
	ID     string `json:"jti"`
	Expiry int64  `json:"exp"`
}

func (d *demo) claims(ctx context.Context) (tokenClaims, error) {
	var out struct {
		Claims tokenClaims `json:"claims"`
	}
	answer, _, err := d.k.do(ctx, "token", demoServer, "--claims")
	if err != nil {
		return tokenClaims{}, err
	}
	if err := json.Unmarshal([]byte(answer), &out); err != nil || out.Claims.ID == "" {
		return tokenClaims{}, hint.New(hint.Failed, "keyporter token --claims printed no claims.", "")
	}
	return out.Claims, nil
}

// nextToken waits for a token other than the one with this jti.
func (d *demo) nextToken(ctx context.Context, old string) (tokenClaims, error) {
	deadline := time.Now().Add(3 * accessLife)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		select {
		case <-ctx.Done():
			return tokenClaims{}, ctx.Err()
		case <-tick.C:
		}
		c, err := d.claims(ctx)
		if err != nil || c.ID != old {
			return c, err
		}
	}
	return tokenClaims{}, hint.New(hint.Failed, "The token was not renewed in time.", "")
}

// status shows what the agent knows now.
func (d *demo) status(ctx context.Context) error {
	return d.keyporter(ctx, d.k, "Look at what Keyporter knows now.", "status")
}

func clip(id string) string { return id[:min(len(id), 8)] + "…" }

func clock(unix int64) string { return time.Unix(unix, 0).Format(time.TimeOnly) }
