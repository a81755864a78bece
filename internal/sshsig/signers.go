package sshsig

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

var (
	// ErrUnknown is returned for a key that no line names.
	ErrUnknown = errors.New("the key is not in the list of signers")
	// ErrExpired is returned for a key whose lines are not valid at this time.
	ErrExpired = errors.New("the key is not valid at this time")
)

// Signers is a list of keys with their owners, in the form of ssh-keygen's
// allowed_signers (ssh-keygen(1), ALLOWED SIGNERS).
type Signers []signer

type signer struct {
	principals    string
	key           ssh.PublicKey
	namespaces    []string // patterns; empty: any
	after, before time.Time
}

// ParseSigners reads a list. The error for a line that is not understood has its
// number.
func ParseSigners(text []byte) (Signers, error) {
	var list Signers
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		s, err := parseSigner(string(line))
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		if s != nil {
			list = append(list, *s)
		}
	}
	return list, nil
}

// parseSigner reads a line. One for a certificate authority is nil: it vouches
// for certificates, which there are none of.
func parseSigner(line string) (*signer, error) {
	principals, rest, ok := cutPrincipals(line)
	if !ok {
		return nil, errors.New("it has no key")
	}
	key, _, options, more, err := ssh.ParseAuthorizedKey([]byte(rest))
	if err != nil || len(more) > 0 {
		return nil, errors.New("it has no key that can be read")
	}
	s := &signer{principals: principals, key: key}
	for _, option := range options {
		name, value, _ := strings.Cut(option, "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "cert-authority":
			return nil, nil
		case "namespaces":
			s.namespaces = strings.Split(value, ",")
		case "valid-after":
			s.after, err = parseTime(value)
		case "valid-before":
			s.before, err = parseTime(value)
		default:
			err = fmt.Errorf("the option %q is not known", name)
		}
		if err != nil {
			return nil, err
		}
	}
	return s, nil
}

// cutPrincipals cuts off the first field, which may stand in quotes.
func cutPrincipals(line string) (principals, rest string, ok bool) {
	if quoted, found := strings.CutPrefix(line, `"`); found {
		principals, rest, ok = strings.Cut(quoted, `"`)
	} else if i := strings.IndexAny(line, " \t"); i > 0 {
		principals, rest, ok = line[:i], line[i:], true
	}
	rest = strings.TrimLeft(rest, " \t")
	return principals, rest, ok && principals != "" && rest != ""
}

// parseTime reads YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, in local time unless
// it ends with Z.
func parseTime(s string) (time.Time, error) {
	digits, utc := strings.CutSuffix(s, "Z")
	where := time.Local
	if utc {
		where = time.UTC
	}
	for _, form := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(form) == len(digits) {
			if t, err := time.ParseInLocation(form, digits, where); err == nil {
				return t, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time of the form YYYYMMDD or YYYYMMDDHHMMSS", s)
}

// Name returns whose key it is, for a signature that was made for this purpose
// and is looked at now: the first field of the line that says so.
func (l Signers) Name(key ssh.PublicKey, namespace string, now time.Time) (string, error) {
	err := ErrUnknown
	for _, s := range l {
		switch {
		case !bytes.Equal(s.key.Marshal(), key.Marshal()), !s.meant(namespace):
		case !s.after.IsZero() && now.Before(s.after), !s.before.IsZero() && !now.Before(s.before):
			err = ErrExpired
		default:
			return s.principals, nil
		}
	}
	return "", err
}

// meant reports whether the line is for a purpose. A pattern that begins with an
// exclamation mark and matches says no, wherever it stands (ssh_config(5), PATTERNS).
func (s *signer) meant(namespace string) bool {
	if len(s.namespaces) == 0 {
		return true
	}
	meant := false
	for _, pattern := range s.namespaces {
		pattern, not := strings.CutPrefix(pattern, "!")
		match, err := path.Match(pattern, namespace)
		switch {
		case err != nil, !match:
		case not:
			return false
		default:
			meant = true
		}
	}
	return meant
}

// Line writes a line for a list.
func Line(principal, namespace string, key ssh.PublicKey) string {
	return fmt.Sprintf("%s namespaces=%q %s", principal, namespace, bytes.TrimSpace(ssh.MarshalAuthorizedKey(key)))
}
