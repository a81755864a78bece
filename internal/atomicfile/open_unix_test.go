//go:build unix

package atomicfile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestAPipeInAFilesPlaceIsRefusedAtOnce(t *testing.T) {
	dir := t.TempDir()
	pipe, link, folder := filepath.Join(dir, "pipe"), filepath.Join(dir, "link"), filepath.Join(dir, "folder")
	for _, err := range []error{syscall.Mkfifo(pipe, 0o600), os.Symlink(pipe, link), os.Mkdir(folder, 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{pipe, link, folder, "/dev/null"} {
		for _, flag := range []int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_CREATE | os.O_RDWR | os.O_APPEND} {
			if f, err := OpenFile(path, flag, 0o600); err == nil {
				f.Close()
				t.Errorf("%s was opened with %#x", path, flag)
			}
		}
		if _, err := ReadFile(path); err == nil {
			t.Errorf("%s was read", path)
		}
	}
	file := filepath.Join(dir, "file")
	if err := WriteFile(file, []byte("text")); err != nil {
		t.Fatal(err)
	}
	if b, err := ReadFile(file); err != nil || string(b) != "text" {
		t.Errorf("ReadFile = %q, %v", b, err)
	}
}
