package bridge

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
)

func TestBatchesPassInTheVersionThatHasThem(t *testing.T) {
	init := strings.Replace(initialize, "2025-11-25", "2025-03-26", 1)
	s := &server{}
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(body), `"initialize"`):
			answer(w, string(body), strings.Replace(initResult, "2025-11-25", "2025-03-26", 1))
		case strings.HasPrefix(string(body), `[{"id":1`):
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `[{"id":1,"result":{}},{"id":2,"result":{}}]`)
		case strings.HasPrefix(string(body), "["):
			w.WriteHeader(500)
		default:
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			s.ServeHTTP(w, r)
		}
	}))
	h := start(t, newAgent(url))
	h.send(init)
	h.wantHas(`"protocolVersion":"2025-03-26"`)
	h.send(initialized, `[{"id":1,"method":"a"},{"id":2,"method":"b"},{"method":"n"}]`)
	h.want(`[{"id":1,"result":{}},{"id":2,"result":{}}]`)
	h.send(`[{"id":3,"method":"a"}]`)
	h.wantHas(`"id":3`, `"status":500`)
}

func TestArraysOfNewerServersAreTakenApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &server{session: "s1"}
		s.call = func(w http.ResponseWriter, r *http.Request, body string) {
			events(w, "data: [{\"jsonrpc\":\"2.0\",\"method\":\"n1\"},{\"jsonrpc\":\"2.0\",\"id\":5,\"result\":{}}]\n\n")
		}
		s.get = func(w http.ResponseWriter, r *http.Request) {
			events(w, "data: [{\"jsonrpc\":\"2.0\",\"method\":\"n2\"},{\"jsonrpc\":\"2.0\",\"method\":\"n3\"}]\n\n")
			<-r.Context().Done()
		}
		h := start(t, newAgent("http://127.0.0.1/mcp"), inMemory(s))
		h.open()
		h.want(`{"jsonrpc":"2.0","method":"n2"}`)
		h.want(`{"jsonrpc":"2.0","method":"n3"}`)
		h.send(`{"jsonrpc":"2.0","id":5,"method":"x"}`)
		h.want(`{"jsonrpc":"2.0","method":"n1"}`)
		h.want(`{"jsonrpc":"2.0","id":5,"result":{}}`)
	})
}

// batches serves 2025-03-26; what it is given answers batches.
func batches(t *testing.T, s *server, call func(w http.ResponseWriter, r *http.Request, body string)) *host {
	t.Helper()
	h := start(t, newAgent(address), inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		switch {
		case strings.Contains(string(body), `"initialize"`):
			s.inits++
			w.Header().Set("Mcp-Session-Id", s.session)
			answer(w, string(body), strings.Replace(initResult, "2025-11-25", "2025-03-26", 1))
		case strings.HasPrefix(string(body), "["):
			call(w, r, string(body))
		default:
			r.Body = io.NopCloser(strings.NewReader(string(body)))
			s.ServeHTTP(w, r)
		}
	})))
	h.send(strings.Replace(initialize, "2025-11-25", "2025-03-26", 1))
	h.wantHas(`"protocolVersion":"2025-03-26"`)
	h.send(initialized)
	return h
}

const twoCalls = `[{"id":"a","method":"tools/call"},{"id":2,"method":"tools/list"},{"method":"n"}]`

// A server may answer the requests of a batch one by one on a stream.
func TestABatchMayBeAnsweredPieceByPiece(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := batches(t, &server{}, func(w http.ResponseWriter, r *http.Request, body string) {
			if body != twoCalls {
				t.Errorf("the server got %s", body)
			}
			events(w, "data: {\"id\":2,\"result\":{}}\n\ndata: {\"method\":\"notifications/progress\"}\n\ndata: [{\"id\":\"a\",\"result\":{\"n\":1.0}}]\n\n")
		})
		h.send(twoCalls)
		h.want(`{"id":2,"result":{}}`)
		h.want(`{"method":"notifications/progress"}`)
		h.want(`[{"id":"a","result":{"n":1.0}}]`)
		h.send(`{"jsonrpc":"2.0","id":3,"method":"next"}`)
		h.want(`{"jsonrpc":"2.0","id":3,"result":{}}`)
	})
}

func TestAnEmptyBatchIsAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := batches(t, &server{}, func(w http.ResponseWriter, r *http.Request, body string) {
			t.Errorf("the server got %s", body)
		})
		h.send(`[ ]`)
		h.wantHas(`"id":null`, "-32600", "empty")
		h.send(`{"jsonrpc":"2.0","id":3,"method":"next"}`)
		h.want(`{"jsonrpc":"2.0","id":3,"result":{}}`)
	})
}

func TestARequestOfABatchThatIsLeftOutIsAnError(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := batches(t, &server{}, func(w http.ResponseWriter, r *http.Request, body string) {
			events(w, "data: [{\"id\":2,\"result\":{}}]\n\n")
		})
		h.send(twoCalls)
		h.want(`[{"id":2,"result":{}}]`)
		h.wantHas(`"id":"a","error"`, "without an answer")
		h.send(`{"jsonrpc":"2.0","id":3,"method":"next"}`)
		h.want(`{"jsonrpc":"2.0","id":3,"result":{}}`)
	})
}

func TestABatchOfALostSessionIsSentInTheNewOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &server{session: "s1"}
		h := batches(t, s, func(w http.ResponseWriter, r *http.Request, body string) {
			if r.Header.Get("Mcp-Session-Id") == "s1" {
				s.session = "s2"
				w.WriteHeader(404)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `[{"id":"a","result":{}},{"id":2,"result":{}}]`)
		})
		h.send(twoCalls)
		h.want(`[{"id":"a","result":{}},{"id":2,"result":{}}]`)
		if s.inits != 2 {
			t.Errorf("%d initializes, want 2", s.inits)
		}
	})
}
