package translate

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"keyporter/bridge/frame"
)

// session returns a session of a client with these capabilities that answers
// every request with {"n":COUNT}, and what it was asked.
func session(t *testing.T, caps string) (*Session, func() []string) {
	t.Helper()
	init, err := frame.Scan([]byte(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":` + caps + `}}`))
	if err != nil {
		t.Fatal(err)
	}
	var s *Session
	var asked []string
	s = New(Options{Initialize: init, Discovered: []byte(`{}`), Version: "2026-07-28", Agreed: "2025-11-25", Life: t.Context(),
		Go: func(f func()) { go f() },
		Write: func(msg []byte) error {
			asked = append(asked, string(msg))
			f, err := frame.Scan(msg)
			if err != nil || f.Kind != frame.Request {
				return err
			}
			answer, err := frame.Scan(frame.NewResult(f.ID, fmt.Appendf(nil, `{"n":%d}`, len(asked))))
			if err == nil && !s.Answer(answer) {
				t.Errorf("nobody waits for the answer to %s", msg)
			}
			return err
		}})
	return s, func() []string { return asked }
}

func call(t *testing.T) frame.Frame {
	t.Helper()
	f, err := frame.Scan([]byte(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x"}}`))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestAServerThatAsksForEverIsStopped(t *testing.T) {
	for _, result := range []string{
		`{"resultType":"input_required","requestState":"s"}`,
		`{"resultType":"input_required","inputRequests":{"r":{"method":"roots/list"}}}`,
	} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := session(t, `{"roots":{}}`)
			round, err := s.First(call(t))
			n := 0
			seen := map[string]bool{}
			for ; err == nil; n++ {
				if id := string(round.Request.ID); seen[id] {
					t.Fatalf("id %s for the second time", id)
				} else {
					seen[id] = true
				}
				round, err = s.Next(t.Context(), round, call(t), []byte(result))
			}
			if n != maxRounds || !strings.Contains(err.Error(), "16 times") {
				t.Errorf("after %d attempts: %v", n, err)
			}
		})
	}
}

func TestInputsOfOneRoundAreBounded(t *testing.T) {
	s, asked := session(t, `{"roots":{}}`)
	round, err := s.First(call(t))
	if err != nil {
		t.Fatal(err)
	}
	requests := []byte("{}")
	for i := range maxRequests + 1 {
		requests = frame.Set(requests, fmt.Sprint(i), []byte(`{"method":"roots/list"}`))
	}
	_, err = s.Next(t.Context(), round, call(t), frame.Set([]byte("{}"), "inputRequests", requests))
	if err == nil || len(asked()) != 0 {
		t.Errorf("%d were asked, %v", len(asked()), err)
	}
}

func TestOnlyWhatTheClientCanDoIsAsked(t *testing.T) {
	form := `{"method":"elicitation/create","params":{"message":"m"}}`
	url := `{"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://a.example"}}`
	for _, test := range []struct {
		caps, request string
		want          string // part of the refusal; empty: asked
	}{
		{`{"elicitation":{}}`, form, ""},
		{`{"elicitation":{}}`, url, "URL elicitation"},
		{`{"elicitation":{"form":{}}}`, form, ""},
		{`{"elicitation":{"url":{}}}`, url, ""},
		{`{"elicitation":{"url":{}}}`, form, "form elicitation"},
		{`{"elicitation":{"form":{},"url":{}}}`, url, ""},
		{`{"roots":{}}`, form, "elicitation"},
		{`{"sampling":{}}`, `{"method":"sampling/createMessage","params":{}}`, ""},
		{`{}`, `{"method":"sampling/createMessage","params":{}}`, "sampling"},
		{`{"roots":{}}`, `{"method":"roots/list"}`, ""},
		{`null`, `{"method":"roots/list"}`, "roots"},
		{`{"elicitation":{},"roots":{},"sampling":{}}`, `{"method":"tools/call"}`, "unknown kind"},
		{`{}`, `7`, "unknown kind"},
	} {
		s, asked := session(t, test.caps)
		round, err := s.First(call(t))
		if err != nil {
			t.Fatal(err)
		}
		next, err := s.Next(t.Context(), round, call(t), []byte(`{"resultType":"input_required","inputRequests":{"k":`+test.request+`}}`))
		switch {
		case test.want == "" && (err != nil || len(asked()) != 1 || !strings.Contains(string(next.Request.Raw), `"inputResponses":{"k":{"n":1}}`)):
			t.Errorf("%s, %s: %v, asked %v", test.caps, test.request, err, asked())
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want) || len(asked()) != 0):
			t.Errorf("%s, %s: %v, asked %v", test.caps, test.request, err, asked())
		}
	}
}

func TestACallThatIsTakenBackAsksNoMore(t *testing.T) {
	s, _ := session(t, `{"roots":{}}`)
	var told []string
	s.opts.Write = func(msg []byte) error { told = append(told, string(msg)); return nil } // a client that does not answer
	round, err := s.First(call(t))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s.opts.Go = func(f func()) { go func() { cancel(); f() }() }
	_, err = s.Next(ctx, round, call(t), []byte(`{"resultType":"input_required","inputRequests":{"k":{"method":"roots/list"}}}`))
	if err != context.Canceled || len(told) != 2 || !strings.Contains(told[1], `"method":"notifications/cancelled","params":{"requestId":"keyporter-1"}`) {
		t.Errorf("%v, the client heard %v", err, told)
	}
}

func TestNeedsInput(t *testing.T) {
	for result, want := range map[string]bool{
		`{"resultType":"input_required"}`:                       true,
		`{"content":[],"resultType":"input_required"}`:          true,
		`{"content":[{"text":"input_required"}]}`:               false,
		`{"structuredContent":{"resultType":"input_required"}}`: false,
		`{}`: false,
	} {
		if NeedsInput([]byte(result)) != want {
			t.Errorf("NeedsInput(%s) = %v", result, !want)
		}
	}
}
