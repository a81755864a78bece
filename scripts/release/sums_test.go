package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// minisign runs the program that people verify with.
func minisign(t *testing.T, folder string, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"run", minisignTool}, args...)...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return cmd.CombinedOutput()
}

func TestAPersonVerifiesChecksumsAndSignature(t *testing.T) {
	out, keys := t.TempDir(), t.TempDir()
	key := filepath.Join(keys, "key")
	if got, err := minisign(t, keys, "-G", "-W", "-s", key, "-p", key+".pub"); err != nil {
		t.Fatalf("make a key: %v\n%s", err, got)
	}
	for _, name := range []string{"keyporter-1-linux-amd64.tar.gz", notesName} {
		if err := os.WriteFile(filepath.Join(out, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := release{out: out, version: "1", commit: "0123", stdout: io.Discard}
	if err := writeSums(out); err != nil {
		t.Fatal(err)
	}
	if err := r.sign(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	verify := func() ([]byte, error) {
		return minisign(t, out, "-V", "-Q", "-p", key+".pub", "-m", sumsName)
	}
	// The comment tells the release, and no time.
	if got, err := verify(); err != nil || string(got) != "Trusted comment: keyporter 1 0123\n" {
		t.Errorf("the signature: %v\n%s", err, got)
	}
	sums := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", sumsName)
	sums.Dir = out
	if got, err := sums.CombinedOutput(); err != nil {
		t.Errorf("the checksums: %v\n%s", err, got)
	}

	if err := os.WriteFile(filepath.Join(out, notesName), []byte("changed"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := writeSums(out); err != nil {
		t.Fatal(err)
	}
	if got, err := verify(); err == nil {
		t.Errorf("changed checksums are still signed: %s", got)
	}
	if err := r.sign(t.Context(), filepath.Join(keys, "none")); err == nil {
		t.Error("a key that is not there signed")
	}
}
