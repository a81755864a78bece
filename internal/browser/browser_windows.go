package browser

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/windows"
)

// openDefault asks the shell's API, which takes the address as it is; no
// command line is built from it.
func openDefault(_ context.Context, address string, _ func(string) string) error {
	verb, err := windows.UTF16PtrFromString("open")
	if err != nil {
		return err
	}
	file, err := windows.UTF16PtrFromString(address)
	if err != nil {
		return err
	}
	if err := windows.ShellExecute(0, verb, file, nil, nil, windows.SW_SHOWNORMAL); err != nil {
		return fmt.Errorf("ShellExecute: %w", err)
	}
	return nil
}

func detach(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP, HideWindow: true}
}

// find refuses batch files: cmd.exe would read their arguments as commands.
func find(name string, _ func(string) string) (string, error) {
	p, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	switch strings.ToLower(filepath.Ext(p)) {
	case ".bat", ".cmd":
		return "", errors.New("a batch file cannot be given an address safely")
	}
	return p, nil
}
