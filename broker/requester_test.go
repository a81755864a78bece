package broker

import (
	"errors"
	"slices"
	"testing"

	"keyporter/internal/process"
)

func TestTheProgramThatAsksIsTheOneAboveKeyporterAndShells(t *testing.T) {
	const own = "/opt/keyporter"
	for _, c := range []struct {
		name  string
		chain []process.Process // from keyporter up; each is the parent of the one before
		want  string
	}{
		{"a client", chain(own, "/opt/claude", "/usr/lib/systemd/systemd"), "/opt/claude"},
		{"through a shell", chain(own, "/bin/sh", "/opt/claude"), "/opt/claude"},
		{"through two shells", chain(own, "/usr/bin/dash", "/usr/bin/bash", "/usr/bin/xterm"), "/usr/bin/xterm"},
		{"a shell of the user's own is a program", chain(own, "/home/a/bin/bash", "/usr/bin/xterm"), "/home/a/bin/bash"},
		{"a shell after a login", login(chain(own, "/usr/bin/dash", "/usr/bin/bash", "")), "/usr/bin/bash"},
		{"a login without a shell", login(chain(own, "")), ""},
		{"a shell whose parent has ended", chain(own, "/usr/bin/dash", "/usr/bin/bash"), ""},
		{"a shell that the user's systemd has taken", chain(own, "/usr/bin/bash", "/usr/lib/systemd/systemd"), ""},
		{"a shell that launchd has taken", chain(own, "/bin/bash", "/sbin/launchd"), ""},
		{"a shell that the first process has taken", first(chain(own, "/usr/bin/bash", "/opt/init")), ""},
		{"keyporter that the first process has taken", first(chain(own, "/opt/init")), ""},
		{"keyporter below a shell, taken", first(chain(own, "/usr/bin/bash", own, "/opt/init")), ""},
		{"a client that the first process has started", first(chain(own, "/opt/claude", "/opt/init")), "/opt/claude"},
		{"more shells than are looked through", chain(append([]string{own}, slices.Repeat([]string{"/usr/bin/bash"}, 60)...)...), ""},
		{"nobody", chain(own), ""},
		{"a program that speaks for itself", chain("/usr/bin/python3", "/opt/claude"), "/usr/bin/python3"},
		{"another keyporter", chain("/tmp/keyporter", "/opt/claude"), "/tmp/keyporter"},
		{"keyporter started by keyporter", chain(own, own, "/opt/claude"), "/opt/claude"},
		{"a parent's number that was used again", reused(chain(own, "/opt/claude")), ""},
		{"a shell's parent's number that was used again", reused(chain(own, "/bin/sh", "/opt/claude")), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			find := func(pid int) (process.Process, error) {
				for _, p := range c.chain {
					if p.PID == pid {
						return p, nil
					}
				}
				return process.Process{}, errors.New("it has ended")
			}
			if got := programAbove(c.chain[0], own, find); got.Path != c.want {
				t.Errorf("got %q, want %q", got.Path, c.want)
			}
		})
	}
}

func TestAChainWithoutEndIsNotFollowedForever(t *testing.T) {
	loop := process.Process{PID: 7, Parent: 7, Path: "/bin/sh"}
	got := programAbove(loop, "/opt/keyporter", func(int) (process.Process, error) { return loop, nil })
	if got.Path != "" {
		t.Errorf("got %+v", got)
	}
}

func chain(paths ...string) []process.Process {
	var all []process.Process
	for i, path := range paths {
		all = append(all, process.Process{PID: 100 - i, Parent: 99 - i, Path: path, Started: int64(100 - i)})
	}
	return all
}

// login makes the last of a chain a login of root's, whose program is hidden.
func login(c []process.Process) []process.Process {
	c[len(c)-1].Login = true
	return c
}

// first makes the last of a chain the first process of all.
func first(c []process.Process) []process.Process {
	c[len(c)-1].PID, c[len(c)-2].Parent = 1, 1
	return c
}

// reused lets the last of a chain be younger than its child.
func reused(c []process.Process) []process.Process {
	c[len(c)-1].Started = 1000
	return c
}

// launchd's parent is process 0, whose parent is itself.
func TestNobodyIsBelowAProgramThatIsNotAboveIt(t *testing.T) {
	all := map[int]process.Process{
		9: {PID: 9, Parent: 1, Path: "/bin/script", Started: 5}, 1: {PID: 1, Path: "/sbin/launchd", Started: 1}, 0: {Path: "kernel_task"},
	}
	find := func(pid int) (process.Process, error) { return all[pid], nil }
	var seen []string
	if below(all[9], find, func(p process.Process) bool { seen = append(seen, p.Path); return p.Path == "/bin/agent" }) {
		t.Errorf("it is said to be below one that is not among %q", seen)
	}
	if !below(all[9], find, func(p process.Process) bool { return p.Path == "/sbin/launchd" }) {
		t.Error("it is not below the first process")
	}
}
