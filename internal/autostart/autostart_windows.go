package autostart

import (
	"errors"
	"strings"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/registry"
)

const runKey = `Software\Microsoft\Windows\CurrentVersion\Run`

// approvedKey is where the Task Manager keeps what the user switched off: a
// value whose first byte is odd.
const approvedKey = `Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run`

func (e *Entry) enabled() (bool, error) {
	k, err := registry.OpenKey(registry.CURRENT_USER, runKey, registry.QUERY_VALUE)
	if err != nil {
		return false, absent(err)
	}
	defer k.Close()
	if _, _, err := k.GetStringValue(e.ID); err != nil {
		return false, absent(err)
	}
	a, err := registry.OpenKey(registry.CURRENT_USER, approvedKey, registry.QUERY_VALUE)
	if err != nil {
		return true, absent(err)
	}
	defer a.Close()
	b, _, err := a.GetBinaryValue(e.ID)
	return err != nil || len(b) == 0 || b[0]&1 == 0, absent(err)
}

func (e *Entry) set(on bool) error {
	k, _, err := registry.CreateKey(registry.CURRENT_USER, runKey, registry.SET_VALUE)
	if err != nil {
		return err
	}
	defer k.Close()
	if !on {
		return absent(k.DeleteValue(e.ID))
	}
	words := []string{windows.EscapeArg(e.Program)}
	for _, a := range e.Args {
		words = append(words, windows.EscapeArg(a))
	}
	if a, err := registry.OpenKey(registry.CURRENT_USER, approvedKey, registry.SET_VALUE); err == nil {
		defer a.Close()
		if err := absent(a.DeleteValue(e.ID)); err != nil {
			return err
		}
	}
	return k.SetStringValue(e.ID, strings.Join(words, " "))
}

func (e *Entry) starts() (string, error) {
	k, err := registry.OpenKey(registry.CURRENT_USER, runKey, registry.QUERY_VALUE)
	if err != nil {
		return "", absent(err)
	}
	defer k.Close()
	line, _, err := k.GetStringValue(e.ID)
	if err != nil {
		return "", absent(err)
	}
	words, err := windows.DecomposeCommandLine(line)
	if err != nil || len(words) == 0 {
		return "", err
	}
	return words[0], nil
}

// absent takes the error for a value or key that is not there away.
func absent(err error) error {
	if errors.Is(err, registry.ErrNotExist) {
		return nil
	}
	return err
}
