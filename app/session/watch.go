package session

import (
	"context"
	"errors"
	"time"

	"keyporter/app/view"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// Between two tries to reach the agent: the first follows at once when a
// connection that worked has ended, the next after firstRetry, doubling to
// lastRetry.
const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// errEnded is what ends a watch that the agent closed without a word.
var errEnded = errors.New("the agent closed the stream")

// watch keeps a connection to the agent. An agent that ended is started again,
// unless the user stopped it.
func (s *Session) watch(ctx context.Context) {
	start := true
	for wait := firstRetry; ; {
		worked, err := s.watchOnce(ctx, start)
		if ctx.Err() != nil {
			return
		}
		if worked {
			s.o.Log.Info("the agent is gone", "error", err)
			s.set(func() { s.state, s.problem = nil, nil })
			start, wait = false, firstRetry
			continue
		}
		if hint.CodeOf(err) != hint.Stopped {
			s.o.Log.Warn("the agent cannot be reached", "error", err)
		}
		s.set(func() { s.state, s.problem = nil, hint.Of(err) })
		select {
		case <-time.After(wait):
			start = false
			wait = min(2*wait, lastRetry)
		case <-s.kick:
			start, wait = true, firstRetry
		case <-ctx.Done():
			return
		}
	}
}

// watchOnce watches over one connection until it ends and reports whether a
// state came through it.
func (s *Session) watchOnce(ctx context.Context, start bool) (worked bool, err error) {
	agent, err := s.o.Connect(ctx, start)
	if err != nil {
		return false, err
	}
	s.set(func() { s.agent = agent })
	defer func() {
		s.set(func() { s.agent = nil })
		agent.Close()
	}()
	err = agent.Watch(ctx, local.Watch{Tray: true}, func(st *local.State) error {
		worked = true
		s.set(func() { s.receive(st) })
		signal(s.notices)
		return nil
	})
	if err == nil {
		err = errEnded
	}
	return worked, err
}

// receive takes a state and the language that it asks for; mu is held. A failure
// is over when its server is ready.
func (s *Session) receive(st *local.State) {
	s.state, s.problem = st, nil
	if s.texts = view.TextsIn(s.o.Language); st.Settings.Language != account.LanguageSystem {
		s.texts = view.TextsIn(view.Language(st.Settings.Language))
	}
	for i := range st.Servers {
		if sv := &st.Servers[i]; sv.State == local.Ready {
			delete(s.failed, sv.Name)
		}
	}
}
