package bridge

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const newerCall = `{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}}}`

// onlyOlder is a server with sessions that knows nothing of the newer protocol.
func onlyOlder(s *server) http.Handler {
	s.session = "s1"
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method == http.MethodPost && r.Header.Get("Mcp-Session-Id") == "" && !strings.Contains(string(body), `"initialize"`) {
			w.WriteHeader(400)
			io.WriteString(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: no session"}}`)
			return
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		s.ServeHTTP(w, r)
	})
}

// A client may have found out with another bridge that the server speaks the newer
// protocol, because that stood in for it.
func TestACallThatOnlyAnOlderServerRefusesGoesOverASession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &server{}
		h := start(t, newAgent(address), inMemory(onlyOlder(s)))
		h.send(newerCall)
		h.want(`{"jsonrpc":"2.0","id":5,"result":{"resultType":"complete"}}`)
		h.end()
		if s.inits != 1 || len(s.deletes) != 1 {
			t.Errorf("%d sessions were begun, %d ended; want one", s.inits, len(s.deletes))
		}
	})
}

// Nobody has told the client anything: what the server says lets it fall back.
func TestADiscoverThatAnOlderServerRefusesBeginsNoSession(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &server{}
		h := start(t, newAgent(address), inMemory(onlyOlder(s)))
		h.send(`{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{` + modernMeta + `}}`)
		h.want(`{"jsonrpc":"2.0","id":0,"error":{"code":-32000,"message":"Bad Request: no session"}}`)
		h.open()
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/list"}`)
		h.want(`{"jsonrpc":"2.0","id":2,"result":{}}`)
		if s.inits != 1 {
			t.Errorf("%d sessions were begun, want that of the client", s.inits)
		}
	})
}

func TestANewerServerIsAskedOnceWhatItSpeaks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var discovers atomic.Int32
		h := start(t, newAgent(address), inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.Header.Get("Mcp-Method") == methodDiscover {
				discovers.Add(1)
				answer(w, string(body), `{"supportedVersions":["2026-07-28"],"capabilities":{}}`)
				return
			}
			w.WriteHeader(400)
			io.WriteString(w, `{"jsonrpc":"2.0","id":5,"error":{"code":-32602,"message":"No tool x"}}`)
		})))
		for range 3 {
			h.send(newerCall)
			h.want(`{"jsonrpc":"2.0","id":5,"error":{"code":-32602,"message":"No tool x"}}`)
		}
		if n := discovers.Load(); n != 1 {
			t.Errorf("it was asked %d times, want once", n)
		}
	})
}

// asking is an older server whose call asks the client something and waits.
func asking(s *server) {
	s.call = func(w http.ResponseWriter, r *http.Request, body string) {
		events(w, `data: {"jsonrpc":"2.0","id":"q","method":"elicitation/create","params":{"message":"Go on?"}}`+"\n\n")
		<-r.Context().Done()
	}
}

func TestAClientThatNeverComesBackWithItsAnswerEndsTheCall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &server{}
		asking(s)
		h := start(t, newAgent(address), inMemory(onlyOlder(s)))
		h.send(newerCall)
		h.wantHas(`"id":5`, `"resultType":"input_required"`, `"method":"elicitation/create"`)
		<-time.After(inputLimit)
		synctest.Wait()
		if last := s.seen[len(s.seen)-1]; !strings.Contains(last, noteCancelled) || !strings.Contains(last, `"requestId":5`) {
			t.Errorf("the server last heard %s", last)
		}
		h.send(strings.Replace(newerCall, `"name"`, `"requestState":"keyporter-call-1","inputResponses":{},"name"`, 1))
		h.wantHas(`"id":5`, `"code":-32602`, "Send the request anew.")
	})
}

func TestTheEndOfInputDoesNotWaitForAnAnswerOfTheClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &server{}
		asking(s)
		h := start(t, newAgent(address), inMemory(onlyOlder(s)))
		h.send(newerCall)
		h.wantHas(`"resultType":"input_required"`)
		began := time.Now()
		h.end()
		if d := time.Since(began); d != 0 || len(s.deletes) != 1 {
			t.Errorf("it took %v, and %d sessions were ended", d, len(s.deletes))
		}
	})
}
