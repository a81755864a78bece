package process

import (
	"bytes"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Of <sys/proc_info.h>: proc_pidpath asks the kernel with these. What
// kern.procargs2 says lies in the process's own memory, and is not asked.
const (
	sysProcInfo  = 336
	callPIDInfo  = 2
	pidPathInfo  = 11
	maxPathBytes = 4096
)

func now() int64 { return time.Now().UnixNano() }

func fileAt(path string) (File, error) { return File{Path: path}, nil }

func bare(pid int) (Process, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return Process{}, err
	}
	return Process{PID: pid, Parent: int(info.Eproc.Ppid), Started: info.Proc.P_starttime.Nano()}, nil
}

func find(pid int) (Process, error) {
	info, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return Process{}, err
	}
	buf := make([]byte, maxPathBytes)
	_, _, errno := syscall.Syscall6(sysProcInfo, callPIDInfo, uintptr(pid), pidPathInfo, 0, uintptr(unsafe.Pointer(&buf[0])), maxPathBytes)
	if errno == unix.EPERM && info.Eproc.Ucred.Uid != uint32(unix.Getuid()) {
		return Process{PID: pid, Parent: int(info.Eproc.Ppid), Started: info.Proc.P_starttime.Nano(), Login: true}, nil
	}
	if errno != 0 {
		return Process{}, errno
	}
	path, _, _ := bytes.Cut(buf, []byte{0})
	again, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil {
		return Process{}, err
	}
	if again.Proc.P_starttime != info.Proc.P_starttime || len(path) == 0 {
		return Process{}, unix.ESRCH
	}
	return Process{PID: pid, Parent: int(info.Eproc.Ppid), Path: string(path), Program: File{Path: string(path)}, Started: info.Proc.P_starttime.Nano()}, nil
}
