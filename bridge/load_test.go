package bridge

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAThousandCallsInFlightAreAllAnswered(t *testing.T) {
	const n = 1000
	bubble(t, func(t *testing.T) {
		s := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			<-time.After(200 * time.Millisecond)
			answer(w, string(body), `{"of":`+idOf(string(body))+`}`)
		})
		h := start(t, newAgent(address), inMemory(s))
		began := time.Now()
		go func() {
			for i := range n {
				io.WriteString(h.in, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"x",%s}}`+"\n", i, modernMeta))
			}
		}()
		seen := map[string]bool{}
		for range n {
			l := h.next()
			id := idOf(l)
			if seen[id] = true; l != `{"jsonrpc":"2.0","id":`+id+`,"result":{"of":`+id+`}}` {
				t.Errorf("answer %s", l)
			}
		}
		if len(seen) != n {
			t.Errorf("%d different answers", len(seen))
		}
		if d := time.Since(began); d != 200*time.Millisecond {
			t.Errorf("took %v of faked time, want one wait for all", d)
		}
	})
}

// busy limits how many messages are worked on at the same time.
func busy(n int) func(*Options) { return func(o *Options) { o.MaxBusy = n } }

func modernCall(id int, tool string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q,%s}}`, id, tool, modernMeta)
}

func TestCallsBeyondTheLimitWaitForTheirTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var now, most atomic.Int32
		s := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			n := now.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-time.After(time.Second)
			now.Add(-1)
			answer(w, string(body), `{"of":`+idOf(string(body))+`}`)
		})
		h := start(t, newAgent(address), inMemory(s), busy(4))
		for i := range 50 {
			h.send(modernCall(i, "x"))
		}
		seen := map[string]bool{}
		for range 50 {
			l := h.next()
			id := idOf(l)
			if seen[id] = true; l != `{"jsonrpc":"2.0","id":`+id+`,"result":{"of":`+id+`}}` {
				t.Errorf("answer %s", l)
			}
		}
		if len(seen) != 50 || most.Load() != 4 {
			t.Errorf("%d different answers, %d calls at once", len(seen), most.Load())
		}
	})
}

// silent answers calls of the tool quick, and no others.
func silent(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	if !strings.Contains(string(body), `"quick"`) {
		<-r.Context().Done()
		return
	}
	answer(w, string(body), "{}")
}

func TestACallIsTakenBackWhileTooManyAreInFlight(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, newAgent(address), inMemory(http.HandlerFunc(silent)), busy(2))
		h.send(modernCall(1, "stuck"), modernCall(2, "stuck"), modernCall(3, "quick"), modernCall(4, "quick"))
		for _, id := range []string{"3", "1"} { // one that waits, and one that is in flight
			h.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":` + id + `,` + modernMeta + `}}`)
		}
		h.want(`{"jsonrpc":"2.0","id":4,"result":{}}`)
		h.send(modernCall(5, "quick"))
		h.want(`{"jsonrpc":"2.0","id":5,"result":{}}`)
	})
}

// The server asks the client something before it answers a call, and the client
// has sent other calls before it answers.
func TestWhatTheServerAskedForOvertakesCallsThatWait(t *testing.T) {
	bubble(t, func(t *testing.T) {
		said := make(chan struct{})
		s := &server{session: "s1"}
		s.call = func(w http.ResponseWriter, r *http.Request, body string) {
			if idOf(body) != "5" {
				answer(w, body, "{}")
				return
			}
			events(w, "data: {\"jsonrpc\":\"2.0\",\"id\":\"q\",\"method\":\"elicitation/create\"}\n\n")
			<-said
			io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{}}\n\n")
		}
		answered := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), `"id":"q"`) {
				close(said)
				w.WriteHeader(http.StatusAccepted)
				return
			}
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			s.ServeHTTP(w, r)
		})
		h := start(t, newAgent(address), inMemory(answered), busy(1))
		h.open()
		h.send(`{"jsonrpc":"2.0","id":5,"method":"tools/call"}`)
		h.wantHas(`"id":"q"`)
		h.send(`{"jsonrpc":"2.0","id":6,"method":"tools/call"}`, `{"jsonrpc":"2.0","id":"q","result":{"action":"accept"}}`)
		h.want(`{"jsonrpc":"2.0","id":5,"result":{}}`)
		h.want(`{"jsonrpc":"2.0","id":6,"result":{}}`)
	})
}

// notes are n notifications.
func notes(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"jsonrpc":"2.0","method":"notifications/x","params":{"n":%d,%s}}`, i, modernMeta)
	}
	return lines
}

// Each call waited a quarter of a minute for each of the notifications before it.
func TestAServerThatAcceptsNoNotificationsAnswersCallsAllTheSame(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, newAgent(address), inMemory(http.HandlerFunc(silent)), busy(2))
		began := time.Now()
		h.send(notes(20)...)
		h.send(modernCall(1, "quick"))
		h.want(`{"jsonrpc":"2.0","id":1,"result":{}}`)
		if d := time.Since(began); d != deliveryLimit {
			t.Errorf("the call took %v of faked time, want %v", d, deliveryLimit)
		}
	})
}

func TestACallComesBehindTheNotificationsThatAreAcceptedSlowly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var accepted atomic.Int32
		s := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if strings.Contains(string(body), `"id"`) {
				answer(w, string(body), fmt.Sprintf(`{"after":%d}`, accepted.Load()))
				return
			}
			<-time.After(deliveryLimit / 2)
			accepted.Add(1)
			w.WriteHeader(http.StatusAccepted)
		})
		h := start(t, newAgent(address), inMemory(s), busy(2))
		h.send(notes(20)...)
		h.send(modernCall(1, "x"))
		h.want(`{"jsonrpc":"2.0","id":1,"result":{"after":20}}`)
	})
}

// What waits is bounded: a client that goes on writing is not read any more.
func TestAClientThatSendsWithoutEndIsNotReadAnyMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := start(t, newAgent(address), inMemory(http.HandlerFunc(silent)), busy(2))
		var sent atomic.Int64
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for i := 0; ; i++ {
				n, err := io.WriteString(h.in, modernCall(i, strings.Repeat("stuck", 20<<10))+"\n")
				if err != nil {
					return
				}
				sent.Add(int64(n))
			}
		}()
		synctest.Wait()
		if n := sent.Load(); n < maxBacklog || n > maxBacklog+1<<20 {
			t.Errorf("%d bytes were read", n)
		}
		h.stop()
		<-h.done
		h.in.CloseWithError(io.ErrClosedPipe)
		<-stopped
		h.done <- nil
	})
}

// A refusal that a call gets over takes no more room, however long the call then takes:
// others that were refused at length wait for that room.
func TestCallsThatWereRefusedAtLengthOnceAreAllSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const many = 40 // of a megabyte, more than all answers may take
		var mu sync.Mutex
		seen, again := map[string]bool{}, 0
		all := make(chan struct{})
		h := start(t, newAgent(address), inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			raw, _ := io.ReadAll(r.Body)
			body := string(raw)
			mu.Lock()
			first := !seen[body]
			if seen[body] = true; !first {
				if again++; again == many {
					close(all)
				}
			}
			mu.Unlock()
			if first {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(http.StatusServiceUnavailable)
				w.Write(make([]byte, 1<<20))
				return
			}
			select {
			case <-all:
			case <-time.After(time.Minute):
				t.Error("some calls are not sent again")
			}
			answer(w, body, `{"tools":[]}`)
		})))
		for id := range many {
			h.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/list"}`, id))
		}
		for range many {
			h.wantHas(`"result":{"tools":[]}`)
		}
		h.end()
	})
}
