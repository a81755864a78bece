package broker

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"keyporter/broker/local"
	"keyporter/internal/process"
)

// maxChain bounds the way up from a process to the program that asks.
const maxChain = 32

// maxLineage bounds the way up to the first of all processes.
const maxLineage = 256

// A requester is the program for which a call is made. The zero requester is one that
// nobody can name: its processes have ended.
type requester struct {
	process.Process
	own     bool // Keyporter itself: its window, or the agent
	command bool // Keyporter's command line makes the call for it
	caller  process.Process
}

// name names the program for the audit log. It is empty where the system does not
// tell, and for the agent itself.
func (r requester) name() string {
	if r.Path == "" {
		return ""
	}
	return filepath.Base(r.Path)
}

// whoAsks returns a function that finds out, once and without holding any lock, who
// makes the call with ctx.
func (b *Broker) whoAsks(ctx context.Context) func() requester {
	return sync.OnceValue(func() requester {
		peer, ok := local.PeerFrom(ctx)
		if !ok || peer.PID == os.Getpid() {
			return requester{own: true} // no other process
		}
		p, err := peer.Process()
		if err != nil {
			return requester{}
		}
		if b.opt.Program != "" && runs(p, trayOf(b.opt.Program)) {
			return requester{own: true, Process: p, caller: p}
		}
		return requester{Process: programAbove(p, b.opt.Program, process.Find), caller: p, command: b.opt.Program != "" && runs(p, b.opt.Program)}
	})
}

// programOf names the program behind a call.
func (b *Broker) programOf(ctx context.Context) string { return b.whoAsks(ctx)().name() }

// runs reports whether a process runs the program that lies at path now. One of
// Keyporter's own that was replaced since, by an update, is a program like others.
func runs(p process.Process, path string) bool {
	file, err := process.FileAt(path)
	return err == nil && p.Path == path && p.Program == file
}

// trayOf returns where the window's program is, beside the command line's.
func trayOf(program string) string {
	return filepath.Join(filepath.Dir(program), "keyporter-tray"+filepath.Ext(program))
}

// programAbove returns the program for which p works: the nearest above it, itself
// included, that is neither Keyporter nor a shell of the system. Below nothing but
// shells and a login it is the outermost shell. What has lost its parent has no name:
// anybody's shell goes on so once its starter has ended. A parent that is younger than
// its child only has the number of the one that has ended.
func programAbove(p process.Process, own string, find func(int) (process.Process, error)) process.Process {
	outermost := process.Process{}
	for range maxChain {
		switch {
		case p.Path == own && own != "":
		case !isShell(p.Path):
			return p
		default:
			outermost = p
		}
		parent, err := find(p.Parent)
		switch {
		case err != nil || parent.Started > p.Started || takesOrphans(parent):
			return process.Process{}
		case parent.Login:
			return outermost
		}
		p = parent
	}
	return process.Process{}
}

// below reports whether p, or a process above it up to the first of all, is one that is
// looked for; so does a chain that is too long to tell. A process may hide its program,
// but not who has started it.
func below(p process.Process, find func(int) (process.Process, error), is func(process.Process) bool) bool {
	for range maxLineage {
		if is(p) {
			return true
		}
		if p.PID <= 1 { // on macOS the first one has a parent, which is its own
			return false
		}
		parent, err := find(p.Parent)
		if err != nil || parent.Started > p.Started {
			return false
		}
		p = parent
	}
	return true
}

// findOrBare is process.Find, without the program where that is hidden.
func findOrBare(pid int) (process.Process, error) {
	p, err := process.Find(pid)
	if err != nil {
		return process.Bare(pid)
	}
	return p, nil
}

// takesOrphans reports whether a process becomes the parent of those that have lost
// theirs (PR_SET_CHILD_SUBREAPER in prctl(2)): the first of all, and the one that
// looks after a user's services.
func takesOrphans(p process.Process) bool {
	if runtime.GOOS == "windows" {
		return false // gives them none
	}
	name := filepath.Base(p.Path)
	return p.PID <= 1 || name == "systemd" || name == "launchd"
}

// shells are programs that do what others tell them to, and those which start one
// command and wait for it.
var shells = map[string]bool{
	"sh": true, "bash": true, "dash": true, "zsh": true, "fish": true, "ksh": true, "csh": true, "tcsh": true, "busybox": true,
	"cmd.exe": true, "powershell.exe": true, "pwsh": true, "pwsh.exe": true,
	"coreutils": true, "env": true, "nice": true, "nohup": true, "setsid": true, "stdbuf": true, "time": true, "timeout": true, "xargs": true,
}

// isShell reports whether path is a shell that came with the system. One that lies
// where the user may write is a program like others.
func isShell(path string) bool {
	dir, name := filepath.Split(path)
	if !shells[strings.ToLower(name)] {
		return false
	}
	if runtime.GOOS == "windows" {
		root := strings.ToLower(os.Getenv("SystemRoot"))
		return root != "" && strings.HasPrefix(strings.ToLower(dir), root+`\system32\`)
	}
	return dir == "/bin/" || dir == "/usr/bin/"
}
