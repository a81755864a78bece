package process

import (
	"errors"
	"fmt"
	"os"
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
	p, err := status(pid)
	if err != nil {
		return Process{}, err
	}
	if p.Path, err = os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil {
		return Process{}, err
	}
	// A file that was replaced, by an update for example.
	if old, gone := strings.CutSuffix(p.Path, " (deleted)"); gone {
		if _, err := os.Lstat(p.Path); err != nil {
			p.Path = old
		}
	}
	// The number may have gone to another process between the two.
	again, err := status(pid)
	if err == nil && again.Started != p.Started {
		err = errors.New("the process has ended")
	}
	return p, err
}

// status reads /proc/PID/stat. The name in parentheses may hold anything; fields
// count from behind its end: the parent is the second, the start the twentieth.
func status(pid int) (Process, error) {
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
