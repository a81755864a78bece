package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"keyporter/internal/hint"
)

// start starts an agent, or waits for the one that somebody else is starting:
// of several starters one holds the lock agent.starting and starts, the others
// connect to its agent. The agent's own lock would be enough for there to be
// one; this one saves the processes that would lose.
func (o DialOptions) start(ctx context.Context) (*Client, error) {
	if err := checkAddress(o.Paths.Socket()); err != nil {
		return nil, err
	}
	if err := o.Paths.Make(); err != nil {
		return nil, err
	}
	if err := o.Paths.CheckRuntime(); err != nil {
		return nil, err
	}
	limit, cancel := context.WithTimeout(ctx, o.within)
	defer cancel()
	starting := lockAt(filepath.Join(o.Paths.Runtime, "agent.starting"))
	defer starting.Unlock()
	c, err := o.await(limit, func() (bool, error) { return starting.TryLock() })
	if c == nil && err == nil {
		c, err = o.launch(limit)
	}
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, notStarted(errors.New("no answer in " + o.within.String()))
	}
	return c, err
}

// await connects as soon as somebody answers, unless done says before that the
// wait is over. A connection that an agent got while it was starting may stay
// without an answer (in wine, the first one to a pipe does), so each has a short
// time only.
func (o DialOptions) await(ctx context.Context, done func() (bool, error)) (*Client, error) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		over, err := done()
		if err != nil {
			return nil, err
		}
		// After done: an agent that came before it said so is not missed.
		c, err := reach(ctx, o.Paths, tryLimit)
		silent := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
		if !errors.Is(err, errNobody) && !silent || over {
			if errors.Is(err, errNobody) {
				err = nil
			}
			return c, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// launches is how often one starter starts an agent that is killed before it answers:
// that says nothing about the next one, and a call waits for it.
const launches = 3

// launch is called by the one starter. It starts the agent through the service
// manager if it knows Keyporter, else directly.
func (o DialOptions) launch(ctx context.Context) (*Client, error) {
	if err := mayStart(o); err != nil { // it may have been stopped while we waited
		return nil, err
	}
	if o.getenv("KEYPORTER_HOME") == "" {
		if c, err := o.throughService(ctx); c != nil || ctx.Err() != nil {
			return c, errors.Join(err, ctx.Err())
		} else if err != nil {
			o.Log.Warn("the service manager did not start the agent", "err", err)
		}
	}
	program, err := o.program()
	if err != nil {
		return nil, err
	}
	log, err := openLog(o.Paths)
	if err != nil {
		return nil, err
	}
	defer log.file.Close()
	for again := launches; ; {
		agent, err := spawn(func() *exec.Cmd {
			cmd := exec.Command(program, "agent")
			cmd.Dir, cmd.Env, cmd.Stderr = o.Paths.State, agentEnv(o.Environ), log.file
			return cmd
		})
		if err != nil {
			return nil, notStarted(err)
		}
		o.Log.Debug("agent started", "program", program)
		c, err := o.await(ctx, func() (bool, error) { return o.lost(agent.ended) })
		if again--; c == nil && err == nil && again > 0 && agent.killed() {
			continue
		}
		if c == nil && (err == nil || errors.Is(err, context.DeadlineExceeded)) {
			err = log.failure()
		}
		return c, err
	}
}

// lost reports whether the agent that was started has ended and no other owns
// the lock, so that nothing is left to wait for.
func (o DialOptions) lost(ended <-chan struct{}) (bool, error) {
	select {
	case <-ended:
		return lockFree(o.Paths)
	default:
		return false, nil
	}
}

func notStarted(cause error) error {
	return hint.Wrap(cause, hint.Failed, "The Keyporter agent did not start.", "Run keyporter agent --foreground to see why.")
}

// serviceLimit is how long an agent that a service manager starts may take,
// until it is started directly.
const serviceLimit = 4 * time.Second

// throughService starts the agent through systemd or launchd. It returns neither
// a client nor an error where that is not set up.
func (o DialOptions) throughService(ctx context.Context) (*Client, error) {
	limit, cancel := context.WithTimeout(ctx, serviceLimit)
	defer cancel()
	cmd := service(limit, o.getenv)
	if cmd == nil {
		return nil, nil
	}
	cmd.Dir = o.Paths.State
	cmd.WaitDelay = time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, bytes.TrimSpace(out))
	}
	return o.await(limit, func() (bool, error) { return false, nil })
}

// program returns the path of the program that is the agent.
func (o DialOptions) program() (string, error) {
	if o.Program != "" {
		return o.Program, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the program keyporter: %w", err)
	}
	return agentProgram(self), nil
}

// agentProgram returns the program that has the verb agent: this one, or the
// keyporter beside it for those of Keyporter's programs that have no such verb.
func agentProgram(self string) string {
	name, ext := filepath.Base(self), ""
	if strings.EqualFold(filepath.Ext(name), ".exe") {
		ext = filepath.Ext(name)
	}
	switch strings.TrimSuffix(name, ext) {
	case "keyporter-tray", "keyporter-demo":
		return filepath.Join(filepath.Dir(self), "keyporter"+ext)
	}
	return self
}
