package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/browser"
	"keyporter/internal/hint"
)

func (p *program) login() *cobra.Command {
	var noBrowser bool
	r := local.SignInRequest{}
	c := &cobra.Command{
		Use:   "login NAME",
		Short: "Sign in to a server",
		Long: `Signs you in to a server in your browser. Over SSH use --no-browser: open the printed
address on your own computer; when the browser ends at an address that it cannot
reach, copy that address and paste it here. With --device, where the provider knows
that, you type a short code on any other device instead.`,
		Example: `  keyporter login notion
  keyporter login notion --no-browser
  keyporter login notion --device
  keyporter login notion --switch`,
		Args: takes("a server's name"),
		RunE: func(c *cobra.Command, args []string) error {
			r.Name = args[0]
			return p.ask(c.Context(), func(l *local.Client) error {
				return p.agreed(c.Context(), r.Bind, func(bind bool) error {
					r.Bind = bind
					return p.signIn(c.Context(), l, r, noBrowser)
				})
			})
		},
	}
	c.Flags().BoolVar(&noBrowser, "no-browser", false, "print the address instead of opening a browser")
	c.Flags().BoolVar(&r.Device, "device", false, "sign in with a code that you type on another device")
	c.Flags().BoolVar(&r.Switch, "switch", false, "sign in as somebody else, in a private window if there is one")
	c.Flags().BoolVar(&r.Bind, "bind", false, "the account's tokens may go to this server's address")
	return c
}

// signIn follows a sign-in and shows each step.
func (p *program) signIn(ctx context.Context, l *local.Client, r local.SignInRequest, noBrowser bool) error {
	var g pages
	defer g.opening.Wait() // which is short, because ctx is done then
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := false
	err := l.SignIn(ctx, r, func(ev *local.SignInEvent) error {
		switch {
		case ev.Done:
			done = true
			p.signedIn(r.Name, ev)
		case ev.Open != "":
			p.openPage(ctx, l, &g, r.Name, ev, noBrowser)
		case ev.Message != "":
			fmt.Fprintln(p.stderr, oneLine(ev.Message))
		}
		return nil
	})
	if err == nil && !done {
		return hint.New(hint.Failed, "The sign-in ended without an answer.", "Try again.")
	}
	return err
}

func (p *program) signedIn(name string, ev *local.SignInEvent) {
	who := after(" as ", ev.Identity)
	switch {
	case ev.Message != "":
		fmt.Fprintln(p.stderr, oneLine(ev.Message))
	case ev.Already:
		fmt.Fprintf(p.stderr, "%s is signed in%s already. Use --switch to sign in as somebody else.\n", name, who)
	default:
		fmt.Fprintf(p.stderr, "Signed in to %s%s.\n", name, who)
	}
}

// pages are the sign-in pages of one sign-in; mostly there is one.
type pages struct {
	opening sync.WaitGroup // browsers that may yet fail to start
	paste   sync.Once      // begins to listen for a redirect that somebody pastes
}

// openPage shows the address to sign in at and opens it. It does not wait for the
// browser: the sign-in may be over before a browser that fails has said so.
func (p *program) openPage(ctx context.Context, l *local.Client, g *pages, name string, ev *local.SignInEvent, noBrowser bool) {
	listen := func() {
		fmt.Fprintln(p.stderr, "If the browser ends at an address that it cannot reach, paste that address here and press Enter.")
		// The read ends with the program: a terminal's read cannot be taken back.
		g.paste.Do(func() { go p.readPasted(ctx, l, name) })
	}
	if ev.Preset != "" {
		fmt.Fprintf(p.stderr, "Sign-ins at %s follow the ways of %s.\n", hostOf(ev.Issuer), oneLine(ev.Preset))
	}
	if ev.UserCode != "" {
		fmt.Fprintf(p.stderr, "On any device, open this address and type the code %s to sign in at %s:\n\n  %s\n\n", oneLine(ev.UserCode), hostOf(ev.Issuer), oneLine(ev.Open))
		return
	}
	if noBrowser || ev.Joined || browser.None(p.getenv) {
		fmt.Fprintf(p.stderr, "Open this address to sign in at %s:\n\n  %s\n\n", hostOf(ev.Issuer), oneLine(ev.Open))
		listen()
		return
	}
	fmt.Fprintf(p.stderr, "Opening %s in your browser. If nothing happens, open this address:\n\n  %s\n\n", hostOf(ev.Issuer), oneLine(ev.Open))
	g.opening.Go(func() {
		err := browser.Show(ctx, ev.Open, ev.Private, p.getenv)
		if err == nil || ctx.Err() != nil {
			return
		}
		if !errors.Is(err, browser.ErrNone) {
			fmt.Fprintf(p.stderr, "(%s)\n", oneLine(hint.Of(err).Text()))
		}
		listen()
	})
}

// readPasted passes on the lines that somebody pastes until the sign-in is over.
func (p *program) readPasted(ctx context.Context, l *local.Client, name string) {
	for ctx.Err() == nil {
		line, err := p.readLine()
		if err != nil {
			return
		}
		if line == "" {
			continue
		}
		err = l.PasteRedirect(ctx, local.PastedRedirect{Name: name, URL: secret.Plain{Value: secret.New(line)}})
		if err != nil && ctx.Err() == nil {
			fmt.Fprintf(p.stderr, "%s\n", oneLine(hint.Of(err).Text()))
		}
	}
}

func (p *program) logout() *cobra.Command {
	r := local.SignOutRequest{}
	c := &cobra.Command{
		Use:     "logout NAME",
		Short:   "Sign out of a server",
		Long:    "Forgets the sign-in of a server. With --revoke the provider is told too.",
		Example: "  keyporter logout notion --revoke",
		Args:    takes("a server's name"),
		RunE: func(c *cobra.Command, args []string) error {
			r.Name = args[0]
			return p.ask(c.Context(), func(l *local.Client) error {
				if err := l.SignOut(c.Context(), r); err != nil {
					return err
				}
				fmt.Fprintf(p.stderr, "Signed out of %s.\n", args[0])
				return nil
			})
		},
	}
	c.Flags().BoolVar(&r.Revoke, "revoke", false, "also tell the provider to end the access")
	return c
}

func (p *program) token() *cobra.Command {
	var asJSON, claims bool
	var header string
	c := &cobra.Command{
		Use:   "token NAME",
		Short: "Print a fresh token of a server or an account",
		Long: `Prints a fresh token on standard output, for scripts. With --claims it prints what
is in the token instead, which can be shown to others; standard error says what about
it keeps the server from accepting it, as far as that can be seen.`,
		Example: `  curl -H "Authorization: Bearer $(keyporter token sales)" https://sales.example.com/api
  keyporter token sales --claims`,
		Args: takes("the name of a server or an account"),
		RunE: func(c *cobra.Command, args []string) error {
			return p.askAgain(c.Context(), func(l *local.Client) error {
				if claims {
					return p.inspect(c.Context(), l, local.InspectRequest{Name: args[0], Header: header})
				}
				var tok *local.Token
				err := p.allowed(c.Context(), l, args[0], func() (err error) {
					tok, err = l.Token(c.Context(), local.TokenRequest{Name: args[0], Header: header})
					return err
				})
				if err != nil {
					return err
				}
				if asJSON {
					return p.printJSON(tokenJSON(tok))
				}
				fmt.Fprintln(p.stdout, tok.Value.Reveal())
				if f, ok := p.stdout.(*os.File); ok && isTerminal(f) {
					fmt.Fprintln(p.stderr, "This is a secret: whoever has it can act as you until it expires.")
				}
				return nil
			})
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the token with its header and expiry as JSON")
	c.Flags().BoolVar(&claims, "claims", false, "print what is in the token, not the token")
	c.Flags().StringVar(&header, "header", "", "of a server with two accounts: the token that goes in this `HEADER`")
	return c
}

// inspect prints what is in a token and, for people, what is wrong with it.
func (p *program) inspect(ctx context.Context, l *local.Client, r local.InspectRequest) error {
	got, err := l.Inspect(ctx, r)
	if err != nil {
		return err
	}
	for _, f := range got.Findings {
		fmt.Fprintln(p.stderr, oneLine(f.Text()))
	}
	return p.printJSON(got.Token)
}

// hostOf returns the host of a URL, for sentences.
func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return "the provider"
	}
	return oneLine(u.Host)
}

// tokenJSON is the form of keyporter token --json. It holds the token: that is
// what was asked for.
func tokenJSON(tok *local.Token) any {
	return struct {
		Token     string    `json:"token"`
		Header    string    `json:"header"`
		Scheme    string    `json:"scheme,omitempty"`
		ExpiresAt time.Time `json:"expires_at,omitzero"`
	}{tok.Value.Reveal(), tok.Header, tok.Scheme, tok.Expiry}
}
