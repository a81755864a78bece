package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// twoGenerations makes a vault whose record a is "1" in the previous generation
// and "2" now.
func twoGenerations(t testing.TB, o Options) {
	t.Helper()
	f, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []string{"1", "2"} {
		if err := f.Update(t.Context(), func(tx *Tx) error { return tx.Put("a", v) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func rewrite(t testing.TB, path string, f func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, f(b), 0o600); err != nil {
		t.Fatal(err)
	}
}

// damages are kinds of damage to a file.
var damages = map[string]func([]byte) []byte{
	"empty":            func([]byte) []byte { return nil },
	"cut in header":    func(b []byte) []byte { return b[:40] },
	"cut in payload":   func(b []byte) []byte { return b[:len(b)-9] },
	"trailing garbage": func(b []byte) []byte { return append(b, "garbage"...) },
	"twice":            func(b []byte) []byte { return append(b, b...) },
	"stanza":           func(b []byte) []byte { i := bytes.IndexByte(b, '\n') + 40; b[i] ^= 3; return b },
	"payload":          func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
	"other format":     func([]byte) []byte { return []byte(`{"version":1}`) },
}

func TestADamagedVaultIsNotedAndLeftAlone(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			o := newOptions(t)
			twoGenerations(t, o)
			rewrite(t, o.File, damage)
			broken, err := os.ReadFile(o.File)
			if err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, filepath.Dir(o.File))
			_, err = Open(t.Context(), o)
			wantError(t, err, ErrDamaged, hint.Failed, o.File, o.Previous, "keyporter vault restore")
			if errors.Is(err, ErrIdentityMissing) {
				t.Error("the key is blamed, though it opens the previous generation")
			}
			sameFiles(t, o, before)

			f, err := Restore(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			wantString(t, f, "a", "1")
			if !f.Restored() || f.Generation() <= 3 {
				t.Errorf("restored %v, generation %d; the lost one was 3", f.Restored(), f.Generation())
			}
			mustClose(t, f)
			if kept, err := os.ReadFile(o.File + ".damaged-1"); err != nil || !bytes.Equal(kept, broken) {
				t.Errorf("the damaged file was not kept: %v", err)
			}
			g := mustOpen(t, o)
			if !g.Restored() {
				t.Error("a restart forgets the restore")
			}
			if err := g.Update(t.Context(), func(*Tx) error { return nil }); err != nil {
				t.Fatal(err)
			}
			if h := mustOpen(t, o); h.Restored() {
				t.Error("the first update does not end it")
			}
		})
	}
}

func TestEachDamagedFileIsKept(t *testing.T) {
	o := newOptions(t)
	twoGenerations(t, o)
	for i, want := range []string{".damaged-1", ".damaged-2"} {
		rewrite(t, o.File, func([]byte) []byte { return []byte{byte(i)} })
		f, err := Restore(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		mustClose(t, f)
		if b, err := os.ReadFile(o.File + want); err != nil || len(b) != 1 || b[0] != byte(i) {
			t.Errorf("%s = %q, %v", want, b, err)
		}
	}
}

func TestAMissingVaultIsNotAnEmptyOne(t *testing.T) {
	for _, b := range []Backend{Keyring, Passphrase} {
		t.Run(string(b), func(t *testing.T) {
			o := newOptions(t)
			o.Backend = b
			twoGenerations(t, o)
			if err := os.Remove(o.File); err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, filepath.Dir(o.File))
			_, err := Open(t.Context(), o)
			wantError(t, err, ErrDamaged, hint.Failed, "missing", o.File, o.Previous, "keyporter vault restore")
			sameFiles(t, o, before)
			f, err := Restore(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			wantString(t, f, "a", "1")
			mustClose(t, f)
		})
	}
}

func TestAnIdentityFileAloneIsNotAnEmptyVault(t *testing.T) {
	o := newOptions(t)
	o.Backend = Passphrase
	twoGenerations(t, o)
	whole, err := os.ReadFile(o.File)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(o.File), os.Remove(o.Previous)); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), o)
	wantError(t, err, ErrDamaged, hint.Failed, "missing", o.Identity)
	_, err = Restore(t.Context(), o)
	wantError(t, err, ErrDamaged, hint.Failed, "missing", o.Identity)
	// What a killed writer left is no creation that did not end.
	if err := os.WriteFile(o.File+".next", whole, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), o)
	wantError(t, err, ErrDamaged, hint.Failed, "missing")
}

func TestRestoreTouchesNothingThatItCannotMend(t *testing.T) {
	garbage := func([]byte) []byte { return []byte("garbage") }
	t.Run("whole", func(t *testing.T) {
		o := newOptions(t)
		twoGenerations(t, o)
		before := snapshot(t, filepath.Dir(o.File))
		_, err := Restore(t.Context(), o)
		wantError(t, err, errNotDamaged, hint.Usage, "whole")
		sameFiles(t, o, before)
	})
	t.Run("both damaged", func(t *testing.T) {
		o := newOptions(t)
		twoGenerations(t, o)
		rewrite(t, o.File, garbage)
		rewrite(t, o.Previous, garbage)
		before := snapshot(t, filepath.Dir(o.File))
		_, err := Open(t.Context(), o)
		wantError(t, err, ErrDamaged, hint.Failed, o.File, o.Previous, "cannot help")
		_, err = Restore(t.Context(), o)
		wantError(t, err, ErrDamaged, hint.Failed, o.File, o.Previous, "cannot help")
		sameFiles(t, o, before)
	})
	t.Run("newer", func(t *testing.T) {
		o := newOptions(t)
		twoGenerations(t, o)
		newer(t, o, o.File)
		before := snapshot(t, filepath.Dir(o.File))
		_, err := Open(t.Context(), o)
		wantError(t, err, ErrNewer, hint.Failed, o.File+" was written by a newer version")
		_, err = Restore(t.Context(), o)
		wantError(t, err, ErrNewer, hint.Failed, o.File+" was written by a newer version")
		sameFiles(t, o, before)
	})
	t.Run("newer generation before", func(t *testing.T) {
		o := newOptions(t)
		twoGenerations(t, o)
		rewrite(t, o.File, garbage)
		newer(t, o, o.Previous)
		before := snapshot(t, filepath.Dir(o.File))
		_, err := Restore(t.Context(), o)
		wantError(t, err, ErrNewer, hint.Failed, o.Previous)
		sameFiles(t, o, before)
	})
}

// They were called damaged, and a restore put the previous generation in their place.
func TestAVaultInANewerFormOfAgesIsNamedAndLeftAlone(t *testing.T) {
	next := func(b []byte) []byte { // another form altogether behind the first line
		return append([]byte("age-encryption.org/v2\n"), b[len(ageVersion)+100:]...)
	}
	for _, which := range []func(Options) string{
		func(o Options) string { return o.File },
		func(o Options) string { return o.Identity },
	} {
		o := newOptions(t)
		o.Backend = Passphrase
		path := which(o)
		t.Run(filepath.Base(path), func(t *testing.T) {
			twoGenerations(t, o)
			rewrite(t, path, next)
			before := snapshot(t, filepath.Dir(o.File))
			_, err := Open(t.Context(), o)
			wantError(t, err, ErrNewer, hint.Failed, path+" was written by a newer version")
			_, err = Restore(t.Context(), o)
			wantError(t, err, ErrNewer, hint.Failed, path+" was written by a newer version")
			sameFiles(t, o, before)
		})
	}
	t.Run("only the number is damaged", func(t *testing.T) {
		o := newOptions(t)
		twoGenerations(t, o)
		rewrite(t, o.File, func(b []byte) []byte { b[len(ageVersion)-2] = '3'; return b })
		_, err := Open(t.Context(), o)
		wantError(t, err, ErrDamaged, hint.Failed, o.File, "keyporter vault restore")
		f, err := Restore(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// newer replaces a file by one of a version to come.
func newer(t *testing.T, o Options, path string) {
	t.Helper()
	data, err := encrypt([]byte(`{"version":2,"generation":"later","records":[]}`), storedIdentity(t, o).Recipient())
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, path, func([]byte) []byte { return data })
}

func storedIdentity(t testing.TB, o Options) *age.HybridIdentity {
	t.Helper()
	v, err := o.Keyring.Get(t.Context(), KeyringUser(filepath.Dir(o.File)))
	if err != nil {
		t.Fatal(err)
	}
	id, err := parseIdentity(v)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestDecryptedGarbageIsDamage(t *testing.T) {
	for _, text := range []string{"", "null", "[]", `{"version":0}`, `{"version":1,"records":{"a":` + word, `{"version":1} {}`, `{"version":1,"records":["` + word + `"]}`} {
		o := newOptions(t)
		twoGenerations(t, o)
		data, err := encrypt([]byte(text), storedIdentity(t, o).Recipient())
		if err != nil {
			t.Fatal(err)
		}
		rewrite(t, o.File, func([]byte) []byte { return data })
		_, err = Open(t.Context(), o)
		wantError(t, err, ErrDamaged, hint.Failed)
	}
}

func TestAVaultWithoutItsKey(t *testing.T) {
	t.Run("no entry", func(t *testing.T) {
		o := newOptions(t)
		twoGenerations(t, o)
		if err := o.Keyring.Delete(t.Context(), KeyringUser(filepath.Dir(o.File))); err != nil {
			t.Fatal(err)
		}
		before := snapshot(t, filepath.Dir(o.File))
		_, err := Open(t.Context(), o)
		wantError(t, err, ErrIdentityMissing, hint.Failed, o.File, KeyringUser(filepath.Dir(o.File)))
		if errors.Is(err, ErrDamaged) {
			t.Error("the vault is called damaged")
		}
		sameFiles(t, o, before)
	})
	t.Run("another identity", func(t *testing.T) {
		o := newOptions(t)
		twoGenerations(t, o)
		other, err := age.GenerateHybridIdentity()
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Keyring.Set(t.Context(), KeyringUser(filepath.Dir(o.File)), secret.New(other.String())); err != nil {
			t.Fatal(err)
		}
		before := snapshot(t, filepath.Dir(o.File))
		_, err = Open(t.Context(), o)
		wantError(t, err, ErrIdentityMissing, hint.Failed, "replaced", o.File, o.Previous)
		_, err = Restore(t.Context(), o)
		wantError(t, err, ErrIdentityMissing, hint.Failed, "replaced")
		sameFiles(t, o, before)
	})
	for _, fresh := range []bool{false, true} {
		o := newOptions(t)
		if !fresh {
			twoGenerations(t, o)
		}
		if err := o.Keyring.Set(t.Context(), KeyringUser(filepath.Dir(o.File)), secret.New(word)); err != nil {
			t.Fatal(err)
		}
		_, err := Open(t.Context(), o)
		wantError(t, err, ErrIdentityMissing, hint.Failed)
		if v, err := o.Keyring.Get(t.Context(), KeyringUser(filepath.Dir(o.File))); err != nil || v.Reveal() != word {
			t.Error("an entry that is not understood was replaced")
		}
	}
}

func FuzzDamage(f *testing.F) {
	dir := f.TempDir()
	o := options(filepath.Join(dir, "state"))
	twoGenerations(f, o)
	whole, err := os.ReadFile(o.File)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(0), byte(1), uint16(0), []byte(nil))
	f.Add(uint16(30), byte(1), uint16(0), []byte(nil))
	f.Add(uint16(1700), byte(0x80), uint16(0), []byte("x"))
	f.Add(uint16(5), byte(0), uint16(1), []byte(nil))
	f.Add(uint16(5), byte(0), uint16(0), []byte("\n"))
	f.Add(uint16(len(ageVersion)-2), byte('1'^'9'), uint16(0), []byte(nil))
	f.Add(uint16(len(ageVersion)-2), byte('1'^'9'), uint16(52), []byte("0"))
	f.Fuzz(func(t *testing.T, at uint16, flip byte, cut uint16, tail []byte) {
		b := bytes.Clone(whole)
		b[int(at)%len(b)] ^= flip
		b = append(b[:len(b)-int(cut)%len(b)], tail...)
		if bytes.Equal(b, whole) {
			return
		}
		if err := os.WriteFile(o.File, b, 0o600); err != nil {
			t.Fatal(err)
		}
		want := ErrDamaged
		if end := len(newerAge.Find(b)); end > 0 && !bytes.Equal(b[end:], whole[len(ageVersion):]) {
			want = ErrNewer // damage at two places, one of which makes another number of age's form
		}
		v, err := Open(t.Context(), o)
		if !errors.Is(err, want) {
			if v != nil {
				mustClose(t, v)
			}
			t.Fatalf("open = %v, want %v", err, want)
		}
		if now, err := os.ReadFile(o.File); err != nil || !bytes.Equal(now, b) {
			t.Fatalf("the damaged file was changed: %v", err)
		}
	})
}

func FuzzDocumentRoundTrip(f *testing.F) {
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		f.Fatal(err)
	}
	f.Add("key", `{"a":[1,2.50,"<&\u2028"]}`)
	f.Add("k/€", `"x"`)
	f.Add("", ` null `)
	f.Fuzz(func(t *testing.T, key, raw string) {
		tx := &Tx{records: map[string]json.RawMessage{}}
		if err := tx.Put(key, json.RawMessage(raw)); err != nil {
			if json.Valid([]byte(raw)) && key != "" && strings.ToValidUTF8(key, "") == key {
				t.Fatalf("put %q = %q: %v", key, raw, err)
			}
			return
		}
		d := document{Version: documentVersion, Generation: 7, Records: tx.records}
		data, err := seal(&d, id.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		got, err := open(data, id)
		if err != nil {
			t.Fatal(err)
		}
		if got.Generation != 7 || len(got.Records) != 1 || !bytes.Equal(got.Records[key], tx.records[key]) {
			t.Fatalf("got %q, want %q", got.Records, tx.records)
		}
	})
}

func TestKeyringEntryIsNamedAsItIsShownThere(t *testing.T) {
	o := &Options{KeyringUser: `vault of C:\Users\zoë\.keyporter`, Backend: Keyring}
	for _, err := range []error{ErrIdentityMissing, errEntryLeft} {
		if _, _, do := o.explain(err); !strings.Contains(do, `"`+o.KeyringUser+`"`) {
			t.Errorf("%v: %s", err, do)
		}
	}
}
