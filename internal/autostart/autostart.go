// Package autostart makes a program start when its user logs in: an entry of the
// XDG autostart folder, a LaunchAgent of macOS, a value of Windows' Run key. It
// starts nothing itself.
package autostart

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"keyporter/internal/hint"
)

// An Entry is a program to start at login.
type Entry struct {
	ID      string // Required. Names the entry: dev.keyporter.Keyporter.
	Name    string // Required. What people read in their desktop's settings.
	Program string // Required. Absolute path.
	Args    []string
	// Getenv finds the user's folders; os.Getenv. Required.
	Getenv func(string) string
}

func (e *Entry) check() error {
	switch {
	case e.ID == "" || strings.ContainsAny(e.ID, `/\`):
		return errors.New("autostart: ID is required, without slashes")
	case e.Name == "" || e.Getenv == nil:
		return errors.New("autostart: Name and Getenv are required")
	case !filepath.IsAbs(e.Program):
		return errors.New("autostart: Program has to be an absolute path")
	}
	for _, s := range append([]string{e.Name, e.Program}, e.Args...) {
		if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return errors.New("autostart: a control character")
		}
	}
	return nil
}

// On reports whether the program starts at login. An entry that the user
// switched off in the desktop's own settings counts as none.
func (e *Entry) On() (bool, error) {
	if err := e.check(); err != nil {
		return false, err
	}
	return e.enabled()
}

// TrayID names the entry of Keyporter's tray app.
const TrayID = "dev.keyporter.Keyporter"

// Starts returns the program that the entry starts, which may be another one than
// e.Program or gone, or nothing where there is no entry or it is switched off. It
// needs ID and Getenv only.
func (e *Entry) Starts() (string, error) {
	on, err := e.enabled()
	if err != nil || !on {
		return "", err
	}
	return e.starts()
}

// Set makes the program start at login, from where it is now, or no longer.
func (e *Entry) Set(on bool) error {
	if err := e.check(); err != nil {
		return err
	}
	if err := e.set(on); err != nil {
		return hint.Wrap(err, hint.Failed, fmt.Sprintf("Whether %s starts at login could not be changed.", e.Name),
			"Add or remove it in the settings of your desktop.")
	}
	return nil
}
