package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"keyporter/broker/local"
	"keyporter/broker/policy"
	"keyporter/broker/secret"
	"keyporter/broker/vault"
	"keyporter/internal/browser"
	"keyporter/internal/hint"
	"keyporter/internal/notify"
	"keyporter/internal/paths"
	"keyporter/internal/process"
)

// idle is after how long without clients the agent ends itself.
const idle = 30 * time.Minute

// AgentOptions are the settings of RunAgent.
type AgentOptions struct {
	Paths      paths.Paths         // Required.
	Version    string              // Required.
	Getenv     func(string) string // Required. os.Getenv.
	Log        *slog.Logger        // Required.
	Foreground bool                // Optional. Never end for want of clients.
	// Try has a session with a server through a bridge. Optional.
	Try func(ctx context.Context, server string) (*Tried, error)
}

// RunAgent is the agent process: it takes the lock, serves the local API and
// returns when it is told to stop, when ctx is done, or after half an hour
// without clients. If another agent runs already, that is fine, and it returns
// at once.
func RunAgent(ctx context.Context, o AgentOptions) error {
	backend, err := chosenBackend(o.Getenv)
	if err != nil {
		return err
	}
	l, err := local.Listen(ctx, o.Paths)
	if errors.Is(err, local.ErrOwned) {
		o.Log.Info("another agent runs")
		return nil
	}
	if err != nil {
		return err
	}
	defer l.Close()
	if err := local.MarkStopped(o.Paths, false); err != nil {
		o.Log.Warn("stop mark not removed", "err", err)
	}
	command, err := bridgeCommand(o.Getenv)
	if err != nil {
		o.Log.Warn("no path for MCP clients", "err", err)
	}
	program := ""
	if self, err := process.Find(os.Getpid()); err == nil {
		program = self.Path
	}
	desktop := notify.New(o.Getenv)
	defer desktop.Close()
	b, err := New(Options{
		Paths: o.Paths, Version: o.Version, Log: o.Log, PID: os.Getpid(), Getenv: o.Getenv, Command: command,
		Policy:     func() policy.Set { return policy.Load(o.Getenv) },
		Vault:      vault.Options{Backend: backend},
		Passphrase: passphraseFrom(o.Getenv),
		OpenBrowser: func(ctx context.Context, url string, private bool) error {
			return browser.Show(ctx, url, private, o.Getenv)
		},
		Notify: showNotice(desktop), Ask: askOnDesktop(desktop), Withdraw: desktop.Withdraw, Try: o.Try, Program: program,
	})
	if err != nil {
		return err
	}
	b.begun = startOf(program, o)
	return b.serve(ctx, l, o)
}

// waysOut are the variables of the environment that decide which way requests go, and
// which authorities are believed (net/http, crypto/x509). Whoever starts the agent sets
// them.
var waysOut = []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR"}

// startOf is the record of the agent's start: by which program, as far as that still
// runs, and which of waysOut it has set.
func startOf(program string, o AgentOptions) *local.AuditRecord {
	r := &local.AuditRecord{Event: "start", Outcome: "ok", Time: time.Now()}
	if p, err := process.Find(os.Getppid()); err == nil {
		r.Program = requester{Process: programAbove(p, program, process.Find)}.name()
	}
	var set []string
	for _, name := range waysOut {
		if o.Getenv(name) != "" {
			set = append(set, name)
		}
	}
	r.Name = strings.Join(set, " ")
	return r
}

// bridgeCommand returns the path under which MCP clients launch this program.
func bridgeCommand(getenv func(string) string) (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find own path: %w", err)
	}
	return paths.Program(exe, getenv)
}

// serve runs the Broker and its local API until one of them ends, then ends the
// other. The API goes first, so that no call meets a closed vault.
func (b *Broker) serve(ctx context.Context, l *local.Listener, o AgentOptions) error {
	api, endAPI := context.WithCancel(ctx)
	defer endAPI()
	work, endWork := context.WithCancel(context.WithoutCancel(ctx))
	defer endWork()
	var ran error
	var wg sync.WaitGroup
	wg.Go(func() { ran = b.Run(work) })
	wg.Go(func() {
		select {
		case <-b.stopped:
			endAPI()
		case <-api.Done():
		}
	})
	so := local.ServeOptions{Version: o.Version, KeepAlive: b.keepsAlive, Log: o.Log}
	if !o.Foreground {
		so.IdleTimeout = idle
	}
	o.Log.Info("agent started", "version", o.Version, "pid", os.Getpid())
	err := local.Serve(api, l, b, so)
	endAPI()
	endWork()
	wg.Wait()
	if errors.Is(err, local.ErrIdle) {
		err = nil
	}
	o.Log.Info("agent ended")
	return errors.Join(err, ran)
}

// keepsAlive reports whether the agent must stay although nobody uses it: a
// passphrase that somebody typed would have to be typed again, and a sign-in
// may be under way in the browser.
func (b *Broker) keepsAlive() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.prompted || len(b.attempts) > 0
}

// chosenBackend reads KEYPORTER_VAULT, the back end of a vault that does not
// exist yet.
func chosenBackend(getenv func(string) string) (vault.Backend, error) {
	switch v := vault.Backend(getenv("KEYPORTER_VAULT")); v {
	case "", vault.Keyring, vault.Passphrase:
		return v, nil
	default:
		return "", hint.New(hint.Usage, fmt.Sprintf("KEYPORTER_VAULT is %q.", clip(string(v))), "Set it to keyring or passphrase.")
	}
}

// passphraseFrom reads the file that KEYPORTER_PASSPHRASE_FILE names, a systemd
// credential for example.
func passphraseFrom(getenv func(string) string) func(context.Context) (secret.Value, error) {
	file := getenv("KEYPORTER_PASSPHRASE_FILE")
	if file == "" {
		return nil
	}
	return func(context.Context) (secret.Value, error) { return ReadPassphrase(file) }
}

// showNotice shows a notice on the desktop with a button that acts on it.
func showNotice(nt *notify.Notifier) func(context.Context, local.Notice, func()) error {
	return func(ctx context.Context, n local.Notice, click func()) error {
		shown := notify.Notification{ID: n.ID, Title: fmt.Sprintf("Sign in to %s", n.Server), Text: wants(n), Button: "Sign in", OnClick: click}
		switch {
		case n.SignedOut:
			shown.Title, shown.Text = n.Server+" signed you out", "The server ended the sign-in. Nothing was lost."
		case n.Kind == local.NoticeClientLost:
			shown.Title, shown.Text, shown.Button = n.Program+" forgot its servers", lostWords(n), "Restore"
		}
		return nt.Show(ctx, shown)
	}
}

// askOnDesktop asks on the desktop about a program. A click beside the buttons
// allows nothing.
func askOnDesktop(nt *notify.Notifier) func(context.Context, local.Notice, func(bool)) error {
	return func(ctx context.Context, n local.Notice, answer func(bool)) error {
		return nt.Show(ctx, notify.Notification{ID: n.ID, Title: "A program asks for " + n.Server, Text: wantsAs(n), Buttons: []notify.Button{
			{Label: "Allow", Do: func() { answer(true) }}, {Label: "Deny", Do: func() { answer(false) }},
		}})
	}
}

// wantsAs is the text of a notice that asks for an approval.
func wantsAs(n local.Notice) string {
	if n.Identity == "" {
		return n.Program + " wants to use it."
	}
	return fmt.Sprintf("%s wants to use it as %s.", n.Program, n.Identity)
}

// wants is the text of a notice that asks for a sign-in.
func wants(n local.Notice) string {
	if n.Program == "" {
		return "A program wants to use it."
	}
	return n.Program + " wants to use it."
}
