package session

import (
	"context"
	"maps"
	"time"

	"keyporter/app/view"
	"keyporter/broker/account"
	"keyporter/broker/local"
)

const (
	noteLimit = 5 * time.Second  // of one call to the notifier
	noteAgain = 10 * time.Minute // from one showing of a notice to the next
	noteBye   = 2 * time.Second  // for closing all of them at the end
)

// notify keeps one notification for each notice of the state, and closes them
// when the notice is gone, or the session. One that the user did not see comes
// again when a program asks again much later.
func (s *Session) notify(ctx context.Context) {
	if s.o.Notifier == nil {
		return
	}
	shown := map[string]time.Time{} // when it was raised, by the notice's ID
	defer func() {
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteBye)
		defer cancel()
		for id := range shown {
			s.closeNote(bye, id)
		}
	}()
	for {
		select {
		case <-s.notices:
		case <-ctx.Done():
			return
		}
		wanted := s.wanted()
		for id := range maps.Clone(shown) {
			if _, still := wanted[id]; !still {
				s.closeNote(ctx, id)
				delete(shown, id)
			}
		}
		for id, n := range wanted {
			if note, ok := view.NoteOf(s.Texts(), n); ok && due(shown, id, n) {
				s.note(ctx, id, note)
				shown[id] = n.At // also after a failure: the menu shows it
			}
		}
	}
}

// due reports whether a notice is to be shown: it was not yet, or the agent raised
// it anew long after.
func due(shown map[string]time.Time, id string, n local.Notice) bool {
	at, was := shown[id]
	return !was || n.At.Sub(at) >= noteAgain
}

// wanted returns the notices of the state by ID. Without a connection none is
// gone and none is new, so that an agent's restart shows nothing twice.
func (s *Session) wanted() map[string]local.Notice {
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := map[string]local.Notice{}
	if s.state != nil && !quiet(s.state) {
		for _, n := range s.state.Notices {
			wanted[n.ID] = n
		}
	}
	return wanted
}

// quiet reports whether the user wants no notifications.
func quiet(st *local.State) bool {
	return st != nil && st.Settings.Notifications == account.NotificationsOff
}

// note shows a notification, unless the user wants none; what fails is only logged, because the menu says
// the same.
func (s *Session) note(ctx context.Context, id string, n view.Note) {
	s.mu.Lock()
	hush := quiet(s.state)
	s.mu.Unlock()
	if s.o.Notifier == nil || hush {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, noteLimit)
	defer cancel()
	clicked := func(a view.Action) {
		if a.Verb != "" {
			s.Do(a)
		}
	}
	if err := s.o.Notifier.Show(ctx, id, n, clicked); err != nil {
		s.o.Log.Info("no notification", "error", err)
	}
}

func (s *Session) closeNote(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(ctx, noteLimit)
	defer cancel()
	if err := s.o.Notifier.Close(ctx, id); err != nil {
		s.o.Log.Debug("notification stays", "error", err)
	}
}
