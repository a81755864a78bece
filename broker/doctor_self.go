package broker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"keyporter/broker/local"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// examineSelf looks at Keyporter itself: programs, agent, settings, keyring,
// vault, audit log.
func (b *Broker) examineSelf(ctx context.Context, r local.DoctorRequest) *checkup {
	limit, cancel := context.WithTimeout(ctx, openingWait)
	defer cancel()
	_, vaultErr := b.openedVault(limit)
	st := b.snapshot()
	c := newCheckup("")
	c.checkPrograms(st, r)
	switch seen := fmt.Sprintf("process %d, since %s", st.Agent.PID, st.Agent.StartedAt.Local().Format(time.DateTime)); {
	case st.Stopped:
		c.fail(local.CheckAgent, seen, errStopped)
	case st.Paused:
		c.fail(local.CheckAgent, seen, errPaused)
	default:
		c.ok(local.CheckAgent, "%s, %s", seen, counted(st.Bridges, "bridge"))
	}
	if damaged := b.damagedLog(); st.Problem != nil && (damaged == nil || st.Problem.Text() != damaged.Text()) { // which checkLog tells
		c.fail(local.CheckSettings, "", st.Problem)
	} else {
		c.ok(local.CheckSettings, "%s: %s, %s", b.opt.Paths.ConfigFile(), counted(len(st.Servers), "server"), counted(len(st.Accounts), "account"))
	}
	b.checkVault(ctx, c, st, vaultErr)
	b.checkLog(ctx, c)
	return c
}

// checkPrograms compares the versions of the programs, and looks for the one that
// MCP clients' configurations name.
func (c *checkup) checkPrograms(st *local.State, r local.DoctorRequest) {
	seen := fmt.Sprintf("keyporter %s, agent %s, %s/%s", r.Version, st.Agent.Version, runtime.GOOS, runtime.GOARCH)
	command := st.Agent.Command
	if command != "" {
		seen += "; MCP clients launch " + command
	}
	_, err := os.Stat(command)
	switch {
	case r.Version != "" && r.Version != st.Agent.Version:
		c.fail(local.CheckPrograms, seen, hint.New(hint.Failed,
			fmt.Sprintf("The agent that runs is version %s, and this program is version %s.", st.Agent.Version, r.Version),
			"Run keyporter stop and then keyporter start; if it stays so, install all of Keyporter in one version."))
	case command != "" && err != nil:
		c.fail(local.CheckPrograms, seen, hint.New(hint.Failed, fmt.Sprintf("The program %s, which MCP clients launch, is no longer there.", command),
			"Install Keyporter again, then run keyporter stop and keyporter start."))
	default:
		c.ok(local.CheckPrograms, "%s", seen)
	}
}

// checkVault says whether the vault's key can be had, and the vault with it. A
// vault that is not open for want of its key has nothing to say itself.
func (b *Broker) checkVault(ctx context.Context, c *checkup, st *local.State, err error) {
	keyring := st.Vault.Backend == string(vault.Keyring)
	place := map[bool]string{true: "the vault's key is in the keyring", false: "not used: the vault's key is under a passphrase"}[keyring]
	if keyring && err != nil && keyMissing(err) {
		c.fail(local.CheckKeyring, "", err)
		c.skip(local.CheckVault, local.CheckKeyring)
		return
	}
	c.ok(local.CheckKeyring, "%s", place)
	if errors.Is(err, context.DeadlineExceeded) {
		err = hint.Wrap(err, hint.Locked, "The vault is still being opened.", "Look for a dialog of the keyring that waits for an answer, then try again.")
	}
	b.mu.Lock()
	v := b.vault
	b.mu.Unlock()
	if err == nil && v != nil {
		err = v.CheckWritable(ctx)
	}
	if err != nil {
		c.fail(local.CheckVault, b.opt.Paths.Vault(), err)
		return
	}
	c.ok(local.CheckVault, "%s is open and can be written", b.opt.Paths.Vault())
}

// keyMissing reports whether it is the keyring that keeps the vault closed.
func keyMissing(err error) bool {
	if errors.Is(err, vault.ErrDamaged) || errors.Is(err, vault.ErrNewer) {
		return false
	}
	for _, e := range []error{vault.ErrNoKeyring, vault.ErrLocked, vault.ErrDenied, vault.ErrTimeout, vault.ErrIdentityMissing} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
