package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	// Everything here runs in the module's root, as the program does.
	if err := os.Chdir("../.."); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// grow writes a tree of files, at a time and with modes of its own.
func grow(t *testing.T, changed time.Time, mode os.FileMode, names []string) string {
	t.Helper()
	tree := t.TempDir()
	for _, name := range names {
		file := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("content of "+name), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

var treeNames = []string{"share/doc/keyporter/README.md", "bin/keyporter", "bin/keyporter-tray", "LICENSE"}

// packing is tarball or zipped.
type packing func(w io.Writer, tree, name string, date time.Time) error

func TestAnArchiveHasTheSameBytesWheneverAndWhereverItIsMade(t *testing.T) {
	date := time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)
	here := grow(t, time.Now(), 0o600, treeNames)
	reversed := slices.Clone(treeNames)
	slices.Reverse(reversed)
	elsewhere := grow(t, time.Unix(1e9, 0), 0o777, reversed)
	other := grow(t, time.Now(), 0o600, append(reversed, "bin/more"))
	for name, pack := range map[string]packing{"tar.gz": tarball, "zip": zipped} {
		packed := func(tree string, date time.Time) string {
			var b bytes.Buffer
			if err := pack(&b, tree, "keyporter-1", date); err != nil {
				t.Fatal(err)
			}
			return b.String()
		}
		want := packed(here, date)
		if packed(elsewhere, date.In(time.FixedZone("", 9*3600))) != want {
			t.Errorf("%s: the same files made other bytes", name)
		}
		if packed(other, date) == want || packed(here, date.Add(time.Hour)) == want {
			t.Errorf("%s: other files or another date made the same bytes", name)
		}
	}
}

func TestAnArchiveUnpacksAsInstalled(t *testing.T) {
	date := time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)
	tree := grow(t, time.Now(), 0o600, treeNames)
	want := "keyporter-1/ drwxr-xr-x\nkeyporter-1/LICENSE -rw-r--r--\n" +
		"keyporter-1/bin/ drwxr-xr-x\nkeyporter-1/bin/keyporter -rwxr-xr-x\nkeyporter-1/bin/keyporter-tray -rwxr-xr-x\n" +
		"keyporter-1/share/ drwxr-xr-x\nkeyporter-1/share/doc/ drwxr-xr-x\nkeyporter-1/share/doc/keyporter/ drwxr-xr-x\n" +
		"keyporter-1/share/doc/keyporter/README.md -rw-r--r--\n"

	var packed bytes.Buffer
	if err := tarball(&packed, tree, "keyporter-1", date); err != nil {
		t.Fatal(err)
	}
	zr, err := gzip.NewReader(&packed)
	if err != nil {
		t.Fatal(err)
	}
	if zr.Name != "" || !zr.ModTime.IsZero() {
		t.Errorf("the gzip header tells a name or a time: %+v", zr.Header)
	}
	var got strings.Builder
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		got.WriteString(h.Name + " " + h.FileInfo().Mode().String() + "\n")
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || !h.ModTime.Equal(date) {
			t.Errorf("%s tells who made it or when: %+v", h.Name, h)
		}
	}
	if got.String() != want {
		t.Errorf("the tarball holds\n%swant\n%s", &got, want)
	}

	packed.Reset()
	if err := zipped(&packed, tree, "keyporter-1", date); err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
	if err != nil {
		t.Fatal(err)
	}
	got.Reset()
	for _, f := range archive.File {
		got.WriteString(f.Name + " " + f.Mode().String() + "\n")
	}
	if got.String() != want {
		t.Errorf("the .zip holds\n%swant\n%s", &got, want)
	}
}

func TestAVersionIsOneThatAllPackagesTake(t *testing.T) {
	for wanted, want := range map[string]string{"v1.2.3": "1.2.3", "1.2.3~rc1": "1.2.3~rc1", "1.2-3": "", "next": ""} {
		if got, err := version(t.Context(), wanted, "0.1.0"); got != want || (err == nil) != (want != "") {
			t.Errorf("VERSION=%s gave %q, %v; want %q", wanted, got, err, want)
		}
	}
}

func TestChosenTargetsAreThoseNamed(t *testing.T) {
	all, err := chooseTargets(nil)
	if err != nil || len(all) != 6 {
		t.Errorf("without a name there are %d targets, %v; want 6", len(all), err)
	}
	some, err := chooseTargets([]string{"windows/arm64", "linux/amd64"})
	if err != nil || len(some) != 2 || some[0].String() != "linux/amd64" || some[1].String() != "windows/arm64" {
		t.Errorf("two names gave %v, %v", some, err)
	}
	if _, err := chooseTargets([]string{"linux/amd64", "plan9/amd64"}); err == nil {
		t.Error("an unknown target was taken")
	}
}
