// Package hint makes errors with words for a person: one sentence on what
// happened, one on what to do, and the cause kept apart for logs and for the
// "Details" button. Windows, the tray, the command line and the errors that a
// bridge returns to an MCP client show the sentences.
//
// A hint never holds a secret, a request, a response body or a header.
package hint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// A Code says what kind of failure this is, for callers that branch on it and
// across the agent's local API. Codes are written out, so that two versions of
// the programs understand each other.
type Code string

// The codes. A code that a reader does not know counts as Failed.
const (
	Failed         Code = "failed"
	Usage          Code = "usage"           // the request itself is wrong; exit code 2
	NotFound       Code = "not_found"       // no server or account of that name
	Exists         Code = "exists"          // the name is taken
	SignInNeeded   Code = "sign_in_needed"  // only a sign-in helps; exit code 4
	ApprovalNeeded Code = "approval_needed" // a person must agree (new origin, changed address); exit code 4
	Locked         Code = "locked"          // the vault needs an unlock; exit code 4
	Paused         Code = "paused"          // the user paused Keyporter; exit code 4
	Stopped        Code = "stopped"         // the user stopped Keyporter; exit code 4
	Refused        Code = "refused"         // a provider or server said no; nothing to retry
	Unreachable    Code = "unreachable"     // network error, 5xx: trying again later may help
)

// An Error is an error with words for a person.
type Error struct {
	Code  Code   // zero means Failed
	What  string // Required. What happened, one sentence with its full stop.
	Do    string // Optional. What to do here, one sentence with its full stop.
	Cause error  // Optional. For the log and for details; Unwrap returns it.
}

// New returns an Error without a cause.
func New(code Code, what, do string) *Error { return &Error{Code: code, What: what, Do: do} }

// Wrap returns an Error with a cause.
func Wrap(cause error, code Code, what, do string) *Error {
	return &Error{Code: code, What: what, Do: do, Cause: cause}
}

// Error gives what happened and the cause on one line, for logs.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.What
	}
	return strings.TrimSuffix(e.What, ".") + ": " + e.Cause.Error()
}

func (e *Error) Unwrap() error { return e.Cause }

// Text gives the words for a person: what happened and what to do.
func (e *Error) Text() string {
	if e.Do == "" {
		return e.What
	}
	return e.What + " " + e.Do
}

// Of returns the outermost Error in err's chain. For an error without words it
// makes one that says so and keeps err as the cause. Of(nil) is nil.
func Of(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Wrap(err, Failed, "The operation was cancelled.", "")
	case errors.Is(err, context.DeadlineExceeded):
		return Wrap(err, Unreachable, "It took too long.", "Try again.")
	}
	return Wrap(err, Failed, "Something went wrong.", "Copy the details for whoever looks after this computer.")
}

// CodeOf returns the code of err's outermost Error, or Failed.
func CodeOf(err error) Code {
	if e := Of(err); e != nil && e.Code != "" {
		return e.Code
	}
	return Failed
}

// NeedsPerson reports whether a sign-in, an approval, an unlock or a resume is
// what is missing (exit code 4).
func NeedsPerson(err error) bool {
	if err == nil {
		return false
	}
	switch CodeOf(err) {
	case SignInNeeded, ApprovalNeeded, Locked, Paused, Stopped:
		return true
	}
	return false
}

// Arg writes a name as one word of a command line in a sentence, in the one way
// that Windows' shells and the others have in common. Names hold no quotes
// (account.CheckName).
func Arg(name string) string {
	if strings.ContainsAny(name, " '\"") {
		return `"` + name + `"`
	}
	return name
}

// wire is an Error's form on the local API. The cause crosses as text.
type wire struct {
	Code   Code   `json:"code"`
	What   string `json:"what"`
	Do     string `json:"do,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// MarshalJSON writes the form that crosses the local API.
func (e *Error) MarshalJSON() ([]byte, error) {
	w := wire{Code: e.Code, What: e.What, Do: e.Do}
	if w.Code == "" {
		w.Code = Failed
	}
	if e.Cause != nil {
		w.Detail = e.Cause.Error()
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads it back; the cause is then plain text.
func (e *Error) UnmarshalJSON(b []byte) error {
	var w wire
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("read error from agent: %w", err)
	}
	*e = Error{Code: w.Code, What: w.What, Do: w.Do}
	if w.Detail != "" {
		e.Cause = errors.New(w.Detail)
	}
	return nil
}
