package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
)

// maxLink is how long a link may be, in bytes.
const maxLink = 64 << 10

// linkFile is where a start that was asked to open a link leaves it for the app
// that runs, which may be this one. All that can be said over the socket between
// the two is "show".
func (o *Options) linkFile() string { return filepath.Join(o.Paths.Runtime, "tray.link") }

// leaveLink leaves the link that this start was asked to open.
func (o *Options) leaveLink() error {
	if o.Link == "" {
		return nil
	}
	err := o.Paths.Make()
	if err == nil {
		err = atomicfile.WriteFile(o.linkFile(), []byte(o.Link))
	}
	if err != nil {
		return hint.Wrap(err, hint.Failed, "The link cannot be handed to Keyporter.", "Open Keyporter and paste the link on the page Team.")
	}
	return nil
}

// takeLink returns the link that a start has left, once; "" if there is none.
func (o *Options) takeLink() string {
	text, err := os.ReadFile(o.linkFile())
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err = errors.Join(err, os.Remove(o.linkFile())); err != nil || len(text) > maxLink {
		o.Log.Warn("link not taken", "err", err)
		return ""
	}
	return string(text)
}
