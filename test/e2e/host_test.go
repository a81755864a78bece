//go:build unix

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"keyporter/internal/tally"
)

// A host is an MCP client that launched a bridge and speaks JSON-RPC with it.
type host struct {
	h     *home
	cmd   *exec.Cmd
	in    io.WriteCloser
	err   *output
	ended chan struct{} // closed when the bridge is gone and all was read
	slain atomic.Bool   // by the test, as nothing else can end it
	deaf  sync.Mutex    // who holds it keeps the host from reading

	mu      sync.Mutex
	next    int
	waiting map[string]chan message // by id; each takes one answer
	notes   map[string]chan message // by method
}

// A message is a JSON-RPC message of the bridge.
type message struct {
	JSONRPC string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
	Result  json.RawMessage `json:"result"`
	Error   *rpcError       `json:"error"`
}

type rpcError struct {
	Code    int             `json:"code"`
	Message string          `json:"message"`
	Data    json.RawMessage `json:"data"`
}

func (m message) String() string {
	if m.Error != nil {
		return fmt.Sprintf("error %d: %s", m.Error.Code, m.Error.Message)
	}
	return string(m.Result)
}

// launch starts a bridge as a host does. It ends with the test. more is
// environment.
func (h *home) launch(name string, more ...string) *host {
	h.t.Helper()
	cmd, stderr := h.command([]string{"bridge", name}, more)
	return h.attach(cmd, stderr)
}

// attach is launch for a command that becomes the bridge.
func (h *home) attach(cmd *exec.Cmd, stderr *output) *host {
	h.t.Helper()
	in, err := cmd.StdinPipe()
	check(h.t, err)
	out, err := cmd.StdoutPipe()
	check(h.t, err)
	check(h.t, cmd.Start())
	h.look(cmd.Process.Pid)
	c := &host{h: h, cmd: cmd, in: in, err: stderr, ended: make(chan struct{}),
		waiting: map[string]chan message{}, notes: map[string]chan message{}}
	go func() {
		defer close(c.ended)
		c.read(out)
		_ = cmd.Wait() // the exit code says it
	}()
	h.t.Cleanup(func() {
		h.lookAround()
		_ = cmd.Process.Kill()
		<-c.ended
		if h.t.Failed() {
			h.t.Logf("bridge %d wrote:\n%s", cmd.Process.Pid, stderr)
		}
	})
	return c
}

// read takes the bridge's messages until its end. Its standard output carries
// messages and nothing else.
func (c *host) read(out io.Reader) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		c.deaf.Lock()
		c.deaf.Unlock() //lint:ignore SA2001 it only waits
		if err != nil {
			if line != "" && !c.slain.Load() {
				c.h.t.Errorf("the bridge's last line has no end: %.100q", line)
			}
			return
		}
		c.h.searchText("the bridge's standard output", line)
		var m message
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.JSONRPC != "2.0" {
			c.h.t.Errorf("the bridge wrote what is no message: %.100q (%v)", line, err)
			continue
		}
		c.mu.Lock()
		answer := c.waiting[string(m.ID)]
		delete(c.waiting, string(m.ID))
		c.mu.Unlock()
		switch {
		case m.Method != "" && m.ID == nil:
			select {
			case c.noted(m.Method) <- m:
			default:
				c.h.t.Errorf("more than a hundred notifications %s", m.Method)
			}
		case m.Method == "" && answer != nil:
			answer <- m
		default:
			c.h.t.Errorf("the bridge wrote what nobody asked for: %.100q", line)
		}
	}
}

// noted returns the channel of one kind of notification.
func (c *host) noted(method string) chan message {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.notes[method] == nil {
		c.notes[method] = make(chan message, 100)
	}
	return c.notes[method]
}

// begin sends a request. The answer comes on the channel.
func (c *host) begin(method string, params any) <-chan message {
	c.h.t.Helper()
	c.mu.Lock()
	c.next++
	id := strconv.Itoa(c.next)
	answer := make(chan message, 1)
	c.waiting[id] = answer
	c.mu.Unlock()
	c.send(map[string]any{"jsonrpc": "2.0", "id": json.RawMessage(id), "method": method, "params": params})
	return answer
}

func (c *host) notify(method string) {
	c.h.t.Helper()
	c.send(map[string]any{"jsonrpc": "2.0", "method": method})
}

func (c *host) send(m map[string]any) {
	c.h.t.Helper()
	b, err := json.Marshal(m)
	check(c.h.t, err)
	if _, err := c.in.Write(append(b, '\n')); err != nil && !c.slain.Load() {
		c.h.t.Errorf("write to the bridge: %v\n%s", err, c.err)
	}
}

// await waits for what comes on one of the host's channels; without a value, the
// bridge ended or patience did.
func (c *host) await(from <-chan message) (m message, ok bool) {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case m = <-from:
		return m, true
	case <-c.ended:
	case <-timer.C:
	}
	return m, false
}

// take is await in the goroutine of the test.
func (c *host) take(what string, from <-chan message) message {
	c.h.t.Helper()
	m, ok := c.await(from)
	if !ok {
		c.h.t.Fatalf("%s did not come", what)
	}
	return m
}

// ask sends a request and returns its answer.
func (c *host) ask(method string, params any) message {
	c.h.t.Helper()
	return c.take("the answer to "+method, c.begin(method, params))
}

// hears waits for a notification.
func (c *host) hears(method string) message {
	c.h.t.Helper()
	return c.take(method, c.noted(method))
}

// initialize greets the server and returns what it is and says.
func (c *host) initialize() (server, instructions string) {
	c.h.t.Helper()
	m := c.ask("initialize", initializeParams)
	var r struct {
		ServerInfo   struct{ Name string }
		Instructions string
	}
	if m.Error != nil || json.Unmarshal(m.Result, &r) != nil {
		c.h.t.Fatalf("initialize: %v", m)
	}
	c.notify("notifications/initialized")
	return r.ServerInfo.Name, r.Instructions
}

var initializeParams = map[string]any{
	"protocolVersion": "2025-11-25", "capabilities": map[string]any{},
	"clientInfo": map[string]string{"name": "test host", "version": "1"},
}

// tools returns the names of the tools.
func (c *host) tools() []string {
	c.h.t.Helper()
	m := c.ask("tools/list", map[string]any{})
	var r struct{ Tools []struct{ Name string } }
	if m.Error != nil || json.Unmarshal(m.Result, &r) != nil {
		c.h.t.Fatalf("tools/list: %v", m)
	}
	var names []string
	for _, tool := range r.Tools {
		names = append(names, tool.Name)
	}
	return names
}

func (c *host) wantTools(want ...string) {
	c.h.t.Helper()
	if got := fmt.Sprint(c.tools()); got != fmt.Sprint(want) {
		c.h.t.Fatalf("tools %v, want %v", got, want)
	}
}

// beginCall calls a tool.
func (c *host) beginCall(tool string, arguments map[string]any) <-chan message {
	c.h.t.Helper()
	return c.begin("tools/call", map[string]any{"name": tool, "arguments": arguments})
}

// finish waits for a tool's result and returns its text.
func (c *host) finish(call <-chan message) (text string, failed bool) {
	c.h.t.Helper()
	m := c.take("the result of the call", call)
	var r struct {
		Content []struct{ Text string }
		IsError bool
	}
	if m.Error != nil || json.Unmarshal(m.Result, &r) != nil || len(r.Content) != 1 {
		c.h.t.Fatalf("tools/call: %v", m)
	}
	return r.Content[0].Text, r.IsError
}

func (c *host) wantText(call <-chan message, want string) {
	c.h.t.Helper()
	if text, failed := c.finish(call); failed || !strings.Contains(text, want) {
		c.h.t.Fatalf("the call said %q (error: %v), want %q", text, failed, want)
	}
}

func (c *host) wantFailure(call <-chan message, want string) {
	c.h.t.Helper()
	if text, failed := c.finish(call); !failed || !strings.Contains(text, want) {
		c.h.t.Fatalf("the call said %q (error: %v), want a failure that says %q", text, failed, want)
	}
}

// add calls the tool of fakemcp that adds.
func (c *host) add(a, b int) <-chan message {
	c.h.t.Helper()
	return c.beginCall("add", map[string]any{"a": a, "b": b})
}

// callCounted calls add and counts what becomes of it: it has to be answered with the
// sum (ok) or with one of the sentences.
func (c *host) callCounted(run *tally.Tally, sentences ...string) (ok bool) {
	c.h.t.Helper()
	run.Sent.Add(1)
	m, came := c.await(c.add(20, 22))
	said := m.String()
	ok = came && m.Error == nil && strings.Contains(said, `"sum":42`)
	switch {
	case !came:
		run.Lost.Add(1)
		c.h.t.Errorf("a call was lost")
	case ok, slices.ContainsFunc(sentences, func(s string) bool { return strings.Contains(said, s) }):
		run.Answered.Add(1)
	default:
		run.Wrong.Add(1)
		c.h.t.Errorf("a call was answered %s; want a sum or one of %q", said, sentences)
	}
	return ok
}

// close ends the bridge as a host does.
func (c *host) close() {
	c.h.t.Helper()
	c.h.searchProcess(c.cmd.Process.Pid)
	check(c.h.t, c.in.Close())
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-c.ended:
	case <-timer.C:
		c.h.t.Fatal("the bridge did not end with its input")
	}
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		c.h.t.Errorf("the bridge ended with exit code %d:\n%s", code, c.err)
	}
}

// runs reports whether the bridge has not ended.
func (c *host) runs(t *testing.T) {
	t.Helper()
	select {
	case <-c.ended:
		t.Fatalf("the bridge ended with exit code %d", c.cmd.ProcessState.ExitCode())
	default:
	}
}
