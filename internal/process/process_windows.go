package process

import (
	"errors"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

func now() int64 { return time.Now().UnixNano() }

func fileAt(string) (File, error) { return File{}, nil }

func bare(pid int) (Process, error) { return find(pid) }

// find holds the process open while it asks, so that its number stays its own.
func find(pid int) (Process, error) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return Process{}, err
	}
	defer windows.CloseHandle(h)
	p := Process{PID: pid}
	buf := make([]uint16, windows.MAX_LONG_PATH)
	n := uint32(len(buf))
	if err := windows.QueryFullProcessImageName(h, 0, &buf[0], &n); err != nil {
		return Process{}, err
	}
	p.Path = windows.UTF16ToString(buf[:n])
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(h, &created, &exited, &kernel, &user); err != nil {
		return Process{}, err
	}
	p.Started = created.Nanoseconds()
	p.Parent, err = parentOf(uint32(pid))
	return p, err
}

// parentOf returns who started a process. Windows gives an orphan no new parent, and
// may give the number to somebody else: whoever uses it compares the starts.
func parentOf(pid uint32) (int, error) {
	all, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return 0, err
	}
	defer windows.CloseHandle(all)
	e := windows.ProcessEntry32{}
	e.Size = uint32(unsafe.Sizeof(e))
	for err = windows.Process32First(all, &e); err == nil; err = windows.Process32Next(all, &e) {
		if e.ProcessID == pid {
			return int(e.ParentProcessID), nil
		}
	}
	return 0, errors.New("the process has ended")
}
