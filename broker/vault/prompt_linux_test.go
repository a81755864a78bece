package vault_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

// shortWait is a limit that a test waits for to pass.
const shortWait = 2 * time.Second

// The fake must be good enough for go-keyring, or the other tests prove nothing.
func TestASecretServiceKeepsTheIdentity(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	f := new(fakeSecrets).serve(t, s)
	for n := range 2 {
		succeed(t, s.env(true), task{Dir: s.dir, Do: "open", Count: n})
	}
	if n := f.unlocksAsked(); n != 0 {
		t.Errorf("%d unlocks of what is open", n)
	}
}

func TestOpenNeverShowsAPrompt(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	f := new(fakeSecrets).serve(t, s)
	succeed(t, s.env(true), task{Dir: s.dir, Do: "open"})
	for name, lock := range map[string]func(){
		"collection": func() { f.locked = true },
		"entry":      func() { f.locked, f.itemLocked = false, true },
	} {
		t.Run(name, func(t *testing.T) {
			f.mu.Lock()
			lock()
			f.mu.Unlock()
			out := do(t, s.env(true), task{Dir: s.dir, Do: "open", Count: 1, Limit: 2 * childLimit})
			want(t, out, "ErrLocked", hint.Locked, "Unlock the keyring")
		})
	}
	if n := f.unlocksAsked(); n != 0 || len(f.prompts) != 0 {
		t.Errorf("Open asked for %d unlocks and showed %d prompts", n, len(f.prompts))
	}
}

func TestAnAnsweredPromptUnlocks(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	f := (&fakeSecrets{locked: true}).serve(t, s)
	done := begin(t, s.env(true), task{Dir: s.dir, Do: "unlock"})
	await(t, "prompt", f.prompts)
	// Signals that are not the prompt's end have confused others: a prompt of
	// somebody else, and another signal of this one.
	for _, path := range []dbus.ObjectPath{promptPath + "2", promptPath} {
		name := promptIface + ".Completed"
		if path == promptPath {
			name = promptIface + ".Shown"
		}
		if err := f.conn.Emit(path, name, true, dbus.MakeVariant("")); err != nil {
			t.Fatal(err)
		}
	}
	f.answer(t, false)
	if out := await(t, "unlock", done); out.Err != "" {
		t.Fatalf("unlock: %v", out)
	}
	succeed(t, s.env(true), task{Dir: s.dir, Do: "open"})
}

func TestADismissedPromptIsARefusal(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	f := (&fakeSecrets{locked: true}).serve(t, s)
	done := begin(t, s.env(true), task{Dir: s.dir, Do: "unlock"})
	await(t, "prompt", f.prompts)
	f.answer(t, true)
	want(t, await(t, "unlock", done), "ErrDenied", hint.Locked, "Try again")
}

func TestAnUnansweredPromptEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	f := (&fakeSecrets{locked: true}).serve(t, s)
	out := do(t, s.env(true), task{Dir: s.dir, Do: "unlock", Wait: shortWait})
	want(t, out, "ErrTimeout", hint.Locked, "not answered in time")
	await(t, "prompt", f.prompts) // it was shown
}

// A Secret Service that says it has unlocked and has not must not be asked for
// ever.
func TestAPromptThatUnlocksNothingEnds(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	f := (&fakeSecrets{itemLocked: true, locked: true}).serve(t, s)
	done := begin(t, s.env(true), task{Dir: s.dir, Do: "unlock"})
	for answers := 0; ; answers++ {
		select {
		case <-f.prompts:
			if answers > 10 {
				t.Fatal("the prompt is shown again and again")
			}
			if err := f.conn.Emit(promptPath, promptIface+".Completed", false, dbus.MakeVariant([]dbus.ObjectPath{})); err != nil {
				t.Fatal(err)
			}
		case out := <-done:
			want(t, out, "ErrLocked", hint.Locked, "Unlock the keyring")
			return
		}
	}
}

func TestASecretServiceWithoutCollectionIsSaid(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	(&fakeSecrets{empty: true}).serve(t, s)
	for _, what := range []string{"open", "unlock"} {
		out := do(t, s.env(true), task{Dir: s.dir, Do: what})
		want(t, out, "ErrNoKeyring", hint.Failed, "has no collection yet")
	}
	noVault(t, s.dir)
}

// entryFor is an entry that belongs to the session's vault but holds no identity.
func entryFor(s *session) *storedItem {
	user := vault.KeyringUser(filepath.Join(s.dir, "state"))
	return &storedItem{map[string]string{"service": "keyporter", "username": user}, []byte("SECRETWORD")}
}

// hangs are calls that a Secret Service never answers: those of the look at it,
// and go-keyring's own.
var hangs = []string{"Service.Collections", "Collection.Locked", "SearchItems", "OpenSession", "GetSecret"}

func TestAKeyringThatHangsIsLeftAtTheLimit(t *testing.T) {
	t.Parallel()
	for _, method := range hangs {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			s := newSession(t)
			f := (&fakeSecrets{hang: method, item: entryFor(s)}).serve(t, s)
			out := do(t, s.env(true), task{Dir: s.dir, Do: "open", Limit: shortWait})
			want(t, out, "ErrTimeout", hint.Locked, "took too long")
			await(t, method, f.calls)
			noVault(t, s.dir)
		})
	}
}

func TestABusThatDiesEndsTheCall(t *testing.T) {
	t.Parallel()
	for _, method := range hangs {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			s := newSession(t)
			f := (&fakeSecrets{hang: method, item: entryFor(s)}).serve(t, s)
			done := begin(t, s.env(true), task{Dir: s.dir, Do: "open", Limit: 2 * childLimit})
			await(t, method, f.calls)
			end(s.daemon)
			want(t, await(t, "open", done), "ErrNoKeyring", hint.Failed, "")
			noVault(t, s.dir)
		})
	}
}

func TestABusThatDiesEndsThePrompt(t *testing.T) {
	t.Parallel()
	s := newSession(t)
	f := (&fakeSecrets{locked: true}).serve(t, s)
	done := begin(t, s.env(true), task{Dir: s.dir, Do: "unlock"})
	await(t, "prompt", f.prompts)
	end(s.daemon)
	want(t, await(t, "unlock", done), "ErrNoKeyring", hint.Failed, "")
}
