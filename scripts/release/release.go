package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// A release is one commit under one version.
type release struct {
	out     string // the folder for what is made
	version string
	commit  string // in full; "unknown" outside of a repository
	date    time.Time
	stdout  io.Writer
}

var appVersion = regexp.MustCompile(`(?m)^Version = "(.*)"$`)

// newRelease finds out what is released. VERSION names it, else the tag on the
// commit, else the version of FyneApp.toml with the commit behind it. Its date is
// SOURCE_DATE_EPOCH, else the commit's.
func newRelease(ctx context.Context, out string, stdout io.Writer) (*release, error) {
	app, err := os.ReadFile("FyneApp.toml")
	if err != nil {
		return nil, err
	}
	base := appVersion.FindSubmatch(app)
	if base == nil {
		return nil, errors.New("FyneApp.toml has no version")
	}
	r := &release{out: out, commit: "unknown", stdout: stdout}
	if commit, err := output(ctx, "git", "rev-parse", "HEAD"); err == nil {
		r.commit = commit
	}
	if r.version, err = version(ctx, os.Getenv("VERSION"), string(base[1])); err != nil {
		return nil, err
	}
	epoch := os.Getenv("SOURCE_DATE_EPOCH")
	if epoch == "" {
		if epoch, err = output(ctx, "git", "log", "-1", "--format=%ct"); err != nil {
			return nil, errors.New("git knows no commit here; set SOURCE_DATE_EPOCH and VERSION")
		}
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("SOURCE_DATE_EPOCH is %q and no number of seconds", epoch)
	}
	r.date = time.Unix(seconds, 0).UTC()
	return r, nil
}

// What stands behind a dash is a revision of Debian's own, and RPM allows none.
var validVersion = regexp.MustCompile(`^[0-9][0-9A-Za-z.+~]*$`)

func version(ctx context.Context, wanted, base string) (string, error) {
	v := wanted
	if v == "" {
		// As many digits in each clone: git's own choice grows with the repository.
		described, err := output(ctx, "git", "describe", "--always", "--abbrev=12", "--dirty=.dirty", "--exclude=*")
		if err != nil {
			return "", errors.New("git knows no commit here; set SOURCE_DATE_EPOCH and VERSION")
		}
		v = base + "~git" + described
		tag, err := output(ctx, "git", "describe", "--tags", "--exact-match", "--match=v[0-9]*")
		if err == nil && !strings.HasSuffix(described, ".dirty") {
			v = tag
		}
	}
	v = strings.TrimPrefix(v, "v")
	if !validVersion.MatchString(v) {
		return "", fmt.Errorf("%q is no version: it begins with a digit and has no dash", v)
	}
	return v, nil
}

// build makes the files for the targets, and last what speaks of all of them.
func (r *release) build(ctx context.Context, targets []target, key string) error {
	if err := clear(r.out); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "keyporter-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	table := tabwriter.NewWriter(r.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\ntarget\tprograms\tfiles\tnot in it")
	for _, t := range targets {
		made, err := r.buildTarget(ctx, t, work)
		if err != nil {
			return fmt.Errorf("%s: %w", t, err)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", t, strings.Join(t.programs(), " "), strings.Join(made, " "), t.without)
	}
	if err := r.writeNotes(ctx, targets); err != nil {
		return err
	}
	if err := writeSums(r.out); err != nil {
		return err
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if key == "" {
		fmt.Fprintf(r.stdout, "\n%s is not signed: name a minisign key with -key FILE or KEYPORTER_RELEASE_KEY.\n", sumsName)
		return nil
	}
	return r.sign(ctx, key)
}

// buildTarget makes the files for one target and returns the ends of their names.
func (r *release) buildTarget(ctx context.Context, t target, work string) ([]string, error) {
	fmt.Fprintf(r.stdout, "release: %s\n", t)
	name := fmt.Sprintf("keyporter-%s-%s-%s", r.version, t.os, t.arch)
	tree := filepath.Join(work, name)
	if err := r.plant(ctx, t, tree); err != nil {
		return nil, err
	}
	bom := name + ".cdx.json"
	if err := copyFile(filepath.Join(tree, t.documents(), bomName), filepath.Join(r.out, bom)); err != nil {
		return nil, err
	}
	archive, pack := name+".tar.gz", tarball
	if t.os == "windows" {
		archive, pack = name+".zip", zipped
	}
	if err := writeFile(filepath.Join(r.out, archive), func(w io.Writer) error {
		return pack(w, tree, name, r.date)
	}); err != nil {
		return nil, err
	}
	made := []string{strings.TrimPrefix(archive, name), ".cdx.json"}
	if t.os == "linux" {
		for _, format := range []string{"deb", "rpm"} {
			if err := r.nfpm(ctx, t, tree, format); err != nil {
				return nil, err
			}
			made = append(made, "."+format)
		}
	}
	return made, os.RemoveAll(tree)
}

// clear makes the folder and removes what an earlier release left in it.
func clear(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, pattern := range []string{"keyporter-*", "keyporter_*", sumsName + "*", notesName} {
		left, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil {
			return err
		}
		for _, file := range left {
			if err := os.RemoveAll(file); err != nil {
				return err
			}
		}
	}
	return nil
}

// output returns what a command prints, without the space around it.
func output(ctx context.Context, name string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("%s: %w\n%s", name, err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// writeFile makes a file that everybody may read, whatever the umask.
func writeFile(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Chmod(0o644), f.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(name), err)
	}
	return nil
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return writeFile(to, func(w io.Writer) error {
		_, err := io.Copy(w, src)
		return err
	})
}

// files returns the regular files below a folder in order, by paths with slashes.
func files(folder string) ([]string, error) {
	var names []string
	err := fs.WalkDir(os.DirFS(folder), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			names = append(names, path)
		}
		return err
	})
	return names, err
}
