package vault

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// atOnePlace checks that the identity is in one back end and not in the other.
func atOnePlace(t *testing.T, o Options, b Backend) {
	t.Helper()
	_, inFile := os.Lstat(o.Identity)
	_, inKeyring := o.Keyring.Get(t.Context(), KeyringUser(filepath.Dir(o.File)))
	if (inFile == nil) != (b == Passphrase) || (inKeyring == nil) != (b == Keyring) {
		t.Errorf("identity file: %v; keyring entry: %v; want the identity in %s only", inFile, inKeyring, b)
	}
}

func TestMoveThereAndBack(t *testing.T) {
	o := newOptions(t)
	f := mustOpen(t, o)
	mustPut(t, f, "a", "1")
	for _, to := range []Backend{Passphrase, Keyring, Keyring, Passphrase} {
		if err := f.Move(t.Context(), to, says(word+" pass")); err != nil {
			t.Fatalf("move to %s: %v", to, err)
		}
		if f.Backend() != to {
			t.Errorf("back end = %s, want %s", f.Backend(), to)
		}
		atOnePlace(t, o, to)
		mustPut(t, f, "last", string(to))
		g := mustOpen(t, o)
		wantString(t, g, "last", string(to))
		if g.Backend() != to {
			t.Errorf("back end after a reopen = %s, want %s", g.Backend(), to)
		}
	}
	err := f.Move(t.Context(), "cloud", nil)
	if hint.CodeOf(err) != hint.Usage {
		t.Errorf("move to nowhere: %v", err)
	}
}

func TestMoveToPassphraseSetsANewOne(t *testing.T) {
	o := newOptions(t)
	o.Backend = Passphrase
	f := mustOpen(t, o)
	mustPut(t, f, "a", "1")
	o.Keyring.(*fileStore).fail = errNoBus // as on the machines that need a passphrase
	if err := f.Move(t.Context(), Passphrase, says(word+" new")); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), o)
	wantError(t, err, ErrWrongPassphrase, hint.Locked, "passphrase is wrong")
	o.Passphrase = says(word + " new")
	wantString(t, mustOpen(t, o), "a", "1")
}

func TestPassphraseIsAskedForAndNamed(t *testing.T) {
	o := newOptions(t)
	o.Backend = Passphrase
	mine := hint.New(hint.Locked, "Mine.", "")
	for _, c := range []struct {
		name string
		ask  func(context.Context) (secret.Value, error)
		want error
	}{
		{"nobody", nil, ErrLocked},
		{"empty", says(""), ErrLocked},
		{"own error", func(context.Context) (secret.Value, error) { return secret.Value{}, mine }, mine},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := o
			o.Passphrase = c.ask
			_, err := Open(t.Context(), o) // to make one
			wantError(t, err, c.want, hint.Locked)
			if _, err := os.Lstat(o.File); !errors.Is(err, os.ErrNotExist) {
				t.Error("a vault was made")
			}
		})
	}
	f := mustOpen(t, o)
	mustPut(t, f, "a", "1")
	before := snapshot(t, filepath.Dir(o.File))
	o.Passphrase = nil
	_, err := Open(t.Context(), o)
	wantError(t, err, ErrLocked, hint.Locked, "KEYPORTER_PASSPHRASE_FILE")
	_, err = Restore(t.Context(), o)
	wantError(t, err, ErrLocked, hint.Locked)
	wantError(t, f.Move(t.Context(), Passphrase, nil), ErrLocked, hint.Locked)
	o.Passphrase = says(word + " wrong")
	_, err = Open(t.Context(), o)
	wantError(t, err, ErrWrongPassphrase, hint.Locked)
	sameFiles(t, o, before)
	if err := Unlock(t.Context(), o); err != nil {
		t.Errorf("unlock, where there is no keyring to unlock: %v", err)
	}
}

func TestADamagedIdentityFileIsNamed(t *testing.T) {
	o := newOptions(t)
	o.Backend = Passphrase
	twoGenerations(t, o)
	good, err := os.ReadFile(o.Identity)
	if err != nil {
		t.Fatal(err)
	}
	for name, damage := range damages {
		if name == "stanza" {
			continue // where the passphrase is checked: the same as a wrong one
		}
		rewrite(t, o.Identity, func([]byte) []byte { return damage([]byte(string(good))) })
		_, err := Open(t.Context(), o)
		wantError(t, err, ErrDamaged, hint.Failed, o.Identity, "backup")
	}
	to, err := age.NewScryptRecipient(word + " pass")
	if err != nil {
		t.Fatal(err)
	}
	to.SetWorkFactor(2)
	data, err := encrypt([]byte("AGE-SECRET-KEY-PQ-"+word), to)
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, o.Identity, func([]byte) []byte { return data })
	_, err = Open(t.Context(), o)
	wantError(t, err, ErrDamaged, hint.Failed, o.Identity)
}

func TestAKeyringThatFailsKeepsTheKeyWhereItIs(t *testing.T) {
	for _, c := range []struct {
		want error
		code hint.Code
		text string
	}{
		{errNoBus, hint.Failed, "keyporter vault use passphrase"},
		{errNoService, hint.Failed, "keyporter vault use passphrase"},
		{errNoCollection, hint.Failed, "keyporter vault use passphrase"},
		{ErrLocked, hint.Locked, "Unlock the keyring"},
		{ErrDenied, hint.Locked, "allow it"},
		{ErrTimeout, hint.Locked, "try again"},
	} {
		o := newOptions(t)
		store := o.Keyring.(*fileStore)
		store.fail = c.want
		_, err := Open(t.Context(), o)
		wantError(t, err, c.want, c.code, c.text)
		if _, err := os.Lstat(o.File); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%v: a vault was made", c.want)
		}
		store.fail = nil
		o.Backend = Passphrase
		f := mustOpen(t, o)
		store.fail = c.want
		wantError(t, f.Move(t.Context(), Keyring, nil), c.want, c.code, c.text)
		store.fail = nil
		if f.Backend() != Passphrase {
			t.Error("the back end changed")
		}
		atOnePlace(t, o, Passphrase)
	}
}

func TestAPlaceThatGivesSomethingElseBackIsNotUsed(t *testing.T) {
	o := newOptions(t)
	o.Backend = Passphrase
	f := mustOpen(t, o)
	store := o.Keyring.(*fileStore)
	store.give = strings.ToLower
	wantError(t, f.Move(t.Context(), Keyring, nil), errUnverified, hint.Failed, "stays where it is")
	store.give = nil
	atOnePlace(t, o, Passphrase)
	mustOpen(t, o)
}

func TestAnEntryThatCannotBeRemovedIsReported(t *testing.T) {
	o := newOptions(t)
	f := mustOpen(t, o)
	mustPut(t, f, "a", "1")
	o.Keyring.(*fileStore).fail = ErrLocked
	err := f.Move(t.Context(), Passphrase, says(word+" pass"))
	wantError(t, err, ErrLocked, hint.Failed, "could not be removed", KeyringUser(filepath.Dir(o.File)))
	if f.Backend() != Passphrase {
		t.Errorf("back end = %s", f.Backend())
	}
	wantString(t, mustOpen(t, o), "a", "1")
	o.Keyring.(*fileStore).fail = nil
	if err := f.Move(t.Context(), Passphrase, says(word+" pass")); err != nil {
		t.Fatal(err)
	}
	atOnePlace(t, o, Passphrase)
}
