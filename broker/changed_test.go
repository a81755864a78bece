package broker

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/atomicfile"
	"keyporter/internal/fakeas"
)

// An account that gets a new secret while a token is on its way for a call: the
// call gets one that is made after it, and no error.
func TestAnAccountThatChangesUnderACallCostsTheCallNothing(t *testing.T) {
	const key = word + "-ci"
	var w *world
	var changed atomic.Bool
	as, mcp := oauthServer(t, fakeas.Options{
		Clients: []fakeas.Client{{ID: "ci", Secret: key, GrantTypes: []string{"client_credentials"}}},
		Wrap: func(endpoint string, next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if endpoint == fakeas.Token && !changed.Swap(true) {
					if _, err := w.RotateAccount(t.Context(), local.PutAccount{Name: "ci", Secret: plain(key)}); err != nil {
						t.Error(err)
					}
				}
				next.ServeHTTP(rw, r)
			})
		}})
	w = newWorld(t)
	if _, err := w.AddAccount(t.Context(), local.PutAccount{Name: "ci", Secret: plain(key),
		Account: account.Account{Kind: account.ClientCredentials, ClientID: "ci", Issuer: as.Issuer()}}); err != nil {
		t.Fatal(err)
	}
	w.add("notes", mcp.URL(), func(p *local.PutServer) { p.Offline, p.Bind, p.Server.Account = true, true, "ci" })
	if _, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"}); err != nil {
		t.Error(err)
	}
	if n := as.Counters().Requests[fakeas.Token]; !changed.Load() || n != 2 {
		t.Errorf("%d token requests, want one before the change and one after it", n)
	}
}

// A killed agent may leave the copy that it was writing.
func TestWhatAKilledAgentWasWritingIsGoneAtTheNextStart(t *testing.T) {
	w := newWorld(t)
	w.stop()
	var left []string
	for _, path := range []string{w.paths.ConfigFile(), w.paths.StateFile()} {
		f, err := atomicfile.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		left = append(left, f.Name())
	}
	w.start()
	for _, name := range left {
		if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", filepath.Base(name), err)
		}
	}
}
