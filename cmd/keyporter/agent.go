package main

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"keyporter/broker"
	"keyporter/broker/local"
	"keyporter/internal/hint"
	"keyporter/internal/shield"
)

func (p *program) agent() *cobra.Command {
	var foreground bool
	c := &cobra.Command{
		Use:    "agent",
		Hidden: true, // people have start and stop
		Short:  "Run the agent, the process that holds the vault",
		Long: `Runs the agent. Whoever needs it starts it by itself, so this is for service managers
and for looking at its log. It ends after 30 minutes without clients, unless
--foreground is given.`,
		Example: "  keyporter agent --foreground",
		Args:    takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			where, err := p.paths()
			if err != nil {
				return err
			}
			level := slog.LevelInfo
			if s := p.getenv("KEYPORTER_LOG"); s != "" {
				if err := level.UnmarshalText([]byte(s)); err != nil {
					return hint.New(hint.Usage, fmt.Sprintf("KEYPORTER_LOG is %q.", printable(s)), "Set it to debug, info, warn or error.")
				}
			}
			log := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: level}))
			if err := errors.Join(shield.Core(), shield.Memory()); err != nil {
				log.Warn("memory not shielded", "err", err)
			}
			return broker.RunAgent(c.Context(), broker.AgentOptions{
				Paths: where, Version: version, Getenv: p.getenv, Log: log, Foreground: foreground, Try: p.try,
			})
		},
	}
	c.Flags().BoolVar(&foreground, "foreground", false, "stay, however long nobody needs it")
	return c
}

func (p *program) status() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "status",
		Short:   "Show the agent and how the servers stand",
		Long:    "Shows whether the agent runs, whether it is paused or stopped, and each server. It starts nothing.",
		Example: "  keyporter status --json",
		Args:    takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			where, err := p.paths()
			if err != nil {
				return err
			}
			l, err := local.Dial(c.Context(), local.DialOptions{Paths: where, Start: local.Never, Log: p.logger()})
			if errors.Is(err, local.ErrNotRunning) {
				stopped, err := local.Stopped(where)
				if err != nil {
					return err
				}
				cannot := where.CheckRuntime()
				return p.notRunning(stopped, cannot == nil, hint.Of(cmp.Or(cannot, local.DidNotStart(where))), asJSON)
			}
			if err != nil {
				return err
			}
			defer l.Close()
			st, err := l.State(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return p.printJSON(st)
			}
			return p.printStatus(st)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// notRunning is the status when there is no agent. problem is what the last one met,
// or what the next one would if none can start.
func (p *program) notRunning(stopped, canStart bool, problem *hint.Error, asJSON bool) error {
	if asJSON {
		return p.printJSON(struct {
			Agent   *local.Agent        `json:"agent"`
			Paused  bool                `json:"paused"`
			Stopped bool                `json:"stopped"`
			Servers []local.ServerState `json:"servers"`
			Problem *hint.Error         `json:"problem,omitempty"`
		}{Stopped: stopped, Servers: []local.ServerState{}, Problem: problem})
	}
	switch {
	case stopped:
		fmt.Fprintln(p.stdout, "Keyporter is stopped. Start it: keyporter start")
	case canStart:
		fmt.Fprintln(p.stdout, "The agent is not running. It starts by itself when it is needed.")
	default:
		fmt.Fprintln(p.stdout, "The agent is not running.")
	}
	if problem != nil {
		fmt.Fprintf(p.stdout, "Problem  %s\n", oneLine(problem.Text()))
	}
	return nil
}

func (p *program) printStatus(st *local.State) error {
	t := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	running := "running"
	if st.Paused {
		running = "paused (keyporter resume)"
	}
	fmt.Fprintf(t, "Agent\t%s, version %s, process %d, since %s\n", running, st.Agent.Version, st.Agent.PID, st.Agent.StartedAt.Local().Format(time.DateTime))
	vault := "open, key in the " + vaultPlace[st.Vault.Backend]
	if !st.Vault.Open {
		vault = "not open"
		if st.Vault.Problem != nil {
			vault += ": " + st.Vault.Problem.Text()
		}
	}
	fmt.Fprintf(t, "Vault\t%s\n", oneLine(vault))
	fmt.Fprintf(t, "Bridges\t%d\n", st.Bridges)
	if st.Problem != nil {
		fmt.Fprintf(t, "Problem\t%s\n", oneLine(st.Problem.Text()))
	}
	for _, n := range st.Notices {
		if n.Kind == local.NoticeClientLost {
			fmt.Fprintf(t, "Client\t%s\n", printable(lost(n.Client, n.Program, n.Servers)))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(st.Servers) == 0 {
		return nil
	}
	fmt.Fprintln(p.stdout)
	if err := printServers(p.stdout, st.Servers, time.Now()); err != nil {
		return err
	}
	for _, s := range st.Servers {
		if s.Problem != nil && s.State != local.Paused && s.State != local.Locked {
			fmt.Fprintf(p.stdout, "\n%s: %s\n", oneLine(s.Name), oneLine(s.Problem.Text()))
		}
	}
	return nil
}

// vaultPlace says where a back end keeps the vault's key.
var vaultPlace = map[string]string{"keyring": "OS keyring", "passphrase": "file under your passphrase"}

func (p *program) start() *cobra.Command {
	return &cobra.Command{
		Use:     "start",
		Short:   "Start the agent, and unlock its vault",
		Long:    "Starts the agent if it is not running, ends a stop, and unlocks the vault if it is locked.",
		Example: "  keyporter start",
		Args:    takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				st, err := p.settled(c, l)
				if err != nil {
					return err
				}
				if !st.Vault.Open && st.Vault.Problem != nil {
					return st.Vault.Problem
				}
				fmt.Fprintf(p.stderr, "Keyporter runs (process %d).\n", st.Agent.PID)
				return nil
			})
		},
	}
}

// settled returns the state once the vault is open, or it is known why not.
func (p *program) settled(c *cobra.Command, l *local.Client) (*local.State, error) {
	var last *local.State
	found := errors.New("found")
	err := l.Watch(c.Context(), local.Watch{}, func(st *local.State) error {
		last = st
		if st.Vault.Open || st.Vault.Problem != nil {
			return found
		}
		return nil
	})
	if errors.Is(err, found) {
		err = nil
	}
	return last, err
}

func (p *program) stop() *cobra.Command {
	return &cobra.Command{
		Use:   "stop",
		Short: "Stop the agent until it is started again",
		Long: `Stops the agent, also across restarts of the computer: MCP clients hear that Keyporter is
stopped, until keyporter start, the tray or another command starts it again.`,
		Example: "  keyporter stop",
		Args:    takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			where, err := p.paths()
			if err != nil {
				return err
			}
			if err := where.Make(); err != nil {
				return err
			}
			markErr := local.MarkStopped(where, true)
			if markErr != nil {
				h := hint.Of(markErr)
				markErr = hint.Wrap(markErr, h.Code, "Keyporter is stopped, but the next program that needs it starts it again. "+h.What, h.Do)
			}
			l, err := local.Dial(c.Context(), local.DialOptions{Paths: where, Start: local.Never, Log: p.logger()})
			if errors.Is(err, local.ErrNotRunning) {
				if markErr == nil {
					fmt.Fprintln(p.stderr, "Keyporter is stopped.")
				}
				return markErr
			}
			if err != nil {
				return err
			}
			defer l.Close()
			if err := l.Stop(c.Context()); err != nil || markErr != nil {
				return cmp.Or(err, markErr)
			}
			fmt.Fprintln(p.stderr, "Keyporter is stopped. Start it: keyporter start")
			return nil
		},
	}
}

func (p *program) pause() *cobra.Command {
	return &cobra.Command{
		Use:     "pause",
		Short:   "Give out no tokens until resumed",
		Example: "  keyporter pause",
		Args:    takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				if err := l.Pause(c.Context()); err != nil {
					return err
				}
				fmt.Fprintln(p.stderr, "Paused: no program gets a token. Go on: keyporter resume")
				return nil
			})
		},
	}
}

func (p *program) resume() *cobra.Command {
	return &cobra.Command{
		Use:     "resume",
		Short:   "End a pause",
		Example: "  keyporter resume",
		Args:    takes(),
		RunE: func(c *cobra.Command, _ []string) error {
			return p.ask(c.Context(), func(l *local.Client) error {
				if err := l.Resume(c.Context()); err != nil {
					return err
				}
				fmt.Fprintln(p.stderr, "Resumed.")
				return nil
			})
		},
	}
}
