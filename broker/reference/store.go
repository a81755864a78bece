package reference

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/secret"
	"keyporter/broker/source/google"
	"keyporter/internal/hint"
)

// maxAnswer is how much is read of an answer, in bytes. Key files are the largest.
const maxAnswer = 1 << 20

// A Store reads secrets with the member's own logins.
type Store struct {
	// Client sends the requests. Required. Redirects are never followed.
	Client *http.Client
	// Login returns the member's login at Vault or OpenBao; see Login. Required
	// for RefVault and RefTransit.
	Login func() (secret.Value, error)
	// Google returns the access token of the Google account that reads, as for
	// google.ImpersonationOptions. Required for RefGoogle.
	Google func(ctx context.Context, refused string) (*google.Caller, error)
}

// Read returns the secret, as it is now.
func (s *Store) Read(ctx context.Context, r *Ref) (secret.Value, error) {
	switch r.Scheme {
	case account.RefVault:
		return s.readVault(ctx, r)
	case account.RefGoogle:
		return s.readGoogle(ctx, r)
	}
	return secret.Value{}, hint.New(hint.Usage, "A Transit key signs and cannot be read.", "Use it for a Google key or a private key.")
}

// ask sends one request and reads the answer.
func (s *Store) ask(ctx context.Context, method, address string, header http.Header, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, errors.New("make request for a secret: the address is not valid")
	}
	req.Header = header
	req.Header.Set("User-Agent", "keyporter")
	client := *s.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		if ue := (*url.Error)(nil); errors.As(err, &ue) {
			err = ue.Err
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return 0, nil, ctx.Err()
		}
		return 0, nil, hint.Wrap(err, hint.Unreachable, fmt.Sprintf("%s cannot be reached.", req.URL.Host), "Check the network and try again.")
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil || len(text) > maxAnswer {
		return 0, nil, hint.Wrap(err, hint.Unreachable, fmt.Sprintf("The answer of %s broke off or is too large.", req.URL.Host), "Try again.")
	}
	return res.StatusCode, text, nil
}

// field picks what a reference wants out of a document of fields.
func (r *Ref) field(document map[string]json.RawMessage, where string) (secret.Value, error) {
	name := r.Field
	if name == "" && len(document) == 1 {
		for only := range document {
			name = only
		}
	}
	if name == "" {
		all, err := json.Marshal(document)
		return secret.New(string(all)), err
	}
	raw, ok := document[name]
	if !ok {
		return secret.Value{}, hint.New(hint.Refused, fmt.Sprintf("The secret %s has no field %q.", where, clip(name)), "Check the reference, behind #.")
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw)
	}
	if strings.TrimSpace(text) == "" {
		return secret.Value{}, hint.New(hint.Refused, fmt.Sprintf("The secret %s is empty.", where), "Ask whoever looks after it.")
	}
	return secret.New(text), nil
}
