package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
)

const notesName = "BUILD.txt"

// writeNotes says with what the files were made: with the same, anybody gets the
// same bytes.
func (r *release) writeNotes(ctx context.Context, targets []target) error {
	goVersion, err := output(ctx, "go", "env", "GOVERSION")
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Keyporter %s\ncommit %s\ndate   %s\n", r.version, r.commit, r.date.Format("2006-01-02 15:04:05 MST"))
	fmt.Fprintf(&b, "\nMade with \"make release\" on %s/%s and\n  %s\n  nfpm %s\n", runtime.GOOS, runtime.GOARCH, goVersion, versionOf(nfpmTool))
	if err := writeCTools(ctx, &b, targets); err != nil {
		return err
	}
	return writeFile(filepath.Join(r.out, notesName), func(w io.Writer) error {
		_, err := io.WriteString(w, b.String())
		return err
	})
}

// writeCTools names the C compiler and Debian's packages, for targets with a tray app.
func writeCTools(ctx context.Context, b *strings.Builder, targets []target) error {
	var packages []string
	for _, t := range targets {
		packages = append(packages, t.packages...)
	}
	if len(packages) == 0 {
		return nil
	}
	cc, err := output(ctx, "scripts/cc")
	if err != nil {
		return err
	}
	about, err := output(ctx, cc, "--version")
	if err != nil {
		return err
	}
	first, _, _ := strings.Cut(about, "\n")
	fmt.Fprintf(b, "  %s: %s\n", filepath.Base(cc), first)
	for _, name := range packages {
		// On other systems than Debian the tools have other names.
		if v, err := output(ctx, "dpkg-query", "--show", "--showformat=${Version}", name); err == nil && v != "" {
			fmt.Fprintf(b, "  %s %s\n", name, v)
		}
	}
	return nil
}

func versionOf(tool string) string {
	_, version, _ := strings.Cut(tool, "@")
	return version
}
