// Package fynelog keeps one complaint of Fyne from the user: where the system's
// locale is C.UTF-8, which is usual on servers and in containers, Fyne prints three
// lines about it, even for --help.
//
// Fyne prints them while its packages are initialised, so this one has to be ready
// before: it needs little, and of packages that are ready Go initialises the one
// first whose path sorts first (Go specification, package initialization). A program
// imports it for this alone.
package fynelog

import (
	"bytes"
	"io"
	"log"
)

func init() { log.SetOutput(&filter{out: log.Writer()}) }

// A filter leaves out what Fyne says of a locale. The logger writes line by line,
// and one at a time.
type filter struct {
	out  io.Writer
	more bool // lines of the complaint may follow
}

func (f *filter) Write(line []byte) (int, error) {
	switch {
	case bytes.Contains(line, []byte("Fyne error:  Error parsing user locale")):
		f.more = true
		return len(line), nil
	case f.more && (bytes.Contains(line, []byte("  Cause: ")) || bytes.Contains(line, []byte("  At: "))):
		return len(line), nil
	}
	f.more = false
	return f.out.Write(line)
}
