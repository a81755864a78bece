//go:build unix

package conformance

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// A front is what stands between the suite, which speaks HTTP to a server, and a
// bridge, which speaks on standard input and output: Streamable HTTP with a bridge
// for each legacy session, and one for all that has no session. It routes messages
// and gives requests without a session ids of its own, because several clients may
// use the same; everything else passes as it came. It checks no header: what an HTTP
// server has to refuse, the front does not.
type front struct {
	launch func() *exec.Cmd

	mu       sync.Mutex
	next     int
	sessions map[string]*joint // by Mcp-Session-Id; "" is that of 2026-07-28
}

// A joint is one bridge and what waits for it.
type joint struct {
	in  io.WriteCloser
	cmd *exec.Cmd

	mu    sync.Mutex
	posts []*post     // whose answers are to come, oldest first
	get   chan object // of the GET stream; nil if there is none
	over  chan struct{}
}

// A post is a request that waits for its answer.
type post struct {
	id, own, progress string      // as the client wrote it, as the bridge knows it
	come              chan object // what belongs to it, the answer last
}

// An object is a message of which the members that are not looked at stay as they are.
type object map[string]json.RawMessage

// in returns what stands at a path, and whether it is there.
func (o object) in(path ...string) string {
	for i, name := range path {
		value := o[name]
		if i == len(path)-1 {
			return string(value)
		}
		o = nil
		if json.Unmarshal(value, &o) != nil {
			return ""
		}
	}
	return ""
}

const subscription = "io.modelcontextprotocol/subscriptionId"

func newFront(t *testing.T, launch func() *exec.Cmd) *front {
	f := &front{launch: launch, sessions: map[string]*joint{}}
	t.Cleanup(func() {
		for _, j := range f.sessions {
			j.in.Close()
			<-j.over
			if err := j.cmd.Wait(); err != nil {
				t.Errorf("a bridge: %v", err)
			}
		}
	})
	return f
}

// joint returns the bridge of a session, which it starts if that is wanted.
func (f *front) joint(session string, start bool) (*joint, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if j := f.sessions[session]; j != nil || !start {
		return j, nil
	}
	cmd := f.launch()
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	j := &joint{in: in, cmd: cmd, over: make(chan struct{})}
	f.sessions[session] = j
	go j.read(out)
	return j, nil
}

func (f *front) number() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	return f.next
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	session := r.Header.Get("Mcp-Session-Id")
	switch r.Method {
	case http.MethodPost:
		f.post(w, r, session)
	case http.MethodGet:
		j, err := f.joint(session, false)
		if j == nil || err != nil || session == "" {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		j.stream(w, r)
	default:
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

func (f *front) post(w http.ResponseWriter, r *http.Request, session string) {
	var m object
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	method := m.in("method")
	if method == `"initialize"` && m.in("params", "_meta", "io.modelcontextprotocol/protocolVersion") == "" {
		session = "session-" + strconv.Itoa(f.number())
		w.Header().Set("Mcp-Session-Id", session)
	}
	j, err := f.joint(session, true)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if method == "" || m.in("id") == "" {
		j.send(m)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	p := &post{id: m.in("id"), own: m.in("id"), progress: m.in("params", "_meta", "progressToken"), come: make(chan object, 1024)}
	if session == "" {
		p.own = strconv.Quote(fmt.Sprint("front ", f.number()))
		m["id"] = json.RawMessage(p.own)
	}
	j.mu.Lock()
	j.posts = append(j.posts, p)
	j.mu.Unlock()
	j.send(m)
	if !p.answer(w, r) {
		j.forget(p)
		j.send(object{"jsonrpc": json.RawMessage(`"2.0"`), "method": json.RawMessage(`"notifications/cancelled"`),
			"params": json.RawMessage(`{"requestId":` + p.own + `}`)})
	}
}

// status is what Streamable HTTP says about an error beside the error itself
// (2026-07-28 basic/transports).
var status = map[string]int{"-32601": http.StatusNotFound, "-32020": http.StatusBadRequest,
	"-32021": http.StatusBadRequest, "-32022": http.StatusBadRequest, "-32602": http.StatusBadRequest}

// answer writes what comes for a request: an event stream, or an error alone with its
// status. It reports whether the answer came.
func (p *post) answer(w http.ResponseWriter, r *http.Request) bool {
	for streams := false; ; streams = true {
		select {
		case m := <-p.come:
			final := m.in("method") == ""
			if code := status[m.in("error", "code")]; code != 0 && final && !streams {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(code)
				w.Write(m.bytes())
				return true
			}
			event(w, m)
			if final {
				return true
			}
		case <-r.Context().Done():
			return false
		}
	}
}

// stream is the GET stream of a session.
func (j *joint) stream(w http.ResponseWriter, r *http.Request) {
	get := make(chan object, 1024)
	j.mu.Lock()
	j.get = get
	j.mu.Unlock()
	w.Header().Set("Content-Type", "text/event-stream")
	w.(http.Flusher).Flush()
	for {
		select {
		case m := <-get:
			event(w, m)
		case <-r.Context().Done():
			j.mu.Lock()
			if j.get == get {
				j.get = nil
			}
			j.mu.Unlock()
			return
		}
	}
}

func event(w http.ResponseWriter, m object) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprintf(w, "event: message\ndata: %s\n\n", m.bytes())
	w.(http.Flusher).Flush()
}

func (j *joint) send(m object) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.in.Write(append(m.bytes(), '\n'))
}

func (j *joint) forget(p *post) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.posts = slices.DeleteFunc(j.posts, func(other *post) bool { return other == p })
}

// read gives what the bridge writes to whom it belongs, until the bridge ends.
func (j *joint) read(out io.Reader) {
	defer close(j.over)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var m object
		if json.Unmarshal(lines.Bytes(), &m) == nil {
			j.route(m)
		}
	}
}

func (j *joint) route(m object) {
	j.mu.Lock()
	defer j.mu.Unlock()
	answer := m.in("method") == ""
	for i, p := range j.posts {
		switch {
		case answer && m.in("id") == p.own:
			m["id"] = json.RawMessage(p.id)
			j.posts = slices.Delete(j.posts, i, i+1)
		case answer:
			continue
		case p.own == m.in("params", "_meta", subscription) && p.own != "":
			m = renamed(m, p)
		case p.progress != "" && p.progress == m.in("params", "progressToken"):
		default:
			continue
		}
		p.come <- m
		return
	}
	switch { // it belongs to no request that could be told
	case answer:
	case j.get != nil:
		j.get <- m
	case len(j.posts) > 0:
		j.posts[len(j.posts)-1].come <- m
	}
}

// renamed gives a notification of a subscription the id by which its client knows it.
func renamed(m object, p *post) object {
	var params, meta object
	if json.Unmarshal(m["params"], &params) != nil || json.Unmarshal(params["_meta"], &meta) != nil {
		return m
	}
	meta[subscription] = json.RawMessage(p.id)
	params["_meta"] = meta.bytes()
	m = maps.Clone(m)
	m["params"] = params.bytes()
	return m
}

func (o object) bytes() []byte {
	b, err := json.Marshal(o)
	if err != nil {
		return nil // it was read from JSON
	}
	return []byte(strings.ReplaceAll(string(b), "\n", " "))
}
