package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
)

// What callers can match. Errors of this package carry one of them where it
// applies, and a hint.Error with the words.
var (
	ErrLocked          = errors.New("the vault is locked")        // the keyring is locked, or a passphrase is needed
	ErrNoKeyring       = errors.New("no keyring")                 // its text says what is missing
	ErrDenied          = errors.New("access denied")              // by the user at a prompt, or by the system
	ErrTimeout         = errors.New("the keyring did not answer") // within Options.KeyringTimeout or Unlock's context
	ErrIdentityMissing = errors.New("the vault's key is missing")
	ErrWrongPassphrase = errors.New("wrong passphrase")
	ErrDamaged         = errors.New("the vault is damaged") // vault.age is damaged or missing; nothing was changed
	ErrNewer           = errors.New("written by a newer version")
	ErrTouched         = errors.New("another program wrote to the vault") // while it was open; nothing was overwritten
)

// The cases of a sentinel that have words of their own.
var (
	errNoBus         = fmt.Errorf("%w: there is no session bus", ErrNoKeyring)
	errNoService     = fmt.Errorf("%w: no program offers one", ErrNoKeyring)
	errNoCollection  = fmt.Errorf("%w: it has no collection yet", ErrNoKeyring)
	errPromptOpen    = fmt.Errorf("%w: its prompt was not answered", ErrTimeout)
	errNoPassphrase  = fmt.Errorf("%w: no passphrase was given", ErrLocked)
	errIdentityFile  = fmt.Errorf("%w: its key file cannot be read", ErrDamaged)
	errEntryUnknown  = fmt.Errorf("%w: the keyring's entry holds something else", ErrIdentityMissing)
	errOtherIdentity = fmt.Errorf("%w, or the key is another one: %w", ErrDamaged, ErrIdentityMissing)
	errVaultMissing  = fmt.Errorf("%w: the file is missing", ErrDamaged)
	errNotRegular    = errors.New("not a regular file")
	errTooLarge      = errors.New("the vault would be too large")
	errUnverified    = errors.New("what was stored reads back differently")
	errClosed        = errors.New("the vault is closed")
	errNotDamaged    = errors.New("the vault is whole")
	errEntryLeft     = errors.New("the old keyring entry is left")
)

// A previousError says why the previous generation cannot be read either.
type previousError struct{ err error }

func (e *previousError) Error() string { return "previous generation: " + e.err.Error() }
func (e *previousError) Unwrap() error { return e.err }

// A touchedError is ErrTouched with the file that holds what was in memory.
type touchedError struct{ kept string }

func (e *touchedError) Error() string { return ErrTouched.Error() }
func (e *touchedError) Unwrap() error { return ErrTouched }

// A newerError is ErrNewer with the file.
type newerError struct {
	path string
	err  error
}

func (e *newerError) Error() string { return filepath.Base(e.path) + ": " + e.err.Error() }
func (e *newerError) Unwrap() error { return e.err }

// words gives err the words for a person, unless it has some (the passphrase
// function's).
func (o *Options) words(err error) error {
	var said *hint.Error
	if err == nil || errors.As(err, &said) {
		return err
	}
	code, what, do := o.explain(err)
	return hint.Wrap(err, code, what, do)
}

// usePassphrase is the way out wherever there is no keyring.
const usePassphrase = "Or keep the vault's key under a passphrase: keyporter vault use passphrase."

func (o *Options) explain(err error) (code hint.Code, what, do string) {
	var touched *touchedError
	var newer *newerError
	switch {
	case errors.As(err, &touched):
		return hint.Failed, fmt.Sprintf("Another program changed the vault %s while Keyporter was using it, so Keyporter does not write to it.", o.File),
			fmt.Sprintf("To go on with the changed file, run keyporter stop and keyporter start; to go on with what Keyporter knew, rename %s to %s in between.", touched.kept, filepath.Base(o.File))
	case errors.Is(err, errEntryLeft):
		return hint.Failed, fmt.Sprintf("The vault's key is now under the passphrase, but its old entry in %s could not be removed.", keyringName()),
			fmt.Sprintf("Remove the entry \"%s\" of \"%s\" there, or run keyporter vault use passphrase again when the keyring is open.", o.KeyringUser, service)
	case errors.Is(err, errIdentityFile):
		return hint.Failed, fmt.Sprintf("The vault's key file %s is damaged.", o.Identity),
			fmt.Sprintf("Bring it back from a backup: without it neither %s nor %s can be read, and keyporter vault restore cannot help.", o.File, o.Previous)
	case errors.Is(err, errOtherIdentity):
		return hint.Failed, fmt.Sprintf("The vault cannot be opened with the key in %s: the key was replaced, or %s and %s are damaged.", o.keyPlace(), o.File, o.Previous),
			"Bring the key or the files back from a backup. If they are only damaged, keyporter vault restore may help. Nothing is written until then."
	case errors.Is(err, ErrDamaged):
		return o.explainDamaged(err)
	case errors.As(err, &newer):
		return hint.Failed, fmt.Sprintf("The vault's file %s was written by a newer version of Keyporter.", newer.path), "Install that version or a later one. This one leaves the vault as it is."
	case errors.Is(err, ErrWrongPassphrase):
		return hint.Locked, "The passphrase is wrong.", "Try again; in a terminal: keyporter start."
	case errors.Is(err, errNoPassphrase):
		return hint.Locked, "The vault is locked: its passphrase is needed.", "Run keyporter start and type it, or name a file with KEYPORTER_PASSPHRASE_FILE."
	case errors.Is(err, ErrIdentityMissing):
		return hint.Failed, fmt.Sprintf("The key of the vault %s is not in %s.", o.File, keyringName()),
			fmt.Sprintf("Bring back the entry \"%s\" of \"%s\", or %s if a passphrase protected it, from a backup. To begin with an empty vault, move %s and %s away.",
				o.KeyringUser, service, o.Identity, o.File, o.Previous)
	case errors.Is(err, errNotDamaged):
		return hint.Usage, "The vault is whole, so nothing was restored.", ""
	}
	return o.explainKeyring(err)
}

func (o *Options) explainDamaged(err error) (code hint.Code, what, do string) {
	what = fmt.Sprintf("The vault %s is damaged.", o.File)
	if errors.Is(err, errVaultMissing) {
		what = fmt.Sprintf("The vault %s is missing.", o.File)
	}
	do = fmt.Sprintf("Bring the previous generation, %s, back with: keyporter vault restore. Nothing is written until then.", o.Previous)
	var prev *previousError
	if errors.As(err, &prev) {
		do = fmt.Sprintf("Its previous generation, %s, cannot be read either, so keyporter vault restore cannot help: bring the file back from a backup, or move both and %s away to begin with an empty vault.", o.Previous, o.Identity)
	}
	return hint.Failed, what, do
}

func (o *Options) explainKeyring(err error) (code hint.Code, what, do string) {
	name := keyringName()
	switch {
	case errors.Is(err, errNoBus):
		return hint.Failed, "There is no keyring here: no session bus is running, as without a desktop.", "Sign in to the desktop first. " + usePassphrase
	case errors.Is(err, errNoCollection):
		return hint.Failed, "The keyring of this desktop has no collection yet, so nothing can be stored in it.",
			"Make one with the desktop's password program (Passwords and Keys, KWalletManager). " + usePassphrase
	case errors.Is(err, ErrNoKeyring):
		return hint.Failed, "There is no keyring here: no program offers one to this session.",
			"Install and start one (GNOME Keyring, KWallet, KeePassXC with its Secret Service switched on). " + usePassphrase
	case errors.Is(err, errPromptOpen):
		return hint.Locked, fmt.Sprintf("The request of %s to be unlocked was not answered in time.", name), "Try again and answer it."
	case errors.Is(err, ErrTimeout):
		return hint.Locked, fmt.Sprintf("The access to %s took too long.", name), "Look for a dialog of it that waits for an answer, then try again."
	case errors.Is(err, ErrDenied):
		return hint.Locked, fmt.Sprintf("The access to %s was refused, or its prompt was closed or could not be shown.", name), "Try again and allow it."
	case errors.Is(err, ErrLocked):
		return hint.Locked, fmt.Sprintf("The vault is locked, because %s is.", name), "Unlock the keyring, or sign in to the desktop."
	}
	return o.explainFiles(err)
}

func (o *Options) explainFiles(err error) (code hint.Code, what, do string) {
	dir := filepath.Dir(o.File)
	var file *fs.PathError
	switch {
	case errors.Is(err, errTooLarge):
		return hint.Failed, "The vault would become too large.", "Remove accounts that are not needed."
	case atomicfile.Full(err):
		return hint.Failed, fmt.Sprintf("The vault cannot be written: there is no space left for %s.", dir), "Free some space, then try again."
	case atomicfile.ReadOnly(err):
		return hint.Failed, fmt.Sprintf("The vault cannot be written: the disk that holds %s is read-only.", dir), "Make it writable, or set KEYPORTER_HOME to another folder."
	case errors.Is(err, errNotRegular) && errors.As(err, &file):
		return hint.Failed, fmt.Sprintf("%s is a link or something else that is not a file, so Keyporter does not use it.", file.Path),
			"Put the file itself there, or set KEYPORTER_HOME to the folder that holds it."
	case errors.Is(err, errUnverified):
		return hint.Failed, "The new place for the vault's key does not give it back unchanged, so the key stays where it is.", "Try again, or use another place for it."
	case errors.Is(err, errClosed):
		return hint.Stopped, "Keyporter is stopping.", "Try again in a moment."
	case errors.Is(err, context.Canceled):
		return hint.Failed, "The operation was cancelled.", ""
	case errors.Is(err, context.DeadlineExceeded):
		return hint.Unreachable, "It took too long.", "Try again."
	case errors.Is(err, fs.ErrNotExist):
		return hint.Failed, fmt.Sprintf("The vault cannot be used: its folder %s or a file in it is gone.", dir), "Bring it back, or set KEYPORTER_HOME to another folder."
	}
	return hint.Failed, fmt.Sprintf("The vault in %s cannot be used.", dir), "Check that the folder is yours, that it can be written to, and that the keyring works: keyporter doctor."
}

// keyPlace says where the identity is, for a sentence.
func (o *Options) keyPlace() string {
	if _, err := os.Lstat(o.Identity); err == nil {
		return o.Identity
	}
	return keyringName()
}

// keyringName is how the users of this system call its keyring, in a sentence.
func keyringName() string {
	switch runtime.GOOS {
	case "darwin":
		return "the login keychain"
	case "windows":
		return "the Credential Manager"
	}
	return "the keyring"
}
