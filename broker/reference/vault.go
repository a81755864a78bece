package reference

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// Address returns the address of the member's Vault or OpenBao as the environment
// says it, or "".
func Address(getenv func(string) string) string {
	for _, name := range []string{"VAULT_ADDR", "BAO_ADDR"} {
		if v := getenv(name); v != "" {
			return strings.TrimRight(v, "/")
		}
	}
	return ""
}

// Login returns a function that finds the member's login where vault login and
// bao login leave it: in the environment or in .vault-token at home. The error
// says to log in.
func Login(getenv func(string) string) func() (secret.Value, error) {
	return func() (secret.Value, error) {
		for _, name := range []string{"VAULT_TOKEN", "BAO_TOKEN"} {
			if v := strings.TrimSpace(getenv(name)); v != "" {
				return secret.New(v), nil
			}
		}
		home := getenv("HOME")
		if runtime.GOOS == "windows" { // where it is, for the name of a folder only
			home = getenv("USERPROFILE")
		}
		f, err := os.Open(filepath.Join(home, ".vault-token"))
		if err == nil {
			defer f.Close()
			var text []byte
			if text, err = io.ReadAll(io.LimitReader(f, 64<<10)); err == nil {
				if v := strings.TrimSpace(string(text)); v != "" {
					return secret.New(v), nil
				}
				err = errors.New("the file is empty")
			}
		}
		return secret.Value{}, hint.Wrap(err, hint.Locked, "Nobody is logged in to Vault on this computer.", "Run: vault login (or bao login)")
	}
}

// vault sends one request to the reference's Vault and decodes the answer's data.
func (s *Store) vault(ctx context.Context, r *Ref, method, path string, ask, into any) error {
	if r.Address == "" {
		return hint.New(hint.Usage, "The reference does not say which Vault the secret is in.", "Set VAULT_ADDR, or write ?address=https://… behind it.")
	}
	login, err := s.Login()
	if err != nil {
		return err
	}
	status, text, err := s.send(ctx, r, login, method, path, ask)
	if err != nil {
		return err
	}
	var ans struct {
		Data json.RawMessage `json:"data"`
	}
	switch {
	case status == http.StatusOK && json.Unmarshal(text, &ans) == nil && json.Unmarshal(ans.Data, into) == nil:
		return nil
	case status == http.StatusOK:
		return hint.New(hint.Failed, fmt.Sprintf("%s answered something that is not what was asked for.", r.host()), "Check the address, and that the mount is of the right kind.")
	}
	return s.refused(ctx, r, login, status, text)
}

func (s *Store) send(ctx context.Context, r *Ref, login secret.Value, method, path string, ask any) (int, []byte, error) {
	var body []byte
	h := http.Header{"X-Vault-Token": {login.Reveal()}, "X-Vault-Request": {"true"}, "Accept": {"application/json"}}
	if ask != nil {
		var err error
		if body, err = json.Marshal(ask); err != nil {
			return 0, nil, err
		}
		h.Set("Content-Type", "application/json")
	}
	if r.Namespace != "" {
		h.Set("X-Vault-Namespace", r.Namespace)
	}
	return s.ask(ctx, method, r.Address+"/v1/"+path, h, body)
}

// refused gives words to an error answer. A 403 is the same for a login that is
// over and one that may not read this; only another question tells.
func (s *Store) refused(ctx context.Context, r *Ref, login secret.Value, status int, text []byte) error {
	cause := fmt.Errorf("HTTP status %d", status)
	where := r.Mount + "/" + r.Path
	switch {
	case status == http.StatusForbidden || status == http.StatusUnauthorized:
		if strings.Contains(string(text), "invalid token") || !s.loggedIn(ctx, r, login) {
			return hint.Wrap(cause, hint.Locked, fmt.Sprintf("Your login at %s has ended.", r.host()), "Run: vault login (or bao login)")
		}
		return hint.Wrap(cause, hint.Refused, fmt.Sprintf("Your login at %s may not use %s.", r.host(), where),
			"Ask an administrator of it for a policy that allows "+r.capability()+".")
	case status == http.StatusNotFound:
		return hint.Wrap(cause, hint.Refused, fmt.Sprintf("There is no %s at %s.", where, r.host()),
			"Check the reference: the mount, the path without data/, the version; the mount has to be a K/V engine of version 2, or Transit.")
	case status == http.StatusServiceUnavailable:
		return hint.Wrap(cause, hint.Unreachable, fmt.Sprintf("%s is sealed or not ready.", r.host()), "Ask whoever looks after it, or try again later.")
	case status == http.StatusTooManyRequests || status >= 500:
		return hint.Wrap(cause, hint.Unreachable, fmt.Sprintf("%s has a problem at the moment.", r.host()), "Try again later.")
	case status >= 300 && status < 400:
		return hint.Wrap(cause, hint.Refused, fmt.Sprintf("%s sends requests to another address, where your login does not go.", r.host()), "Give the address that it wants, with ?address=.")
	}
	return hint.Wrap(cause, hint.Refused, fmt.Sprintf("%s refused to give %s (status %d).", r.host(), where, status), "Check the reference.")
}

func (s *Store) loggedIn(ctx context.Context, r *Ref, login secret.Value) bool {
	status, _, err := s.send(ctx, r, login, http.MethodGet, "auth/token/lookup-self", nil)
	return err == nil && status == http.StatusOK
}

// capability is what a policy has to allow for the reference.
func (r *Ref) capability() string {
	if r.signs() {
		return fmt.Sprintf("read on %s/keys/%s and update on %s/sign/%s/*", r.Mount, r.Path, r.Mount, r.Path)
	}
	return fmt.Sprintf("read on %s/data/%s", r.Mount, r.Path)
}

// readVault reads a K/V secret of version 2.
func (s *Store) readVault(ctx context.Context, r *Ref) (secret.Value, error) {
	path := r.Mount + "/data/" + escaped(r.Path)
	if r.Version != "" {
		path += "?" + url.Values{"version": {r.Version}}.Encode()
	}
	var ans struct {
		Data map[string]json.RawMessage `json:"data"`
	}
	if err := s.vault(ctx, r, http.MethodGet, path, nil, &ans); err != nil {
		return secret.Value{}, err
	}
	where := r.Mount + "/" + r.Path
	if len(ans.Data) == 0 {
		return secret.Value{}, hint.New(hint.Refused, fmt.Sprintf("The secret %s was deleted, or is empty.", where), "Ask whoever looks after it.")
	}
	return r.field(ans.Data, where)
}

// escaped escapes each part of a path.
func escaped(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}
