package fakemcp

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"
)

// maxLog is how many requests the log keeps; counters go on.
const maxLog = 4096

// A Request is one line of the log: what arrived and how it was answered,
// without arguments and tokens.
type Request struct {
	Time            time.Time
	Method          string // of HTTP
	Path            string
	RPC             []string // methods of the JSON-RPC messages
	Tools           []string // names of the tools that are called
	ProtocolVersion string   // of the header
	Session         bool     // it named a session
	Bearer          string   // hash of the token (secret.Value.Hash); empty: none
	Status          int      // 0: it was not answered
}

// Counters say what arrived so far.
type Counters struct {
	Requests map[string]int // by path; paths that are not served count under ""
	Statuses map[int]int
	Calls    map[string]int // calls of tools that were let through, by name
	Bearers  map[string]int // by the token's hash
}

// record is the log and the counters.
type record struct {
	mu       sync.Mutex
	requests []Request
	counters Counters
}

func newRecord() record {
	return record{counters: Counters{Requests: map[string]int{}, Statuses: map[int]int{}, Calls: map[string]int{}, Bearers: map[string]int{}}}
}

func (l *record) add(r Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.requests) == maxLog {
		l.requests = slices.Delete(l.requests, 0, maxLog/2)
	}
	l.requests = append(l.requests, r)
	switch r.Path {
	case Path, APIPath, MetadataPath:
		l.counters.Requests[r.Path]++
	default:
		l.counters.Requests[""]++
	}
	l.counters.Statuses[r.Status]++
	if r.Bearer != "" {
		l.counters.Bearers[r.Bearer]++
	}
	if r.Status < 400 {
		for _, tool := range r.Tools {
			l.counters.Calls[tool]++
		}
	}
}

// Counters returns what arrived and was answered so far.
func (s *Server) Counters() Counters {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	c := s.log.counters
	return Counters{maps.Clone(c.Requests), maps.Clone(c.Statuses), maps.Clone(c.Calls), maps.Clone(c.Bearers)}
}

// Requests returns the last requests (2,048 at least, if there were as many) in
// the order in which they were answered.
func (s *Server) Requests() []Request {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return slices.Clone(s.log.requests)
}

// SetLatency makes each answer wait this long from now on.
func (s *Server) SetLatency(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latency = d
}

type failure struct{ n, status int }

// Fail makes the next n requests to a path fail with an HTTP status.
func (s *Server) Fail(path string, n, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[path] = failure{n, status}
}

// Refuse makes the server take the token with this hash (secret.Value.Hash) for
// a revoked one.
func (s *Server) Refuse(hash string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[hash] = true
}

func (s *Server) isRefused(hash string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused[hash]
}

// EndSessions ends all sessions, as a restart would: requests that name one are
// answered with 404. It returns how many there were.
func (s *Server) EndSessions() int {
	n := 0
	for session := range s.mcp.Sessions() {
		if session.ID() == "" {
			continue // the moment of a request without a session
		}
		_ = session.Close()
		n++
	}
	return n
}

// observed waits and fails as it was told to, reads the request's messages where
// MCP is spoken, and writes the log.
func (s *Server) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entry := Request{
			Time: s.o.Now(), Method: r.Method, Path: r.URL.Path,
			ProtocolVersion: r.Header.Get("MCP-Protocol-Version"), Session: r.Header.Get("Mcp-Session-Id") != "",
		}
		if token, _ := bearer(r); !token.IsZero() {
			entry.Bearer = token.Hash()
		}
		answer := &answerWriter{ResponseWriter: w, answering: func(status int) {
			entry.Status = status
			s.log.add(entry)
			if s.o.Observe != nil {
				s.o.Observe(entry)
			}
		}}
		defer answer.begin(0) // a request that is cut is in the log too
		if !s.wait(r) {
			return
		}
		if status := s.nextFailure(r.URL.Path); status != 0 {
			http.Error(answer, http.StatusText(status), status)
			return
		}
		if r.Method == http.MethodPost && (r.URL.Path == Path || r.URL.Path == APIPath) {
			if r = readMessages(answer, r); r == nil {
				return
			}
			entry.RPC, entry.Tools = methods(r), tools(r)
		}
		next.ServeHTTP(answer, r)
	})
}

// wait waits for the latency and reports whether the client is still there.
func (s *Server) wait(r *http.Request) bool {
	s.mu.Lock()
	d := s.latency
	s.mu.Unlock()
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// nextFailure returns the status that is due at a path, or 0.
func (s *Server) nextFailure(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.fail[path]
	if f.n == 0 {
		return 0
	}
	s.fail[path] = failure{f.n - 1, f.status}
	return f.status
}

// An answerWriter writes the log as the answer begins, so that whoever has the
// answer finds it there, and so that streams do not wait for their end.
type answerWriter struct {
	http.ResponseWriter
	answering func(status int)
	begun     bool
}

func (w *answerWriter) begin(status int) {
	if !w.begun {
		w.begun = true
		w.answering(status)
	}
}

func (w *answerWriter) WriteHeader(status int) {
	if status >= 200 {
		w.begin(status)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *answerWriter) Write(b []byte) (int, error) {
	w.begin(http.StatusOK)
	return w.ResponseWriter.Write(b)
}

// FlushError is how http.ResponseController flushes; it sends the header too.
func (w *answerWriter) FlushError() error {
	w.begin(http.StatusOK)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Unwrap is how http.ResponseController finds the rest.
func (w *answerWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
