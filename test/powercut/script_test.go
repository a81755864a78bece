//go:build linux

package powercut

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"keyporter/broker"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/broker/vault"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
	"keyporter/internal/paths"
)

// word stands in every secret that these tests make up.
const word = "SECRETWORD"

// desktopFile is where a client has its servers, below the home folder.
const desktopFile = ".config/Claude/claude_desktop_config.json"

// An agent is a Broker that runs in a home folder.
type agent struct {
	*broker.Broker
	home  string
	stop  context.CancelFunc
	ended chan error
}

func pathsOf(home string) paths.Paths {
	kp := filepath.Join(home, "kp")
	return paths.Paths{Config: kp, State: kp, Runtime: kp}
}

// start starts an agent.
func start(home string) (*agent, error) {
	p := pathsOf(home)
	if err := p.Make(); err != nil {
		return nil, err
	}
	b, err := broker.New(broker.Options{
		Paths: p, Version: "test", Command: filepath.Join(home, "keyporter"),
		Getenv:     func(name string) string { return map[string]string{"HOME": home}[name] },
		Vault:      vault.Options{Backend: vault.Passphrase, ScryptWorkFactor: 1},
		Passphrase: func(context.Context) (secret.Value, error) { return secret.New("passphrase-" + word), nil },
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	a := &agent{b, home, cancel, make(chan error, 1)}
	go func() { a.ended <- b.Run(ctx) }()
	return a, nil
}

func (a *agent) end() error {
	a.stop()
	return <-a.ended
}

// A step is one thing that a person does. Its name is that of its mark.
type step struct {
	name string
	do   func(ctx context.Context, a *agent) error
}

func secretOf(name string) secret.Plain {
	return secret.Plain{Value: secret.New("token-" + name + "-" + word)}
}

func static(name, token string) step {
	return step{"add account " + name, func(ctx context.Context, a *agent) error {
		_, err := a.AddAccount(ctx, local.PutAccount{Name: name, Account: account.Account{Kind: account.Static}, Secret: secretOf(token)})
		return err
	}}
}

func server(name, acct string) step {
	return step{"add server " + name, func(ctx context.Context, a *agent) error {
		_, err := a.AddServer(ctx, local.PutServer{Name: name, Offline: true, Server: account.Server{URL: "https://" + name + ".example.com/mcp", Account: acct}})
		return err
	}}
}

func setting(name, value string) step {
	return step{"set " + name + " " + value, func(ctx context.Context, a *agent) error {
		_, err := a.SetSettings(ctx, local.SetSettings{Values: map[string]string{name: value}})
		return err
	}}
}

func answers(text string) step {
	return step{"keep answers " + text, func(ctx context.Context, a *agent) error {
		return a.KeepAnswers(ctx, local.Answers{Server: "notes", Results: map[string]json.RawMessage{"initialize": json.RawMessage(`{"serverInfo":{"name":"` + text + `"}}`)}})
	}}
}

func stopped(name string, is bool) step {
	return step{name, func(_ context.Context, a *agent) error { return local.MarkStopped(pathsOf(a.home), is) }}
}

const profile = `{"version":1,"name":"Data team","issued_at":"2026-06-0%d","servers":{"wiki":{"url":"https://wiki.example.com/mcp","scopes":["%s"]}}}`

func join(day int, scope string) step {
	return step{"join " + scope, func(ctx context.Context, a *agent) error {
		r, err := a.ReviewProfile(ctx, local.ReviewRequest{Profile: fmt.Appendf(nil, strings.Replace(profile, "2026-06-0%d", "2026-06-0%dT00:00:00Z", 1), day, scope)})
		if err != nil {
			return err
		}
		_, err = a.JoinProfile(ctx, local.JoinRequest{Profile: r.Profile, Digest: r.Digest, Agreed: true})
		return err
	}}
}

// script is what the recorded agent does.
func script() []step {
	return []step{
		static("alice", "first"),
		server("notes", "alice"),
		answers("one"),
		answers("two"),
		{"rotate", func(ctx context.Context, a *agent) error {
			_, err := a.RotateAccount(ctx, local.PutAccount{Name: "alice", Secret: secretOf("second")})
			return err
		}},
		{"pause", func(ctx context.Context, a *agent) error { return a.Pause(ctx) }},
		{"resume", func(ctx context.Context, a *agent) error { return a.Resume(ctx) }},
		stopped("stop", true),
		stopped("start again", false),
		setting("language", "ja"),
		setting("approvals", "first-use"),
		setting("approvals", "off"),
		join(1, "read"),
		join(2, "write"),
		{"install", func(ctx context.Context, a *agent) error {
			_, err := a.InstallClient(ctx, local.InstallRequest{Client: "claude-desktop", Servers: []string{"notes"}})
			return err
		}},
		{"rename server", func(ctx context.Context, a *agent) error {
			return a.RenameServer(ctx, local.Rename{Old: "notes", New: "diary"})
		}},
		{"new passphrase", func(ctx context.Context, a *agent) error {
			// The same one, so that the agents that look can open the vault.
			pass := secret.Plain{Value: secret.New("passphrase-" + word)}
			return a.UseVault(ctx, local.UseVault{Backend: "passphrase", Passphrase: &pass})
		}},
		{"remove account", func(ctx context.Context, a *agent) error {
			_, err := a.RemoveAccount(ctx, local.Name{Name: "alice"})
			return err
		}},
		{"remove server", func(ctx context.Context, a *agent) error {
			return a.RemoveServer(ctx, local.Name{Name: "diary"})
		}},
	}
}

// desktop makes a client's file, durably.
func desktop(home, text string) error {
	path := filepath.Join(home, desktopFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	for dir := filepath.Dir(path); dir != filepath.Dir(home); dir = filepath.Dir(dir) {
		if err := atomicfile.SyncDir(dir); err != nil {
			return err
		}
	}
	return atomicfile.WriteFile(path, []byte(text))
}

// perform is the recorded process.
func perform(home, client string, steps []step) error {
	if err := desktop(home, client); err != nil {
		return err
	}
	mark("client")
	a, err := start(home)
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := a.opened(ctx); err != nil {
		return err
	}
	mark("start")
	for _, s := range steps {
		if err := s.do(ctx, a); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		mark(s.name)
	}
	err = a.end()
	mark("end")
	return err
}

// opened waits until the vault is open.
func (a *agent) opened(ctx context.Context) error {
	found := errors.New("found")
	var problem error
	err := a.Watch(ctx, local.Watch{}, func(st *local.State) error {
		if st.Vault.Problem != nil {
			problem = st.Vault.Problem
		}
		if st.Vault.Open || problem != nil {
			return found
		}
		return nil
	})
	if problem != nil || errors.Is(err, found) {
		return problem
	}
	return err
}

// A view is what a person finds, by what it is about.
type view map[string]string

// look starts an agent on what is in the home folder and notes what it shows.
func look(home string) (view, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	a, err := start(home)
	if err != nil {
		return nil, err
	}
	if err := a.opened(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("the vault: %w", err), a.end())
	}
	v := view{}
	mark, err := local.Stopped(pathsOf(home))
	if err != nil {
		return nil, errors.Join(err, a.end())
	}
	v["stopped"] = fmt.Sprint(mark)
	st, err := a.State(ctx)
	if err != nil {
		return nil, errors.Join(err, a.end())
	}
	if st.Problem != nil {
		v["problem"] = st.Problem.Text()
	}
	v["paused"] = fmt.Sprint(st.Paused)
	v["settings"] = fmt.Sprintf("%+v", st.Settings)
	for _, s := range st.Servers {
		v["servers"] += fmt.Sprintf("%s of %s at %s is %s; ", s.Name, s.Account, s.URL, s.State)
		got, err := a.Answers(ctx, local.Name{Name: s.Name})
		if err != nil {
			return nil, errors.Join(err, a.end())
		}
		v["answers"] += string(got.Results["initialize"])
	}
	for _, p := range st.Profiles {
		full, err := a.ShowServer(ctx, local.Name{Name: "wiki"})
		if err != nil {
			return nil, errors.Join(err, a.end())
		}
		v["profiles"] += fmt.Sprintf("%s: %v", p.Name, full.Scopes)
	}
	for _, acct := range st.Accounts {
		if acct.Kind != account.Static {
			continue
		}
		v["accounts"] += acct.Name + "; "
		if st.Settings.Approvals == account.ApprovalsOff && !st.Paused {
			tok, err := a.Token(ctx, local.TokenRequest{Name: acct.Name})
			if err != nil {
				v["token"] = "none: " + hint.Of(err).Text()
			} else {
				v["token"] = tok.Value.Reveal()
			}
		}
	}
	if log, err := a.VerifyLog(ctx); err != nil {
		v["log"] = err.Error()
	} else {
		for _, b := range log.Broken {
			v["log"] += fmt.Sprintf("%s:%d: %s; ", b.File, b.Line, b.What)
		}
	}
	b, err := os.ReadFile(filepath.Join(home, desktopFile))
	if v["client"] = string(b); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(err, a.end())
	}
	for _, entry := range regexp.MustCompile(`"bridge",\s*"([^"]+)"`).FindAllStringSubmatch(v["client"], -1) {
		if !slices.ContainsFunc(st.Servers, func(s local.ServerState) bool { return s.Name == entry[1] }) {
			v["problem"] += "the client starts a bridge for " + entry[1] + ", which is not in the list"
		}
	}
	return v, a.end()
}
