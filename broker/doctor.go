package broker

import (
	"context"
	"fmt"
	"sync"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

const (
	// doctorLimit bounds the checks of one server.
	doctorLimit = 45 * time.Second
	// doctorServers is how many servers are looked at together.
	doctorServers = 16
)

// Doctor makes the checks and shows each. Servers are looked at together, and
// shown one after the other.
func (b *Broker) Doctor(ctx context.Context, r local.DoctorRequest, show func(*local.Check) error) error {
	cfg := b.config()
	names := cfg.ServerNames()
	if r.Server != "" {
		s, err := lookupServer(cfg, r.Server)
		if err != nil {
			return err
		}
		names = []string{s.Name}
	}
	own := b.examineSelf(ctx, r)
	if err := own.show(show); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()
	turn := make(chan struct{}, doctorServers)
	servers := make([]chan *checkup, len(names)) // each gets one value
	for i, name := range names {
		s, done := cfg.Servers[name], make(chan *checkup, 1)
		servers[i] = done
		working.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			done <- b.examineServer(ctx, s, own)
		})
	}
	for _, done := range servers {
		if err := (<-done).show(show); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return b.examineClients(ctx).show(show)
}

// A checkup collects checks of one subject.
type checkup struct {
	subject string
	checks  []*local.Check
	// causes has, for each check that failed or was skipped, the one that failed
	// first.
	causes map[local.CheckID]local.CheckID
}

func newCheckup(subject string) *checkup {
	return &checkup{subject: subject, causes: map[local.CheckID]local.CheckID{}}
}

func (c *checkup) show(show func(*local.Check) error) error {
	for _, k := range c.checks {
		if err := show(k); err != nil {
			return err
		}
	}
	return nil
}

func (c *checkup) add(k *local.Check) {
	k.Subject = c.subject
	c.checks = append(c.checks, k)
}

func (c *checkup) ok(id local.CheckID, format string, args ...any) {
	c.add(&local.Check{ID: id, Result: local.CheckOK, Seen: fmt.Sprintf(format, args...)})
}

// note is for what works and is worth knowing.
func (c *checkup) note(id local.CheckID, seen string, problem *hint.Error) {
	c.add(&local.Check{ID: id, Result: local.CheckNote, Seen: seen, Problem: problem})
}

func (c *checkup) fail(id local.CheckID, seen string, err error) {
	c.add(&local.Check{ID: id, Result: local.CheckFailed, Seen: seen, Problem: hint.Of(err)})
	c.causes[id] = id
}

func (c *checkup) skip(id, after local.CheckID) {
	c.add(&local.Check{ID: id, Result: local.CheckSkipped, After: after})
	c.causes[id] = after
}

// cause returns the failure that stands behind one of the checks, or "".
func (c *checkup) cause(ids ...local.CheckID) local.CheckID {
	for _, id := range ids {
		if cause := c.causes[id]; cause != "" {
			return cause
		}
	}
	return ""
}

// waits skips a check that needs others, if one of those failed.
func (c *checkup) waits(id local.CheckID, on ...local.CheckID) bool {
	cause := c.cause(on...)
	if cause == "" {
		return false
	}
	c.skip(id, cause)
	return true
}

// An examination is a server's checkup, with what was seen so far.
type examination struct {
	*checkup
	b *Broker
	s *account.Server

	reach reached
	found *finding // of an answer
	sign  signing
}

// examineServer makes a server's checks, in their order. own is what was seen of
// this computer.
func (b *Broker) examineServer(ctx context.Context, s *account.Server, own *checkup) *checkup {
	ctx, cancel := context.WithTimeout(ctx, doctorLimit)
	defer cancel()
	x := &examination{checkup: newCheckup(s.Name), b: b, s: s}
	for _, id := range []local.CheckID{local.CheckAgent, local.CheckVault} {
		if cause := own.cause(id); cause != "" {
			x.causes[id] = cause
		}
	}
	x.reach.ask(ctx, b, s)
	x.checkClock(ctx)
	x.checkNetwork()
	x.checkAnswer(ctx)
	x.checkResource(ctx)
	x.checkAuthServer(ctx)
	x.checkRegistration()
	x.checkToken(ctx)
	return x.checkup
}
