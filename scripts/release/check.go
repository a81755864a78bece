package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// check makes the release of the current commit twice, in two clones: the second
// one later, below another folder and home, with another umask and time zone, and
// with caches of its own, so that everything is compiled anew. Then it compares
// all bytes, and verifies and installs what was made as a person would.
func check(ctx context.Context, home string, targets []target, stdout io.Writer) error {
	work, err := os.MkdirTemp("", "keyporter-check-")
	if err != nil {
		return err
	}
	defer remove(work)
	c := checker{work: work, targets: targets, stdout: stdout}
	if home == "" {
		home = filepath.Join(work, "home")
	}
	if home, err = filepath.Abs(home); err != nil {
		return err
	}
	commit, err := output(ctx, "git", "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	if changes, err := output(ctx, "git", "status", "--porcelain"); err == nil && changes != "" {
		fmt.Fprintln(stdout, "check: what is not committed is left out")
	}
	first, second := filepath.Join(work, "one"), filepath.Join(work, "another", "folder", "deep below")
	for _, folder := range []string{first, second} {
		if _, err := output(ctx, "git", "clone", "--quiet", ".", folder); err != nil {
			return err
		}
		if _, err := output(ctx, "git", "-C", folder, "checkout", "--quiet", commit); err != nil {
			return err
		}
	}
	if err := c.makeKey(ctx); err != nil {
		return err
	}
	build := []string{"run", "./scripts/release", "build"}
	for _, t := range targets {
		build = append(build, t.String())
	}
	if err := c.run(ctx, first, nil, "go", build...); err != nil {
		return err
	}
	env, err := elsewhere(ctx, home)
	if err != nil {
		return err
	}
	if err := c.run(ctx, second, append(env, "KEYPORTER_RELEASE_KEY="+c.key()), "sh", "-c", "umask 077; exec go "+strings.Join(build, " ")); err != nil {
		return err
	}
	made := filepath.Join(second, "dist", "release")
	if err := c.compare(filepath.Join(first, "dist", "release"), made); err != nil {
		return err
	}
	return errors.Join(c.verify(ctx, made), c.listed(ctx, made), c.install(ctx, made))
}

// elsewhere is the environment of another machine, as far as this one has it: the
// module cache in use serves as the module proxy.
func elsewhere(ctx context.Context, home string) ([]string, error) {
	modules, err := output(ctx, "go", "env", "GOMODCACHE")
	if err != nil {
		return nil, err
	}
	proxy, err := output(ctx, "go", "env", "GOPROXY")
	if err != nil {
		return nil, err
	}
	return []string{"HOME=" + home, "GOPATH=" + filepath.Join(home, "go"), "GOMODCACHE=" + filepath.Join(home, "modules"),
		"GOCACHE=" + filepath.Join(home, "cache"), "GOPROXY=file://" + modules + "/cache/download," + proxy,
		"TZ=Asia/Tokyo", "LC_ALL=C.UTF-8", "HOSTNAME=elsewhere"}, nil
}

type checker struct {
	work    string
	targets []target
	stdout  io.Writer
}

func (c checker) key() string { return filepath.Join(c.work, "key") }

func (c checker) makeKey(ctx context.Context) error {
	return c.run(ctx, c.work, nil, "go", "run", minisignTool, "-G", "-W", "-s", c.key(), "-p", c.key()+".pub")
}

func (c checker) run(ctx context.Context, folder string, env []string, name string, args ...string) error {
	fmt.Fprintf(c.stdout, "check: %s %s\n", name, strings.Join(args, " "))
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = folder, append(plainEnv(), env...)
	cmd.Stdout, cmd.Stderr = c.stdout, c.stdout
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return nil
}

// compare says which files of two folders differ; the signature is only in one.
func (c checker) compare(a, b string) error {
	inA, err := files(a)
	if err != nil {
		return err
	}
	inB, err := files(b)
	if err != nil {
		return err
	}
	inB = slices.DeleteFunc(inB, func(name string) bool { return name == sumsName+".minisig" })
	if !slices.Equal(inA, inB) {
		return fmt.Errorf("the builds made different files: %v and %v", inA, inB)
	}
	var different []string
	for _, name := range inA {
		one, err := os.ReadFile(filepath.Join(a, name))
		if err != nil {
			return err
		}
		other, err := os.ReadFile(filepath.Join(b, name))
		if err != nil {
			return err
		}
		if !bytes.Equal(one, other) {
			different = append(different, name)
		}
	}
	if len(different) > 0 {
		return fmt.Errorf("%d of %d files differ between the builds: %s", len(different), len(inA), strings.Join(different, " "))
	}
	fmt.Fprintf(c.stdout, "check: both builds made the same %d files, byte for byte\n", len(inA))
	return nil
}

// verify does what docs/release.md tells people to do.
func (c checker) verify(ctx context.Context, made string) error {
	if err := c.run(ctx, made, nil, "go", "run", minisignTool, "-V", "-p", c.key()+".pub", "-m", sumsName); err != nil {
		return err
	}
	return c.run(ctx, made, nil, "sha256sum", "--check", "--quiet", "--strict", sumsName)
}

var rpmArch = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// listed compares what the packages of each processor hold with the archive.
func (c checker) listed(ctx context.Context, made string) error {
	for _, t := range c.targets {
		if t.os != "linux" {
			continue
		}
		archive, err := one(made, "keyporter-*-linux-"+t.arch+".tar.gz")
		if err != nil {
			return err
		}
		want, err := c.names(ctx, `tar -tzf "$1" | grep -v '/$' | sed 's,^[^/]*,/usr,'`, archive)
		if err != nil {
			return err
		}
		for pattern, script := range map[string]string{
			"keyporter_*_" + t.arch + ".deb":          `dpkg-deb --fsys-tarfile "$1" | tar -t | grep -v '/$' | sed 's,^\.,,'`,
			"keyporter-*." + rpmArch[t.arch] + ".rpm": `rpm -qpl "$1" | grep -vx /usr/share/doc/keyporter`,
		} {
			file, err := one(made, pattern)
			if err != nil {
				return err
			}
			got, err := c.names(ctx, script, file)
			if err != nil {
				return err
			}
			if got != want {
				return fmt.Errorf("%s holds\n%s\nand the archive\n%s", filepath.Base(file), got, want)
			}
			fmt.Fprintf(c.stdout, "check: %s holds what the archive holds\n", filepath.Base(file))
		}
	}
	return nil
}

// install puts the packages for this processor into roots of their own, which only
// root can do, and runs what was installed.
func (c checker) install(ctx context.Context, made string) error {
	if os.Geteuid() != 0 {
		fmt.Fprintln(c.stdout, "check: only root can install packages into a folder, so that was left out")
		return nil
	}
	here := runtime.GOARCH
	if !slices.ContainsFunc(c.targets, func(t target) bool { return t.os == "linux" && t.arch == here }) {
		return nil
	}
	for pattern, script := range map[string]string{
		"keyporter_*_" + here + ".deb": `mkdir -p "$2/var/lib/dpkg/updates" "$2/var/lib/dpkg/info" && : >"$2/var/lib/dpkg/status" &&
			dpkg --root="$2" --log=/dev/null --force-depends --install "$1" 2>&1 && dpkg --root="$2" --verify keyporter`,
		"keyporter-*." + rpmArch[here] + ".rpm": `mkdir -p "$2" && rpm --root "$2" --initdb && rpm --root "$2" --nodeps --install "$1" && rpm --root "$2" --verify --nodeps keyporter`,
	} {
		file, err := one(made, pattern)
		if err != nil {
			return err
		}
		root := filepath.Join(c.work, filepath.Ext(file))
		if err := c.run(ctx, c.work, nil, "sh", "-ec", script, "sh", file, root); err != nil {
			return err
		}
		if err := c.run(ctx, c.work, nil, filepath.Join(root, "usr/bin/keyporter"), "version"); err != nil {
			return err
		}
	}
	return nil
}

// names returns the lines that a shell script prints about a file, in order.
func (c checker) names(ctx context.Context, script, file string) (string, error) {
	out, err := output(ctx, "sh", "-ec", script, "sh", file)
	if err != nil {
		return "", err
	}
	lines := strings.Split(out, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n"), nil
}

// one returns the one file that a pattern names.
func one(folder, pattern string) (string, error) {
	found, err := filepath.Glob(filepath.Join(folder, pattern))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d files are called %s", len(found), pattern)
	}
	if err != nil {
		return "", err
	}
	return found[0], nil
}

// remove removes a folder, also the module cache in it, which Go makes read-only.
func remove(folder string) {
	_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	_ = os.RemoveAll(folder)
}
