package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"keyporter/internal/peer/peertest"
)

func init() { peertest.Main() }

// squatters is what a program is told when another user listens in the agent's place.
const squatters = "Another user's program answers in place of the Keyporter agent, so it was told nothing."

// openDoors lets other users get as far as a home's socket.
func (h *home) openDoors() {
	h.t.Helper()
	for path, mode := range map[string]os.FileMode{h.dir: 0o711, h.paths().Runtime: 0o711, h.paths().Socket(): 0o777} {
		check(h.t, os.Chmod(path, mode))
	}
}

// refused waits until the agent's log tells of connections of another user.
func (h *home) refused(uid uint32, times int) {
	h.t.Helper()
	until(h.t, fmt.Sprintf("%d connections of user %d to be refused", times, uid), func() bool {
		return strings.Count(h.agentLog(), fmt.Sprintf(`msg="connection refused" uid=%d `, uid)) >= times
	})
}

// openFolder returns a folder that everybody may write to.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kpo")
	check(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	check(t, os.Chmod(dir, 0o777))
	return dir
}

// otherHome is the home of a user who is neither root nor plainHome's, with an agent.
func otherHome(t *testing.T) *home {
	t.Helper()
	h := bareHome(t)
	h.otherUser(54322)
	keyporterIn(h).quick().do("start")
	return h
}

// Only root can be two users; anybody else looks at what his own user gets.
func TestAnotherUserGetsNothingOutOfTheAgent(t *testing.T) {
	t.Parallel()
	h := plainHome(t).quick()
	h.keyed()
	h.openDoors()
	pid, own, dir := h.pid(), uint32(os.Getuid()), openFolder(t)
	if h.user != nil {
		own = h.user.Uid
	}
	for _, request := range []string{"GET /ping", "POST /v1/state", "POST /v1/token", "POST /v1/stop"} {
		says := request + " HTTP/1.1\r\nHost: keyporter\r\nConnection: close\r\nContent-Length: 15\r\n\r\n{\"name\":\"acme\"}"
		if request == "GET /ping" {
			if got, err := peertest.KnockAs(t.Context(), own, dir, h.paths().Socket(), says); err != nil || !strings.Contains(got, "200 OK") {
				t.Fatalf("the same user got %q (%v)", got, err)
			}
		}
		if !peertest.Possible() {
			return
		}
		if got, err := peertest.Knock(t.Context(), dir, h.paths().Socket(), says); err != nil || got != "" {
			t.Errorf("another user got %q (%v)", got, err)
		}
	}
	h.refused(peertest.Nobody, 4)

	// The other user's own programs, too, are told to use this agent.
	other := otherHome(t)
	other.env = append(other.env, "KEYPORTER_HOME="+h.paths().Runtime)
	notTheirs := fmt.Sprintf("The folder %s belongs to another user (number %d)", h.paths().Runtime, own)
	for _, args := range [][]string{{"status"}, {"list"}, {"token", "acme"}, {"call", "acme", "get_time"}, {"log"}, {"pause"}, {"stop"}, {"agent"}} {
		says := notTheirs
		if args[0] == "status" { // which looks for an agent, and makes no folder
			says = squatters
		}
		if r := other.run(args...); r.code != 1 || r.out != "" || !strings.Contains(r.err, says) {
			t.Errorf("another user's keyporter %s: exit code %d\n%s%s", args[0], r.code, r.out, other.said(r.err))
		}
	}
	c := other.launch("acme")
	if m := c.ask("initialize", initializeParams); m.Error == nil || !strings.Contains(m.Error.Message, squatters) {
		t.Errorf("another user's bridge says %v", m)
	}
	c.close()
	h.refused(54322, 2)
	other.env = other.env[:len(other.env)-1]
	if st := h.state(); st.Agent.PID != pid || st.Paused || st.Stopped {
		t.Errorf("now agent %d runs, was %d; paused: %v, stopped: %v", st.Agent.PID, pid, st.Paused, st.Stopped)
	}
	h.do("call", "acme", "get_time")
}

// Another user's program listens in the agent's place: a real agent, and one that gives
// every answer that is hoped for.
func TestAnotherUserInTheAgentsPlaceIsToldNothing(t *testing.T) {
	t.Parallel()
	if !peertest.Possible() {
		return // nobody else is there
	}
	h := plainHome(t).quick()
	h.keyed()
	h.do("stop")
	other, dir := otherHome(t), openFolder(t)
	told, err := peertest.Squat(t.Context(), dir, filepath.Join(dir, "s"),
		"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 29\r\n\r\n{\"api\":\"v1\",\"version\":\"dev\"} ")
	check(t, err)
	for name, socket := range map[string]string{"an agent": other.paths().Socket(), "what answers everybody": filepath.Join(dir, "s")} {
		t.Run(name, func(t *testing.T) {
			h := h.in(t)
			check(t, os.Link(socket, h.paths().Socket()))
			h.openDoors()
			for _, args := range [][]string{{"list"}, {"status"}, {"token", "acme"}, {"call", "acme", "get_time"}, {"pause"}, {"start"},
				{"account", "add", "static", "new", "--token-file", filepath.Join(h.dir, "pass")}} {
				if r := h.run(args...); r.code != 1 || r.out != "" || !strings.Contains(r.err, squatters) {
					t.Errorf("keyporter %s: exit code %d\n%s%s", args[0], r.code, r.out, h.said(r.err))
				}
			}
			c := h.launch("acme")
			if m := c.ask("initialize", initializeParams); m.Error == nil || !strings.Contains(m.Error.Message, squatters) {
				t.Errorf("a bridge says %v", m)
			}
			c.close()
			check(t, os.Remove(h.paths().Socket()))
		})
	}
	if got, err := told(); err != nil || got != "" {
		t.Errorf("another user's program was told %q (%v)", got, err)
	}
	other.refused(h.user.Uid, 8)
	if st := other.state(); len(st.Accounts) != 0 || st.Paused {
		t.Errorf("another user's agent has %+v", st)
	}
	h.do("call", "acme", "get_time")
}

// What lies in the socket's place is named, and nothing is done to it.
func TestWhatIsNoSocketInTheSocketsPlaceIsLeftAlone(t *testing.T) {
	t.Parallel()
	h := newHome(t).quick()
	socket := h.paths().Socket()
	letters := h.file("letters", "letters")
	for name, put := range map[string]func() error{
		"a file":   func() error { return os.WriteFile(socket, []byte("letters"), 0o600) },
		"a folder": func() error { return os.MkdirAll(filepath.Join(socket, "letters"), 0o700) },
		"a pipe":   func() error { return syscall.Mkfifo(socket, 0o600) },
		"a link":   func() error { return os.Symlink(letters, socket) },
	} {
		check(t, put())
		was, err := os.Lstat(socket)
		check(t, err)
		for _, args := range [][]string{{"list"}, {"agent"}} {
			if r := h.run(args...); r.code != 1 || !strings.Contains(r.err, socket+" is in the way: it is not a socket of Keyporter's.") {
				t.Errorf("%s: keyporter %s: exit code %d\n%s%s", name, args[0], r.code, r.out, h.said(r.err))
			}
		}
		if is, err := os.Lstat(socket); err != nil || !os.SameFile(was, is) || was.Mode() != is.Mode() || was.Size() != is.Size() || read(t, letters) != "letters" {
			t.Errorf("%s: %v is now %v, %v", name, was, is, err)
		}
		check(t, os.RemoveAll(socket))
		h.do("list")
		h.do("stop")
	}
}
