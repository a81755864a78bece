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

func (n notifier) Show(ctx context.Context, id string, note view.Note, clicked func()) error {
	return n.Notifier.Show(ctx, notify.Notification{
		ID: id, Title: note.Title, Text: note.Body, Button: note.Button, OnClick: clicked,
	})
}

func (n notifier) Close(ctx context.Context, id string) error { return n.Withdraw(ctx, id) }
