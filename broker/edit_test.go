package broker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/config"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// alone runs f while nobody else looks at config.json.
func (w *world) alone(f func()) {
	w.edits <- struct{}{}
	defer func() { <-w.edits }()
	f()
}

// halfAnEdit does what an edit does before the vault is written, and that: the power
// is cut then.
func (w *world) halfAnEdit(name string) (*account.Config, config.Staged) {
	w.t.Helper()
	cfg, err := w.file.Load()
	if err != nil {
		w.t.Fatal(err)
	}
	cfg.Servers[name] = &account.Server{Name: name, URL: "https://" + name + ".example/mcp"}
	var staged config.Staged
	if staged, err = w.file.Stage(cfg); err == nil {
		err = w.Broker.vault.Update(w.t.Context(), func(tx *vault.Tx) error { return tx.Put(editKey, staged) })
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return cfg, staged
}

// Settings need no vault; an edit that waits for it must not be lost to one.
func TestASettingWhileTheVaultIsLockedCostsNoInterruptedEdit(t *testing.T) {
	locked := false
	w := newWorldWith(t, func(o *Options) {
		pass := o.Passphrase
		o.Passphrase = func(ctx context.Context) (secret.Value, error) {
			if locked {
				return secret.Value{}, hint.Wrap(vault.ErrLocked, hint.Locked, "The vault is locked.", "Unlock it.")
			}
			return pass(ctx)
		}
	})
	w.addStatic("desk")
	w.alone(func() { w.halfAnEdit("notes") })
	w.stop()
	locked = true
	w.start()
	_, err := w.SetSettings(t.Context(), local.SetSettings{Values: map[string]string{"language": "ja"}})
	wantCode(t, err, hint.Locked)
	w.stop()
	locked = false
	w.start()
	if _, err := w.openedVault(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.config().Servers["notes"] == nil {
		t.Error("the server that the vault knows of is not in the list")
	}
}

// What a person saves while the vault is being written, which takes a while.
func TestAHandEditDuringAnEditIsKept(t *testing.T) {
	w := newWorld(t)
	w.addStatic("desk")
	w.add("gone", "https://gone.example/mcp", func(p *local.PutServer) { p.Offline = true })
	err := w.edit(t.Context(), func(cfg *account.Config, tx *vault.Tx) error {
		b, err := os.ReadFile(w.paths.ConfigFile())
		if err != nil {
			return err
		}
		hand := strings.Replace(string(b), `"servers": {`, `"servers": {"hand": {"url": "https://hand.example/mcp"},`, 1)
		writeText(t, w.paths.ConfigFile(), hand)
		delete(cfg.Servers, "gone")
		cfg.Servers["ours"] = &account.Server{Name: "ours", URL: "https://ours.example/mcp"}
		return tx.Put(serverKey("ours"), serverRecord{})
	})
	if err != nil {
		t.Fatal(err)
	}
	var read *account.Config
	w.alone(func() { read, err = w.file.Load() })
	if err != nil {
		t.Fatal(err)
	}
	for where, cfg := range map[string]*account.Config{"memory": w.config(), "config.json": read} {
		if got := cfg.ServerNames(); !slices.Equal(got, []string{"hand", "ours"}) || cfg.Accounts["desk"] == nil {
			t.Errorf("in %s are %q and %v, want what the person and the edit wrote", where, got, cfg.Accounts)
		}
	}
	if w.file.Waits() {
		t.Error("a version of config.json still waits")
	}
}

// The vault has the change by then. It comes into the file when that is mended, with
// what the person wrote, also if Keyporter was started anew meanwhile.
func TestAHandEditThatBreaksTheFileDuringAnEditCostsNoServer(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprintf("restart %t", restart), func(t *testing.T) {
			w := newWorldWith(t, func(o *Options) { o.Poll = true })
			w.addStatic("desk")
			var mended string
			err := w.edit(t.Context(), func(cfg *account.Config, tx *vault.Tx) error {
				b, err := os.ReadFile(w.paths.ConfigFile())
				if err != nil {
					return err
				}
				mended = strings.Replace(string(b), `"servers": {`, `"servers": {"hand": {"url": "https://hand.example/mcp"}`, 1)
				writeText(t, w.paths.ConfigFile(), strings.Replace(mended, `"}`, `"`, 1))
				cfg.Servers["ours"] = &account.Server{Name: "ours", URL: "https://ours.example/mcp"}
				return tx.Put(serverKey("ours"), serverRecord{})
			})
			if h := hint.Of(err); err == nil || !strings.Contains(h.What, "in the vault") || !strings.Contains(h.What, "at line 12") || !strings.Contains(h.Do, "finishes") {
				t.Fatalf("words: %v", err)
			}
			if _, err := w.SetSettings(t.Context(), local.SetSettings{Values: map[string]string{"language": "ja"}}); err == nil || !strings.Contains(err.Error(), "at line 12") {
				t.Errorf("a change of a broken file: %v", err)
			}
			if restart {
				w.stop()
			}
			writeText(t, w.paths.ConfigFile(), mended)
			if restart {
				w.start()
			}
			for {
				news := w.news()
				if got := w.config().ServerNames(); slices.Equal(got, []string{"hand", "ours"}) {
					break
				}
				select {
				case <-news:
				case <-t.Context().Done():
				case <-time.After(time.Minute):
					t.Fatalf("servers = %q", w.config().ServerNames())
				}
			}
			var read *account.Config
			w.alone(func() { read, err = w.file.Load() })
			if err != nil || !slices.Equal(read.ServerNames(), []string{"hand", "ours"}) || w.file.Waits() {
				t.Errorf("config.json has %q, error %v", read.ServerNames(), err)
			}
		})
	}
}

// Where the system cannot say that the file changed, there was a line for each look at it.
func TestALogDoesNotGrowWhileAHandEditIsBroken(t *testing.T) {
	w := newWorld(t)
	w.addStatic("desk")
	whole, err := os.ReadFile(w.paths.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	w.alone(func() {
		w.halfAnEdit("ours")
		for i, mistake := range []string{`{"servers"`, `{"servers": 1}`} {
			writeText(t, w.paths.ConfigFile(), mistake)
			for range 3 {
				w.catchUp(w.Broker.vault)
			}
			if n := strings.Count(w.log.String(), "not brought up to the vault"); n != i+1 {
				t.Errorf("%d lines about %d mistakes:\n%s", n, i+1, w.log)
			}
		}
		writeText(t, w.paths.ConfigFile(), string(whole))
		w.catchUp(w.Broker.vault)
		if w.file.Waits() || w.config().Servers["ours"] == nil {
			t.Error("the edit is not finished once the file is mended")
		}
	})
}

// The vault has the change then, so it is not lost, and is not said to be.
func TestAnEditWhoseSecondHalfFailsIsFinishedAtTheNext(t *testing.T) {
	w := newWorld(t)
	w.addStatic("desk")
	next, aside := w.paths.ConfigFile()+".next", w.paths.ConfigFile()+".aside"
	var err error
	w.alone(func() {
		cfg, staged := w.halfAnEdit("notes")
		if err = errors.Join(os.Rename(next, aside), os.Mkdir(next, 0o700)); err == nil {
			err = w.commit(cfg, staged, true)
		}
	})
	wantCode(t, err, hint.Failed)
	if h := hint.Of(err); !strings.Contains(h.What, "in the vault") || !strings.Contains(h.Do, "finishes") || !strings.Contains(h.What, w.paths.ConfigFile()) {
		t.Errorf("words: %s", h.Text())
	}
	if w.config().Servers["notes"] != nil {
		t.Error("the server is in use although config.json does not have it")
	}
	if err := errors.Join(os.Remove(next), os.Rename(aside, next)); err != nil {
		t.Fatal(err)
	}
	w.add("other", "https://other.example/mcp", func(p *local.PutServer) { p.Offline = true })
	if got := w.config().ServerNames(); !slices.Equal(got, []string{"notes", "other"}) {
		t.Errorf("servers = %q", got)
	}
}
