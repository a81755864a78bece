package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"
)

// A target is a system and a processor.
type target struct {
	os, arch string
	triple   string   // the C compiler's name for it; empty: no tray app
	packages []string // Debian's, which decide what the tray app becomes
	without  string   // what its archive lacks, and why; empty: nothing
}

var allTargets = []target{
	{os: "linux", arch: "amd64", triple: "x86_64-linux-gnu",
		packages: []string{"binutils", "libc6-dev:amd64", "libgcc-12-dev:amd64"}},
	{os: "linux", arch: "arm64", triple: "aarch64-linux-gnu",
		packages: []string{"binutils-aarch64-linux-gnu", "gcc-12-aarch64-linux-gnu", "libc6-dev-arm64-cross", "libgcc-12-dev-arm64-cross"}},
	{os: "darwin", arch: "amd64", without: "keyporter-tray: it is built on macOS, by scripts/macos"},
	{os: "darwin", arch: "arm64", without: "keyporter-tray: it is built on macOS, by scripts/macos"},
	{os: "windows", arch: "amd64", triple: "x86_64-w64-mingw32",
		packages: []string{"binutils-mingw-w64-x86-64", "gcc-mingw-w64-x86-64-win32", "mingw-w64-x86-64-dev"}},
	{os: "windows", arch: "arm64", without: "keyporter-tray: Debian has no C tools for it; use the one for amd64"},
}

// chooseTargets returns the named ones, or all.
func chooseTargets(names []string) ([]target, error) {
	var chosen []target
	for _, t := range allTargets {
		for i, name := range names {
			if name == t.String() {
				chosen = append(chosen, t)
				names = append(names[:i:i], names[i+1:]...)
				break
			}
		}
	}
	switch {
	case len(names) > 0:
		return nil, fmt.Errorf("there is no target %q; one is linux/amd64", names[0])
	case len(chosen) == 0:
		return allTargets, nil
	}
	return chosen, nil
}

func (t target) String() string { return t.os + "/" + t.arch }

func (t target) programs() []string {
	if t.triple == "" {
		return []string{"keyporter", "keyporter-demo"}
	}
	return []string{"keyporter", "keyporter-demo", "keyporter-tray"}
}

// program returns the path of a program in the target's tree.
func (t target) program(name string) string {
	switch t.os {
	case "windows":
		return name + ".exe"
	case "linux":
		return path.Join("bin", name)
	}
	return name
}

// documents returns the folder of the target's tree for what people read.
func (t target) documents() string {
	if t.os == "linux" {
		return "share/doc/keyporter"
	}
	return "."
}

// compile builds a program into a file.
func (t target) compile(ctx context.Context, version, program, file string) error {
	ldflags := "-s -w -X main.version=" + version
	env := []string{"CGO_ENABLED=0"}
	if program == "keyporter-tray" {
		cc, extra, err := t.cc(ctx)
		if err != nil {
			return err
		}
		// With C in a program, Go's build ID covers more than what ends in the
		// program: the same bytes have another one in another folder.
		ldflags += extra + " -buildid="
		env = []string{"CGO_ENABLED=1", "CC=" + cc, "PKG_CONFIG_LIBDIR=/usr/lib/" + t.triple + "/pkgconfig:/usr/share/pkgconfig"}
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-ldflags", ldflags, "-o", file, "./cmd/"+program)
	cmd.Env = append(plainEnv(), env...)
	cmd.Env = append(cmd.Env, "GOOS="+t.os, "GOARCH="+t.arch, "GOAMD64=v1", "GOARM64=v8.0",
		"GOFLAGS=-trimpath -buildvcs=false -mod=readonly")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", program, err, out)
	}
	return nil
}

// cc returns the C compiler for the target, and what Go's linker has to know. Of
// the two, clang is the faster by far: see scripts/setup.
func (t target) cc(ctx context.Context) (cc, ldflags string, err error) {
	gcc := t.triple + "-gcc"
	native := t.os == runtime.GOOS && t.arch == runtime.GOARCH
	if !native {
		if _, err := exec.LookPath(gcc); err != nil {
			return "", "", fmt.Errorf("%s is missing; scripts/setup release installs it on Debian", gcc)
		}
	}
	if cc, err = output(ctx, "scripts/cc"); err != nil {
		return "", "", err
	}
	if t.os == "windows" {
		ldflags = " -H=windowsgui"
	}
	switch {
	case native:
		return cc, ldflags, nil
	case !strings.HasPrefix(filepath.Base(cc), "clang"):
		return gcc, ldflags, nil
	}
	return cc + " --target=" + t.triple, ldflags + " -extld=" + gcc, nil
}

// plainEnv is the environment without what changes how a program is built.
func plainEnv() []string {
	var env []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		switch {
		case strings.HasPrefix(name, "CGO_"), strings.HasPrefix(name, "PKG_CONFIG"):
		case name == "GOEXPERIMENT", name == "GOFIPS140", name == "GODEBUG", name == "CXX":
		default:
			env = append(env, entry)
		}
	}
	return env
}
