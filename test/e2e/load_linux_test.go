package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"keyporter/internal/fakemcp"
)

// A rawServer speaks the protocol of 2026-07-28 as far as a call takes, and does
// with it what its tool's name says.
type rawServer struct {
	*httptest.Server
	came chan string // the tool of each call
	left chan string // of each whose client has gone
}

func newRawServer(t *testing.T) *rawServer {
	s := &rawServer{came: make(chan string, 4096), left: make(chan string, 4096)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

func (s *rawServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var m struct {
		ID     json.RawMessage
		Params struct {
			Name      string
			Arguments struct{ Size int }
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil || m.ID == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	s.came <- m.Params.Name
	w.Header().Set("Content-Type", "application/json")
	switch m.Params.Name {
	case "no header":
	case "half a body":
		w.Header().Set("Content-Length", "1000")
		io.WriteString(w, `{"jsonrpc":"2.0",`)
		_ = http.NewResponseController(w).Flush()
	case "silent stream":
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
	default:
		text := strings.Repeat("x", m.Params.Arguments.Size)
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"resultType":"complete","content":[{"type":"text","text":"%s of %s"}]}}`, m.ID, text, m.ID)
		return
	}
	<-r.Context().Done()
	s.left <- m.Params.Name
}

// modernCall calls a tool without a session, and returns the call's id.
func (c *host) modernCall(tool string, size int) (id string, answer <-chan message) {
	c.h.t.Helper()
	answer = c.begin("tools/call", map[string]any{"name": tool, "arguments": map[string]any{"size": size}, "_meta": modernMeta})
	return strconv.Itoa(c.next), answer
}

var modernMeta = map[string]any{
	"io.modelcontextprotocol/protocolVersion": modern, "io.modelcontextprotocol/clientCapabilities": map[string]any{},
}

// takeBack cancels a request.
func (c *host) takeBack(id string) {
	c.h.t.Helper()
	c.send(map[string]any{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": map[string]any{"requestId": json.RawMessage(id), "_meta": modernMeta}})
}

// rawHome returns a home with a raw server as acme.
func rawHome(t *testing.T) (*home, *rawServer) {
	h, s := newHome(t, "KEYPORTER_LOG=info"), newRawServer(t)
	h.do("add", "acme", s.URL+"/mcp", "--offline")
	return h, s
}

// wantOwn takes the answers to calls and checks that each is the call's own, of a size.
func (c *host) wantOwn(answers map[string]<-chan message, size int) {
	c.h.t.Helper()
	for id, answer := range answers {
		text, failed := c.finish(answer)
		if failed || text != strings.Repeat("x", size)+" of "+id {
			c.h.t.Errorf("call %s was answered with %d bytes that end in %.20q (error: %v)", id, len(text), text[max(0, len(text)-20):], failed)
		}
	}
}

// callAll begins n calls at once.
func (c *host) callAll(n, size int) map[string]<-chan message {
	c.h.t.Helper()
	answers := map[string]<-chan message{}
	for range n {
		id, answer := c.modernCall("answer", size)
		answers[id] = answer
	}
	return answers
}

func TestAThousandCallsOfOneBridgeGetTheirOwnAnswers(t *testing.T) {
	t.Parallel()
	h := newHome(t, "KEYPORTER_LOG=info")
	open, err := fakemcp.New(fakemcp.Options{Open: true, JSON: true})
	check(t, err)
	t.Cleanup(open.Close)
	const n = 1000
	var came sync.WaitGroup
	came.Add(n)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.Header.Get("Mcp-Method") == "tools/call" {
			came.Done()
			came.Wait() // nobody is answered before all are there
		}
		open.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	open.SetURL(s.URL)
	h.do("add", "acme", open.URL(), "--offline")
	c := h.launch("acme")
	var answers []<-chan message
	for i := range n {
		answers = append(answers, c.begin("tools/call", map[string]any{"name": "add", "arguments": map[string]any{"a": i, "b": 1}, "_meta": modernMeta}))
	}
	for i, answer := range answers {
		c.wantText(answer, strconv.Itoa(i+1))
	}
	c.close()
}

// A bridge under a limit of files has fewer calls in flight, and loses none.
func TestABridgeThatMayOpenFewFilesLosesNoCall(t *testing.T) {
	t.Parallel()
	h, _ := rawHome(t)
	cmd := exec.Command("/bin/sh", "-c", `ulimit -n 64 && exec "$0" bridge acme`, program)
	cmd.Env, cmd.Dir = h.env, h.dir
	_, stderr := h.command([]string{"version"}, nil) // its output is searched like the others'
	cmd.Stderr = stderr
	c := h.attach(cmd, stderr)
	c.wantOwn(c.callAll(1000, 10), 10)
	c.close()
}

// stoppedReading is how much memory a bridge may have at most when its client does
// not read: what it holds at most, and once more what the collector leaves.
const stoppedReading = 256 << 10 // KiB

func TestAClientThatStopsReadingDoesNotFillTheMemory(t *testing.T) {
	t.Parallel()
	h, s := rawHome(t)
	c := h.launch("acme")
	c.wantOwn(c.callAll(1, 10), 10)
	<-s.came
	c.deaf.Lock()
	const n, size = 400, 1 << 20
	answers := c.callAll(n, size)
	for range n { // all are with the server
		wants(t, "a call", s.came)
	}
	id, stuck := c.modernCall("no header", 0)
	wants(t, "the call that is not answered", s.came)
	c.takeBack(id) // gets through all the same
	wants(t, "the end of the call that was taken back", s.left)
	rests(t, c.cmd.Process.Pid)
	c.deaf.Unlock()
	c.wantOwn(answers, size)
	if len(stuck) > 0 {
		t.Error("a call that was taken back is answered")
	}
	if peak := peakMemory(t, c.cmd.Process.Pid); peak > stoppedReading {
		t.Errorf("the bridge had %d KiB of memory", peak)
	} else {
		t.Logf("%d answers of %d KiB waited, and the bridge had %d KiB of memory at most", n, size>>10, peak)
	}
	c.close()
}

// rests waits until a process has nothing to do: for fifty looks each of its threads
// slept and none ran in between. One that only waits for a processor is not asleep, so
// that a busy computer makes this longer and not wrong.
func rests(t *testing.T, pid int) {
	t.Helper()
	last, same := "", 0
	until(t, "a process to rest", func() bool {
		now, asleep := threads(t, pid)
		if same++; now != last || !asleep {
			last, same = now, 0
		}
		return same == 50
	})
}

// threads returns what processor time each thread of a process has had
// (proc_pid_schedstat(5)), and whether all of them sleep.
func threads(t *testing.T, pid int) (ran string, asleep bool) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*")
	check(t, err)
	asleep = len(tasks) > 0
	for _, task := range tasks {
		had, err := os.ReadFile(task + "/schedstat")
		check(t, err)
		stat, err := os.ReadFile(task + "/stat")
		check(t, err)
		ran += task + " " + string(had)
		_, state, _ := strings.Cut(string(stat), ") ") // proc_pid_stat(5)
		asleep = asleep && strings.HasPrefix(state, "S")
	}
	return ran, asleep
}

func TestAServerThatNeverAnswersHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	h, s := rawHome(t)
	c := h.launch("acme")
	kinds := []string{"no header", "half a body", "silent stream"}
	var ids []string
	var stuck []<-chan message
	for _, kind := range kinds {
		for range 20 {
			id, answer := c.modernCall(kind, 0)
			ids, stuck = append(ids, id), append(stuck, answer)
			wants(t, kind, s.came)
		}
	}
	c.wantOwn(c.callAll(100, 1000), 1000)
	for i, id := range ids {
		c.takeBack(id)
		if left := wants(t, "the end of what was taken back", s.left); left != kinds[i/20] {
			t.Errorf("the call %s was given up in place of %s", left, kinds[i/20])
		}
		if len(stuck[i]) > 0 {
			t.Errorf("call %s was taken back, and answered with %v", id, <-stuck[i])
		}
	}
	c.wantOwn(c.callAll(10, 1000), 1000)
	// Calls that nobody takes back do not keep the bridge from ending.
	for _, kind := range kinds {
		c.modernCall(kind, 0)
	}
	c.close()
}
