package oauth

import (
	"errors"
	"fmt"
	"strings"

	"keyporter/internal/hint"
)

// An Attempt is one address that discovery tried, and what it said.
type Attempt struct {
	URL  string
	Said error

	absent bool // it said that there is no such document
}

// A DiscoveryError says that no address had the metadata, with each that was
// tried. It has words: hint.Of finds them.
type DiscoveryError struct {
	Of       string // what was looked for: a server's address or an issuer
	Attempts []Attempt
	words    *hint.Error
}

// newDiscoveryError takes the words of an attempt that has some (unreachable,
// refused by the address rule), else the given ones. Their details are the list of
// attempts.
func newDiscoveryError(of string, attempts []Attempt, words *hint.Error) *DiscoveryError {
	e := &DiscoveryError{Of: of, Attempts: attempts}
	for _, a := range attempts {
		if h := (*hint.Error)(nil); errors.As(a.Said, &h) {
			words = h
			break
		}
	}
	e.words = hint.Wrap(errors.New(e.Error()), words.Code, words.What, words.Do)
	return e
}

// attemptsOf returns the attempts that an error of discovery has, or the error
// itself as what addr said.
func attemptsOf(err error, addr string) []Attempt {
	var e *DiscoveryError
	if errors.As(err, &e) {
		return e.Attempts
	}
	return []Attempt{{URL: clean(withoutQuery(addr), 300), Said: err}}
}

// Error lists all attempts on one line.
func (e *DiscoveryError) Error() string {
	parts := make([]string, len(e.Attempts))
	for i, a := range e.Attempts {
		parts[i] = fmt.Sprintf("%s: %v", a.URL, a.Said)
	}
	return "no metadata of " + e.Of + ": " + strings.Join(parts, "; ")
}

// Unwrap returns the words and what each attempt said.
func (e *DiscoveryError) Unwrap() []error {
	errs := []error{e.words}
	for _, a := range e.Attempts {
		errs = append(errs, a.Said)
	}
	return errs
}

// Absent reports whether every address answered that it has no such document,
// so that its absence is known and not just its content.
func (e *DiscoveryError) Absent() bool {
	for _, a := range e.Attempts {
		if !a.absent {
			return false
		}
	}
	return true
}
