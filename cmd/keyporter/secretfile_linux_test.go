package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestCtrlCEndsTheWaitForAPipeThatNobodyWritesTo(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var stdout, stderr bytes.Buffer
	code := run(ctx, []string{"account", "add", "static", "search", "--token-file", pipe}, strings.NewReader(""), &stdout, &stderr)
	if code != exitInterrupted {
		t.Errorf("exit code %d, want %d; stderr %q", code, exitInterrupted, stderr.String())
	}
	both, err := os.OpenFile(pipe, os.O_RDWR, 0) // lets the reader go
	if err != nil {
		t.Fatal(err)
	}
	both.Close()
}
