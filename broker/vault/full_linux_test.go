package vault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"keyporter/broker/vault"
	"keyporter/internal/hint"
)

var (
	_ = add("full disk", fullDiskChild)
	_ = add("read-only disk", readOnlyDiskChild)
	_ = add("file size limit", sizeLimitChild)
)

// add adds a job, while package variables are made.
func add(name string, j job) job {
	jobs[name] = j
	return j
}

// runChild runs it to its end and returns its standard output.
func runChild(t *testing.T, cmd *exec.Cmd) []byte {
	t.Helper()
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	noSecret(t, out.String()+log.String())
	if err != nil {
		t.Fatalf("child: %v\n%s%s", err, out.String(), log.String())
	}
	return out.Bytes()
}

// A disk that is full is noticed before something is done that cannot be done
// twice, and what was reserved then can be used when the disk fills up later.
func TestAFullDiskIsNoticedBefore(t *testing.T) { runOwnDisk(t, "full disk") }

func TestAReadOnlyDiskIsNoticedBefore(t *testing.T) { runOwnDisk(t, "read-only disk") }

func TestAWriteThatFailsChangesNothing(t *testing.T) {
	runChild(t, child(t, "file size limit", newHome(t)))
}

// runOwnDisk runs a child that may mount disks which nobody else sees, in a user
// namespace if this process is not root.
func runOwnDisk(t *testing.T, job string) {
	t.Helper()
	cmd := child(t, job, newHome(t))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid := os.Geteuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
	}
	runChild(t, cmd)
}

// diskSize is how large the disk is that a child makes, in bytes.
const diskSize = 1 << 20

// mountDisk makes dir/state a small disk of its own.
func mountDisk(dir string) error {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("this test needs root or user namespaces to mount a disk: %w", err)
	}
	state := filepath.Join(dir, "state")
	if err := syscall.Mount("keyporter-test", state, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", diskSize)); err != nil {
		return fmt.Errorf("this test needs root or user namespaces to mount a disk: %w", err)
	}
	return nil
}

// fillDisk takes all the space that is left, and returns what gives it back.
func fillDisk(dir string) (free func() error, err error) {
	name := filepath.Join(dir, "state", "filling")
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	block := bytes.Repeat([]byte("x"), 4096)
	for range 2 * diskSize / len(block) {
		if _, err = f.Write(block); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, fmt.Errorf("the disk is not full: %v", err)
	}
	return func() error { return os.Remove(name) }, f.Close()
}

func fullDiskChild(dir string) error {
	ctx := context.Background()
	if err := mountDisk(dir); err != nil {
		return err
	}
	f, err := vault.Open(ctx, options(dir))
	if err == nil {
		err = f.Update(ctx, putCount(1))
	}
	if err != nil {
		return err
	}
	free, err := fillDisk(dir)
	if err != nil {
		return err
	}
	if err := refused(f, dir, 1, syscall.ENOSPC, "no space left"); err != nil {
		return err
	}
	if err := free(); err != nil {
		return err
	}
	for n := 2; n <= 4; n++ { // now reserved first, then filled
		if err := f.CheckWritable(ctx); err != nil {
			return fmt.Errorf("with space again: %w", err)
		}
		if free, err = fillDisk(dir); err != nil {
			return err
		}
		if err := f.Update(ctx, putCount(n)); err != nil {
			return fmt.Errorf("write %d into reserved space: %w", n, err)
		}
		if err := holds(f, dir, n); err != nil {
			return err
		}
		if err := free(); err != nil {
			return err
		}
	}
	if err := reserveEndsWithClose(f, dir); err != nil {
		return err
	}
	f, err = vault.Open(ctx, options(dir))
	if err != nil {
		return err
	}
	return errors.Join(holds(f, dir, 4), f.Close())
}

// reserveEndsWithClose checks that Close gives the reserved space back.
func reserveEndsWithClose(f *vault.File, dir string) error {
	before, err := freeSpace(dir)
	if err != nil {
		return err
	}
	if err := f.CheckWritable(context.Background()); err != nil {
		return err
	}
	if now, err := freeSpace(dir); err != nil || now >= before {
		return fmt.Errorf("nothing was reserved: %d bytes free, %d before, %v", now, before, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if now, err := freeSpace(dir); err != nil || now != before {
		return fmt.Errorf("after Close %d bytes are free, %d before the reservation, %v", now, before, err)
	}
	return nil
}

func freeSpace(dir string) (int64, error) {
	var s syscall.Statfs_t
	err := syscall.Statfs(filepath.Join(dir, "state"), &s)
	return int64(s.Bfree) * s.Bsize, err
}

func readOnlyDiskChild(dir string) error {
	ctx := context.Background()
	if err := mountDisk(dir); err != nil {
		return err
	}
	f, err := vault.Open(ctx, options(dir))
	if err == nil {
		err = f.Update(ctx, putCount(1))
	}
	if err != nil {
		return err
	}
	if err := syscall.Mount("", filepath.Join(dir, "state"), "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		return err
	}
	if err := refused(f, dir, 1, syscall.EROFS, "read-only"); err != nil {
		return err
	}
	// Reading needs no writing.
	again, err := vault.Open(ctx, options(dir))
	if err != nil {
		return fmt.Errorf("open on a read-only disk: %w", err)
	}
	return errors.Join(holds(again, dir, 1), again.Close(), f.Close())
}

// sizeLimitChild meets a limit on the size of files, which a write hits after it
// has begun to write.
func sizeLimitChild(dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	ctx := context.Background()
	f, err := vault.Open(ctx, options(dir))
	if err == nil {
		err = f.Update(ctx, putCount(1))
	}
	if err != nil {
		return err
	}
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 512, Max: before.Max}); err != nil {
		return err
	}
	if err := refused(f, dir, 1, syscall.EFBIG, "no space left"); err != nil {
		return err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		return err
	}
	if err := f.Update(ctx, putCount(2)); err != nil {
		return fmt.Errorf("without the limit: %w", err)
	}
	return errors.Join(holds(f, dir, 2), f.Close())
}

// refused checks that a vault which holds write n can be neither reserved for nor
// written, for the reason given, in words that say so, and that nothing changes.
func refused(f *vault.File, dir string, n int, cause error, says string) error {
	ctx := context.Background()
	for _, try := range []struct {
		name string
		call func() error
	}{
		{"CheckWritable", func() error { return f.CheckWritable(ctx) }},
		{"Update", func() error { return f.Update(ctx, putCount(n+1)) }},
	} {
		err := try.call()
		if !errors.Is(err, cause) {
			return fmt.Errorf("%s = %v, want %v", try.name, err, cause)
		}
		h := hint.Of(err)
		if h.Code != hint.Failed || !strings.Contains(h.What, says) || !strings.Contains(h.What, filepath.Join(dir, "state")) || h.Do == "" {
			return fmt.Errorf("%s says %s: %s", try.name, h.Code, h.Text())
		}
		fmt.Println(err, h.Text()) // the parent looks for secrets in it
		if err := holds(f, dir, n); err != nil {
			return fmt.Errorf("after %s: %w", try.name, err)
		}
	}
	return nil
}

// holds checks that the vault has write n in memory and on disk, and left nothing
// beside it.
func holds(f *vault.File, dir string, n int) error {
	if got, err := count(f); err != nil || got != n {
		return fmt.Errorf("in memory: write %d, %v; want %d", got, err, n)
	}
	if got, err := countIn(options(dir).File, dir); err != nil || got != n {
		return fmt.Errorf("on disk: write %d, %v; want %d", got, err, n)
	}
	entries, err := os.ReadDir(filepath.Join(dir, "state"))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if name := e.Name(); name != "vault.age" && name != "vault.age.prev" && name != "filling" {
			return fmt.Errorf("%s was left in the folder", name)
		}
	}
	return nil
}
