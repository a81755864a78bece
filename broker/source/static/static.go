// Package static is the source for a fixed bearer token or API key that the user
// has from somewhere. It asks no network and never gets another token: a server
// that refuses it needs a new one from the user.
package static

import (
	"context"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/secret"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// maxLength bounds a token. Servers refuse header fields well below it.
const maxLength = 16 << 10

// Options are the settings of a Source.
type Options struct {
	Value  secret.Value     // Required. The token or API key; see ParseToken.
	Header string           // Optional. The header field; empty means Authorization with the scheme Bearer.
	Now    func() time.Time // Optional; nil means time.Now.
}

// A Source always returns the same token.
type Source struct {
	value  secret.Value
	header string
	scheme string
	now    func() time.Time
}

var _ token.Source = (*Source)(nil)

// New checks the token and returns its Source.
func New(opts Options) (*Source, error) {
	value, err := ParseToken(opts.Value, opts.Header)
	if err != nil {
		return nil, err
	}
	s := &Source{value: value, header: opts.Header, now: opts.Now}
	if s.header == "" {
		s.scheme = "Bearer"
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Token returns the token, which has no expiry that we know.
func (s *Source) Token(ctx context.Context, _ token.Request) (*token.Token, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &token.Token{Value: s.value, Scheme: s.scheme, Header: s.header, Issued: s.now()}, nil
}

// ParseToken returns the token that stands in a file: one line of visible ASCII,
// without the line's end and without the word Bearer, which people copy along. In
// a header field of its own (header is not empty) spaces may stand inside. Errors
// quote nothing.
func ParseToken(file secret.Value, header string) (secret.Value, error) {
	if header != "" {
		if err := account.CheckHeader(header); err != nil {
			return secret.Value{}, err
		}
	}
	s := strings.TrimSuffix(strings.TrimSuffix(file.Reveal(), "\n"), "\r")
	if word, rest, ok := strings.Cut(s, " "); ok && header == "" && strings.EqualFold(word, "Bearer") {
		s = rest
	}
	const do = "Give a file that holds the token alone, on one line."
	switch {
	case strings.TrimSpace(s) == "":
		return secret.Value{}, hint.New(hint.Usage, "The token is empty.", do)
	case len(s) > maxLength:
		return secret.Value{}, hint.New(hint.Usage, "The token is too long to be one.", do)
	case strings.ContainsAny(s, "\r\n"):
		return secret.Value{}, hint.New(hint.Usage, "The token has more than one line.", do)
	case strings.HasPrefix(s, " ") || strings.HasSuffix(s, " "), header == "" && strings.Contains(s, " "):
		return secret.Value{}, hint.New(hint.Usage, "The token has a space where none can be.", do)
	case strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }):
		return secret.Value{}, hint.New(hint.Usage, "The token has characters that cannot stand in a header.", do)
	}
	return secret.New(s), nil
}
