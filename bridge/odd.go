package bridge

import (
	"errors"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
	"keyporter/internal/hint"
)

// An oddAnswer is the end of an exchange in which the server did answer, but not
// in a way that can be given to the client.
type oddAnswer struct {
	what string // came in the answer's place, as the end of "The server answered with"
	err  error  // of package streamable
}

func (e *oddAnswer) Error() string { return "server answered with " + e.what }
func (e *oddAnswer) Unwrap() error { return e.err }

// An oddity is what was odd first about the messages of one answer.
type oddity struct{ what string }

func (o *oddity) note(what string) {
	if o.what == "" {
		o.what = what
	}
}

// noteText takes a message that could not be scanned. Pings in words, which some
// servers send on a stream, are not odd.
func (o *oddity) noteText(msg []byte) {
	if len(msg) > 0 && (msg[0] == '{' || msg[0] == '[') {
		o.note("broken JSON")
	}
}

const otherRequest = "the answer to another request"

// explain returns err, with what was odd if that is why there was no answer.
func (o *oddity) explain(err error) error {
	switch {
	case !errors.Is(err, streamable.ErrNoAnswer):
	case o.what != "":
		return &oddAnswer{o.what, err}
	case errors.Is(err, streamable.ErrEmpty):
		return &oddAnswer{"an empty body", err}
	case errors.Is(err, streamable.ErrUnusable):
		return &oddAnswer{"text that is no answer to the request", err}
	}
	return err
}

// ownAnswer reports whether a response is the one to the request with this key.
// An error that a server could not tie to a request may have no id.
func ownAnswer(f frame.Frame, key string) bool { return !f.HasID() || frame.Key(f.ID) == key }

// noAnswer puts an exchange without an answer into words.
func (b *bridge) noAnswer(c *call, err error) *hint.Error {
	const again = "Try again."
	do := "Check whether the call had an effect before you try again."
	if onlyReads(c.f.Method) || c.f.Method == methodInitialize {
		do = again
	}
	var odd *oddAnswer
	if !errors.As(err, &odd) && !errors.As(new(oddity).explain(err), &odd) {
		return hint.Wrap(err, hint.Unreachable, "The server ended the connection without an answer.", do)
	}
	if do == again {
		do = "Check the server's address in Keyporter, or tell its owner."
	}
	return hint.Wrap(err, hint.Failed, "The server "+b.host()+" answered with "+odd.what+".", do)
}
