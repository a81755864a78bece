package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tick is the unit of times in /proc (proc(5), sysconf(_SC_CLK_TCK)): 100 a second
// on all that Go runs on.
const tick = time.Second / 100

func now() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	return t.Nano()
}

func find(pid int) (Process, error) {
	p, err := bare(pid)
	if err != nil {
		return Process{}, err
	}
	p.Path, p.Program, err = program(pid)
	if p.Login = errors.Is(err, os.ErrPermission) && isLogin(p); err != nil && !p.Login {
		return Process{}, err
	}
	// The number may have gone to another process between the two.
	again, err := bare(pid)
	if err == nil && again.Started != p.Started {
		err = errors.New("the process has ended")
	}
	return p, err
}

// isLogin reports whether a process that hides its program is another user's, or a
// child of such a one other than the first process of all: sshd gives up its rights,
// and stays hidden, before it starts a shell.
func isLogin(p Process) bool {
	if anothers(p.PID) {
		return true
	}
	return p.Parent > 1 && anothers(p.Parent)
}

// anothers reports whether a process is another user's. Whose folder in /proc it is
// says nothing: that of a process that hides itself is root's (proc(5)).
func anothers(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return false
	}
	_, ids, _ := strings.Cut(string(b), "\nUid:")
	ids, _, _ = strings.Cut(ids, "\n")
	all := strings.Fields(ids) // real, effective, saved, file system
	return len(all) == 4 && !slices.Contains(all, strconv.Itoa(os.Getuid()))
}

// program returns the path and the file of a process's program, if that is where this
// process too finds it. Whoever has a file system of his own (user namespaces give one
// to everybody, FUSE as well) can run anything under any name.
func program(pid int) (string, File, error) {
	exe := fmt.Sprintf("/proc/%d/exe", pid)
	path, err := os.Readlink(exe)
	if err != nil {
		return "", File{}, err
	}
	is, err := fileAt(exe) // the file itself, wherever it lies
	if err != nil {
		return "", File{}, err
	}
	if here, err := fileAt(path); err == nil && is == here {
		return path, is, nil
	}
	// A file that was replaced, by an update for example.
	if old, gone := strings.CutSuffix(path, " (deleted)"); gone && sameMounts(pid) {
		if dir, err := fileAt(filepath.Dir(old)); err == nil && dir.Device == is.Device {
			return old, is, nil
		}
	}
	return "", File{}, errors.New("its program is not where it seems to be")
}

func fileAt(path string) (File, error) {
	var st unix.Stat_t
	err := unix.Stat(path, &st)
	return File{Device: uint64(st.Dev), Number: st.Ino}, err
}

// sameMounts reports whether a process sees the same file systems as this one.
func sameMounts(pid int) bool {
	theirs, err := os.Stat(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	if err != nil {
		return false
	}
	ours, err := os.Stat("/proc/self/ns/mnt")
	return err == nil && os.SameFile(theirs, ours)
}

// bare reads /proc/PID/stat. The name in parentheses may hold anything; fields
// count from behind its end: the parent is the second, the start the twentieth.
func bare(pid int) (Process, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, err
	}
	text := string(b)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return Process{}, errors.New("/proc/PID/stat is too short")
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return Process{}, err
	}
	ticks, err := strconv.ParseInt(fields[19], 10, 64)
	return Process{PID: pid, Parent: parent, Started: ticks * int64(tick)}, err
}
