// Package notify shows desktop notifications with a button, without a window.
//
// On Linux it speaks to org.freedesktop.Notifications (Desktop Notifications
// Specification 1.2) over a connection to the session bus of its own: other
// libraries in the process get confused by foreign signals on the shared one.
// On macOS a notification has no button and cannot be replaced or withdrawn. On
// Windows there are none yet: the tray shows its own, and Show returns
// ErrUnavailable.
//
// Texts may come from strangers (a server's name): they never become markup,
// a script or an option, and lose what is not plain text on one line.
package notify

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrUnavailable means that nothing here shows notifications. The caller goes
// on without.
var ErrUnavailable = errors.New("no desktop notifications here")

// A Notification is one message on the screen.
type Notification struct {
	ID     string // Required. A later one with the same ID replaces it.
	Title  string // Required.
	Text   string // Optional.
	Button string // Optional. The button's label, where the desktop has buttons.
	// OnClick is called once when the user clicks on the button or the
	// notification. Optional. It runs on the goroutine that hears the desktop:
	// it must return at once, and may call Show but not Close.
	OnClick func()
	// Buttons are further ones, each with an answer of its own, where the desktop has
	// buttons. A notification without OnClick does nothing on a click beside them.
	Buttons []Button
}

// A Button is one answer to a notification.
type Button struct {
	Label string
	Do    func() // as OnClick
}

// A Notifier shows notifications. Make one with New; it connects when it first
// shows something, and again when the desktop's service has gone and come back.
// It is safe for concurrent use.
type Notifier struct{ p platform }

// New returns a Notifier for the environment that getenv reads (os.Getenv).
func New(getenv func(string) string) *Notifier { return &Notifier{p: newPlatform(getenv)} }

// Show shows n in place of the notification with the same ID, if that is still
// there. It returns ErrUnavailable if nothing here can show it.
func (f *Notifier) Show(ctx context.Context, n Notification) error {
	n.Title, n.Text, n.Button = plain(n.Title), plain(n.Text), plain(n.Button)
	n.Buttons = slices.Clone(n.Buttons)
	for i := range n.Buttons {
		n.Buttons[i].Label = plain(n.Buttons[i].Label)
	}
	return f.p.show(ctx, n)
}

// Withdraw takes the notification with this ID off the screen, if it is there.
func (f *Notifier) Withdraw(ctx context.Context, id string) error { return f.p.withdraw(ctx, id) }

// Close withdraws what is still shown, because clicks could no longer be heard,
// and ends the connection. It waits for a click that is being told, and two
// seconds at most for the desktop. After it, Show returns ErrUnavailable.
func (f *Notifier) Close() { f.p.close() }

// maxText is how long a text may be, in characters.
const maxText = 200

// plain makes one line of text: white space and control characters become
// single spaces, invisible characters go (those that change the direction of text,
// those without width), and what is too long is cut.
func plain(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError || unicode.In(r, unicode.Cf, unicode.Co):
			return -1
		case unicode.IsControl(r) || unicode.IsSpace(r):
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if runes := []rune(s); len(runes) > maxText {
		s = strings.TrimSpace(string(runes[:maxText-1])) + "…"
	}
	return s
}
