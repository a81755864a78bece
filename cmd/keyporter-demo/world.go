package main

import (
	"errors"
	"fmt"
	"time"

	"keyporter/internal/fakeas"
	"keyporter/internal/fakegoogle"
	"keyporter/internal/fakemcp"
	"keyporter/internal/hint"
)

const (
	// person signs in at the identity provider, robot is the service account.
	person = "alice"
	robot  = "robot@demo-project.iam.gserviceaccount.com"

	// accessLife is so short that a renewal can be seen.
	accessLife = 8 * time.Second
	// servedLife is that of servers that are kept for a person's own home.
	servedLife = time.Hour

	// keepPort is the first of three ports that --keep tries first, so that a
	// sign-in page or a server has the same address in each run.
	keepPort = 38470
)

// A world is the three servers, on loopback.
type world struct {
	as     *fakeas.Server
	google *fakegoogle.Server
	mcp    *fakemcp.Server
}

// startWorld starts the servers at the ports that the options ask for. moved
// says that --keep could not have its own ports.
func startWorld(o options) (w *world, moved bool, err error) {
	switch {
	case o.port != 0:
		if w, err = listen(o.port, o.life()); err != nil {
			err = hint.Wrap(err, hint.Failed, fmt.Sprintf("The ports %d to %d cannot be used.", o.port, o.port+2), "Give --port another number, or leave it out.")
		}
		return w, false, err
	case o.keep:
		if w, err := listen(keepPort, o.life()); err == nil {
			return w, false, nil
		}
		moved = true
	}
	if w, err = listen(0, o.life()); err != nil {
		err = hint.Wrap(err, hint.Failed, "The demo's servers cannot be started on this machine.", "")
	}
	return w, moved, err
}

// life is how long the identity provider's access tokens live.
func (o options) life() time.Duration {
	if o.servers {
		return servedLife
	}
	return accessLife
}

// listen starts the servers at port and the two after it; 0 is any free ports.
func listen(port int, life time.Duration) (*world, error) {
	addr := func(n int) string {
		if port == 0 {
			return "127.0.0.1:0"
		}
		return fmt.Sprintf("127.0.0.1:%d", port+n)
	}
	w := &world{}
	var err error
	if w.as, err = fakeas.Listen(addr(1), fakeas.Options{User: person, AccessLife: life, Wrap: styled}); err != nil {
		return nil, errors.Join(err, w.close())
	}
	if w.google, err = fakegoogle.Start(fakegoogle.Options{Addr: addr(2)}); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.mcp, err = fakemcp.Listen(addr(0), fakemcp.Options{
		Issuer:      w.as.Issuer(),
		GoogleCerts: w.google.CertsURL(), GoogleEmails: []string{robot},
	})
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// close ends the servers that were started.
func (w *world) close() error {
	var err error
	if w.mcp != nil {
		w.mcp.Close()
	}
	if w.google != nil {
		err = w.google.Close()
	}
	if w.as != nil {
		w.as.Close()
	}
	return err
}
