package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"keyporter/broker"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
	"keyporter/internal/report"
)

func (p *program) doctor() *cobra.Command {
	var asJSON bool
	var file string
	c := &cobra.Command{
		Use:   "doctor [NAME]",
		Short: "Find out why something does not work",
		Long: `Looks at everything between an MCP client and its servers, one check after the other,
and says what to do about what is wrong: programs, agent, keyring, vault, then for each
server clock, network, certificate, sign-in and token, and a session with it; at last the
MCP clients. A check that needs one that failed is not made.

--report shows a report without your name and without keys, and then writes it to a file
that you can hand on.`,
		Example: "  keyporter doctor\n  keyporter doctor notion --report doctor.txt",
		Args:    takes("[a server's name]"),
		RunE: func(c *cobra.Command, args []string) error {
			if asJSON && file != "" {
				return wrong(c, "--json and --report exclude each other.")
			}
			r := local.DoctorRequest{Version: version}
			if len(args) == 1 {
				r.Server = args[0]
			}
			var pr report.Printer
			checks, err := p.examine(c.Context(), r, func(k *local.Check) error {
				if asJSON || file != "" {
					return nil
				}
				_, err := io.WriteString(p.stdout, printable(pr.Lines(k)))
				return err
			})
			if err != nil {
				return err
			}
			switch {
			case file != "":
				err = p.writeReport(c.Context(), file, checks)
			case asJSON:
				err = p.printJSON(checks)
			default:
				fmt.Fprintf(p.stdout, "\n%s\n", report.Summary(checks))
			}
			if err != nil {
				return err
			}
			return verdict(checks)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringVar(&file, "report", "", "show a redacted report, and write it to this `file`")
	return c
}

// examine makes the checks. An agent that the user stopped stays so: that is then
// what the doctor found.
func (p *program) examine(ctx context.Context, r local.DoctorRequest, show func(*local.Check) error) ([]*local.Check, error) {
	checks := []*local.Check{}
	keep := func(k *local.Check) error {
		checks = append(checks, k)
		return show(k)
	}
	where, err := p.paths()
	if err == nil {
		err = where.Make()
	}
	var l *local.Client
	if err == nil {
		l, err = local.Dial(ctx, local.DialOptions{Paths: where, Start: local.UnlessStopped, Log: p.logger()})
	}
	if err == nil {
		defer l.Close()
		r.Program, _ = os.Executable() // without, there is less to compare
		err = l.Doctor(ctx, r, keep)
		if err == nil || hint.CodeOf(err) == hint.NotFound && r.Server != "" || ctx.Err() != nil || len(checks) > 0 {
			return checks, err
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, k := range local.WithoutAgent(r, runtime.GOOS+"/"+runtime.GOARCH, err) {
		if err := keep(k); err != nil {
			return nil, err
		}
	}
	return checks, nil
}

// verdict is the exit code: 1 if a check failed, 4 if all that is missing is a
// person.
func verdict(checks []*local.Check) error {
	code := exitDone
	for _, k := range checks {
		switch {
		case k.Result != local.CheckFailed:
		case k.Problem != nil && hint.NeedsPerson(k.Problem):
			if code == exitDone {
				code = exitPerson
			}
		default:
			code = exitFailed
		}
	}
	if code == exitDone {
		return nil
	}
	return &exitError{code}
}

// writeReport shows the report and writes what was shown.
func (p *program) writeReport(ctx context.Context, file string, checks []*local.Check) error {
	text := printable(report.Text(checks, time.Now(), p.getenv))
	if _, err := io.WriteString(p.stdout, text); err != nil {
		return err
	}
	if p.interactive() && !p.confirm(ctx, fmt.Sprintf("Write this to %s?", file)) {
		return nil
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return hint.New(hint.Exists, fmt.Sprintf("The file %s exists already, so nothing was written.", file), "Name another one.")
	case err != nil:
		return hint.Wrap(err, hint.Failed, fmt.Sprintf("The report could not be written to %s.", file), "Name a file in a folder of yours.")
	}
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(atomicfile.Unwritable(file, err), os.Remove(file)) // half a report helps nobody
	}
	fmt.Fprintf(p.stderr, "The report is in %s.\n", file)
	return nil
}

// try has a session with a server, for the agent's doctor.
func (p *program) try(ctx context.Context, name string) (*broker.Tried, error) {
	began := time.Now()
	out, sent := &broker.Tried{}, &secret.Sent{}
	err := p.through(ctx, name, sent, func(ctx context.Context, s *mcp.ClientSession) error {
		if init := s.InitializeResult(); init != nil {
			out.Version = init.ProtocolVersion
			if init.ServerInfo != nil {
				out.Title = sent.Quote(cmp.Or(init.ServerInfo.Title, init.ServerInfo.Name), 0)
			}
			if init.Capabilities != nil && init.Capabilities.Tools == nil {
				return nil
			}
		}
		for _, err := range s.Tools(ctx, nil) {
			if err != nil {
				return err
			}
			out.Tools++
		}
		return nil
	})
	out.Took = time.Since(began)
	return out, err
}
