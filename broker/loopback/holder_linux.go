package loopback

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
)

// holder finds the program that listens at a port. The kernel tells every socket
// (proc(5), /proc/net/tcp), but whose it is only for processes of one's own.
func holder(port int) (name string, pid int, err error) {
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if err := listeners(table, port, sockets); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", 0, err
		}
	}
	if len(sockets) == 0 {
		return "", 0, fs.ErrNotExist
	}
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*") // those that may be read
	if err != nil {
		return "", 0, err
	}
	for _, fd := range fds {
		link, err := os.Readlink(fd)
		if err != nil || !sockets[link] {
			continue
		}
		process := filepath.Dir(filepath.Dir(fd))
		pid, err := strconv.Atoi(filepath.Base(process))
		if err != nil {
			continue
		}
		return processName(process), pid, nil
	}
	return "", 0, fs.ErrPermission
}

// listeners adds the sockets of a table that listen at port, by the name that a
// file descriptor's link has.
func listeners(table string, port int, sockets map[string]bool) error {
	f, err := os.Open(table)
	if err != nil {
		return err
	}
	defer f.Close()
	const listen = "0A"
	suffix := fmt.Sprintf(":%04X", port)
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode …
		col := strings.Fields(lines.Text())
		if len(col) > 9 && strings.HasSuffix(col[1], suffix) && col[3] == listen && col[9] != "0" {
			sockets["socket:["+col[9]+"]"] = true
		}
	}
	return lines.Err()
}

// processName is the name of a process's program, fit for a message.
func processName(process string) string {
	name := "a program"
	if exe, err := os.Readlink(process + "/exe"); err == nil {
		name = filepath.Base(strings.TrimSuffix(exe, " (deleted)"))
	} else if comm, err := os.ReadFile(process + "/comm"); err == nil {
		name = strings.TrimSpace(string(comm))
	}
	name = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name)
	return name[:min(len(name), 60)]
}
