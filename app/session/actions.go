package session

import (
	"context"
	"fmt"
	"time"

	"keyporter/app/view"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// callLimit bounds what the agent does at once, or after asking a server. A
// sign-in has no limit here: it ends with the agent's own or a cancel.
const callLimit = 30 * time.Second

// Do starts what the user chose and returns at once. Before and after Run it
// does nothing.
func (s *Session) Do(a view.Action) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx := s.actions; ctx != nil && ctx.Err() == nil {
		s.work.Go(func() { s.act(ctx, a) })
	}
}

// act does what the user chose, and shows it if that fails.
func (s *Session) act(ctx context.Context, a view.Action) {
	var err error
	switch a.Verb {
	case view.Quit:
		s.o.Quit()
	case view.Open, view.AddServer, view.AllOfThem:
		s.o.OpenWindow(a)
	case view.Start:
		signal(s.kick)
	case view.CopyConfig:
		err = s.copyConfig(ctx, a.Server)
	case view.SignIn, view.SwitchUser:
		err = s.signIn(ctx, local.SignInRequest{Name: a.Server, Switch: a.Verb == view.SwitchUser})
	case view.CancelSignIn:
		err = s.cancelSignIn(ctx, a.Server)
	case view.OpenPage:
		err = s.openPage(ctx, a.Server)
	case view.RepairClient:
		err = s.repair(ctx, a.Server)
		a.Server = "" // it is not about a server
	default:
		err = s.call(ctx, func(ctx context.Context, agent Agent) error {
			switch a.Verb {
			case view.SignOut:
				return agent.SignOut(ctx, local.SignOutRequest{Name: a.Server})
			case view.Pause:
				return agent.Pause(ctx)
			case view.Resume:
				return agent.Resume(ctx)
			case view.Allow:
				return agent.Approve(ctx, local.Answer{Name: a.Server})
			case view.Deny:
				return agent.Revoke(ctx, local.Name{Name: a.Server})
			case view.Unlock:
				return agent.Unlock(ctx, local.Unlock{})
			}
			return fmt.Errorf("unknown action %q", a.Verb)
		})
	}
	if err != nil && ctx.Err() == nil {
		s.fail(ctx, a, hint.Of(err))
	}
}

// call runs f with the agent under callLimit.
func (s *Session) call(ctx context.Context, f func(context.Context, Agent) error) error {
	agent, err := s.connected()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	return f(ctx, agent)
}

func (s *Session) connected() (Agent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.agent == nil {
		return nil, hint.New(hint.Unreachable, "The Keyporter agent is not running.", "Try again in a moment.")
	}
	return s.agent, nil
}

func (s *Session) copyConfig(ctx context.Context, server string) error {
	text, err := view.Config(server, s.o.Command)
	if err != nil {
		return err
	}
	s.o.Copy(text)
	t := s.Texts()
	s.note(ctx, "copied", view.Note{Title: t.Copied, Body: fmt.Sprintf(t.CopiedBody, view.Name(server))})
	return nil
}

// signIn signs in to a server: the agent does it, the browser is opened here,
// because this program is the one that runs in the user's desktop session.
func (s *Session) signIn(ctx context.Context, r local.SignInRequest) error {
	server := r.Name
	agent, err := s.connected()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !s.beginWaiting(server, cancel) {
		return nil // a second click on the notification, say
	}
	defer s.set(func() {}) // draws after the deletion below
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.waiting, server)
		delete(s.pages, server)
		delete(s.private, server)
	}()
	err = agent.SignIn(ctx, r, func(e *local.SignInEvent) error {
		if e.Open == "" {
			return nil
		}
		s.set(func() { s.pages[server], s.private[server] = e.Open, e.Private })
		return s.o.OpenURL(ctx, e.Open, e.Private)
	})
	if ctx.Err() != nil { // cancelled by the user: no failure to speak of
		return nil
	}
	return err
}

// repair puts back what an MCP client has lost.
func (s *Session) repair(ctx context.Context, client string) error {
	return s.call(ctx, func(ctx context.Context, agent Agent) error {
		_, err := agent.RepairClients(ctx, local.RepairRequest{Client: client})
		return err
	})
}

// openPage opens the page of a sign-in that is under way once more.
func (s *Session) openPage(ctx context.Context, server string) error {
	s.mu.Lock()
	page, private := s.pages[server], s.private[server]
	s.mu.Unlock()
	if page == "" {
		return nil // it has just ended
	}
	return s.o.OpenURL(ctx, page, private)
}

// beginWaiting marks a sign-in as under way and reports whether none was.
func (s *Session) beginWaiting(server string, cancel context.CancelFunc) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting[server] != nil {
		return false
	}
	s.waiting[server] = cancel
	delete(s.failed, server)
	signal(s.changed)
	return true
}

// cancelSignIn ends a sign-in, whoever started it, and stops waiting for it here.
func (s *Session) cancelSignIn(ctx context.Context, server string) error {
	s.mu.Lock()
	stop := s.waiting[server]
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
	err := s.call(ctx, func(ctx context.Context, agent Agent) error {
		return agent.CancelSignIn(ctx, local.Name{Name: server})
	})
	if err != nil && stop != nil { // it ended with the wait, or ends when the agent finds nobody waiting
		s.o.Log.Info("cancel sign-in", "server", view.Name(server), "error", err)
		return nil
	}
	return err
}

// fail shows that something the user asked for did not work.
func (s *Session) fail(ctx context.Context, a view.Action, err *hint.Error) {
	s.o.Log.Warn("action failed", "action", a.Verb, "server", view.Name(a.Server), "error", err)
	server := a.Server
	if a.Verb == view.Allow || a.Verb == view.Deny {
		server = ""
	}
	if server != "" {
		s.set(func() { s.failed[server] = err })
	}
	s.note(ctx, "failed/"+server, view.NoteOfFailure(s.Texts(), server, err))
}
