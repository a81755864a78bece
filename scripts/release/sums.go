package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

const sumsName = "SHA256SUMS"

// The program that signs and verifies; its library would be a dependency.
const minisignTool = "aead.dev/minisign/cmd/minisign@v0.3.0"

// writeSums writes the checksums of all files in a folder, as sha256sum does.
func writeSums(folder string) error {
	entries, err := os.ReadDir(folder) // sorted
	if err != nil {
		return err
	}
	var lines string
	for _, e := range entries {
		if !e.Type().IsRegular() || e.Name() == sumsName {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return err
		}
		lines += fmt.Sprintf("%x  %s\n", sha256.Sum256(content), e.Name())
	}
	return writeFile(filepath.Join(folder, sumsName), func(w io.Writer) error {
		_, err := io.WriteString(w, lines)
		return err
	})
}

// sign signs the checksums. The comment that the signature covers has no time in
// it, so the same key gives the same signature. A key with a password asks for it.
func (r *release) sign(ctx context.Context, key string) error {
	if _, err := os.Stat(key); err != nil {
		return fmt.Errorf("the key that signs: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "run", minisignTool, "-S", "-s", key, "-m", filepath.Join(r.out, sumsName),
		"-t", "keyporter "+r.version+" "+r.commit, "-c", "signature of Keyporter's release key")
	cmd.Env = append(plainEnv(), "CGO_ENABLED=0")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, r.stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	fmt.Fprintf(r.stdout, "\n%s.minisig is the signature.\n", sumsName)
	return nil
}
