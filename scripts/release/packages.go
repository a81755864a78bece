package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The version is part of what the packages' bytes depend on.
const nfpmTool = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.4"

// nfpm makes a package, a .deb or an .rpm, of the tree that the tarball holds too.
func (r *release) nfpm(ctx context.Context, t target, tree, format string) error {
	config, err := r.nfpmConfig(t, tree)
	if err != nil {
		return err
	}
	file := tree + ".nfpm.yaml"
	if err := writeFile(file, func(w io.Writer) error {
		_, err := io.WriteString(w, config)
		return err
	}); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "go", "run", nfpmTool, "package", "--config", file, "--packager", format, "--target", r.out)
	cmd.Env = append(plainEnv(), "CGO_ENABLED=0", fmt.Sprintf("SOURCE_DATE_EPOCH=%d", r.date.Unix()))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make the .%s: %w\n%s", format, err, out)
	}
	return nil
}

// nfpmConfig fills assets/linux/nfpm.yaml and names each file, with time and mode.
// Folders are left to the system's own packages, but for the one of the documents.
func (r *release) nfpmConfig(t target, tree string) (string, error) {
	template, err := os.ReadFile("assets/linux/nfpm.yaml")
	if err != nil {
		return "", err
	}
	names, err := files(tree)
	if err != nil {
		return "", err
	}
	mtime := r.date.Format("2006-01-02T15:04:05Z")
	var b strings.Builder
	b.WriteString(strings.NewReplacer("@VERSION@", r.version, "@ARCH@", t.arch).Replace(string(template)))
	fmt.Fprintf(&b, "mtime: %s\ncontents:\n", mtime)
	fmt.Fprintf(&b, "  - {type: dir, dst: /usr/%s, file_info: {mode: 0755, mtime: %s}}\n", t.documents(), mtime)
	for _, name := range names {
		fmt.Fprintf(&b, "  - {src: %q, dst: %q, file_info: {mode: 0%o, mtime: %s}}\n",
			filepath.Join(tree, name), "/usr/"+name, fileMode(name), mtime)
	}
	return b.String(), nil
}
