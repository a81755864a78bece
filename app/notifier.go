package app

import (
	"context"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/internal/notify"
)

// A notifier gives the session's notes to the desktop.
type notifier struct{ *notify.Notifier }

var _ session.Notifier = notifier{}

func (n notifier) Show(ctx context.Context, id string, note view.Note, clicked func(view.Action)) error {
	shown := notify.Notification{ID: id, Title: note.Title, Text: note.Body, Button: note.Button}
	if note.Answers == nil {
		shown.OnClick = func() { clicked(note.Action) }
	}
	for _, a := range note.Answers {
		shown.Buttons = append(shown.Buttons, notify.Button{Label: a.Label, Do: func() { clicked(a.Action) }})
	}
	return n.Notifier.Show(ctx, shown)
}

func (n notifier) Close(ctx context.Context, id string) error { return n.Withdraw(ctx, id) }
