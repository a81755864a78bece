package view

import (
	"fmt"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// A Note is a desktop notification as a value. Its texts are cleaned: names that
// come from elsewhere hold no control characters and are short.
type Note struct {
	Title  string
	Body   string
	Button string // empty: none
	Action Action // of the button and of a click

	// Answers are further buttons. A note that has them does nothing on a click
	// beside them.
	Answers []Answer
}

// An Answer is one of several buttons.
type Answer struct {
	Label  string
	Action Action
}

// NoteOf returns the notification for a notice; ok is false for a kind that this
// version does not know.
func NoteOf(t *Texts, n local.Notice) (note Note, ok bool) {
	switch n.Kind {
	case local.NoticeSignIn:
	case local.NoticeApproval:
		return approvalNote(t, n), true
	case local.NoticeClientLost:
		return Note{
			Title:  fmt.Sprintf(t.Clients.Forgot, Name(n.Program)),
			Body:   fmt.Sprintf(t.Clients.ForgotText, some(&t.Accounts, n.Servers, 3)),
			Button: t.Clients.Restore,
			Action: Action{RepairClient, n.Client},
		}, true
	default:
		return Note{}, false
	}
	note = Note{
		Title:  fmt.Sprintf(t.NoticeTitle, Name(n.Server)),
		Body:   t.NoticeUnnamed,
		Button: t.NoticeButton,
		Action: Action{SignIn, n.Server},
	}
	if n.SignedOut {
		note.Title, note.Body = fmt.Sprintf(t.SignedOutTitle, Name(n.Server)), t.SignedOutText
	} else if p := Name(n.Program); p != "" {
		note.Body = fmt.Sprintf(t.NoticeBy, p)
	}
	return note, true
}

func approvalNote(t *Texts, n local.Notice) Note {
	note := Note{
		Title:   fmt.Sprintf(t.AsksTitle, t.wanted(n.Server)),
		Body:    fmt.Sprintf(t.NoticeBy, Path(n.Program)),
		Answers: []Answer{{t.Allow, Action{Allow, n.Approval}}, {t.Deny, Action{Deny, n.Approval}}},
	}
	if who := Name(n.Identity); who != "" {
		note.Body = fmt.Sprintf(t.AsksAs, Path(n.Program), who)
	}
	return note
}

// NoteOfFailure returns the notification for something the user asked for that
// failed. server may be empty.
func NoteOfFailure(t *Texts, server string, err *hint.Error) Note {
	title := Name(server)
	if title == "" {
		title = "Keyporter"
	}
	return Note{Title: fmt.Sprintf(t.FailedTitle, title), Body: line(t.hint(err.What)) + space(line(t.hint(err.Do)))}
}

func space(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}
