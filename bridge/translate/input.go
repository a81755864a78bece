package translate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"keyporter/bridge/frame"
	"keyporter/internal/hint"
)

const (
	maxRounds   = 16 // attempts at one request of the client
	maxRequests = 32 // inputs that are asked for at a time
)

// errOthers is the cause when one of several inputs cannot be had.
var errOthers = errors.New("another input is missing")

// NeedsInput reports whether a result asks for more input instead of being one
// (2026-07-28 basic/patterns/mrtr).
func NeedsInput(result []byte) bool {
	// Nearly all results end here, without being looked through.
	if !bytes.Contains(result, []byte("input_required")) {
		return false
	}
	kind, _ := frame.Text(frame.Get(result, "resultType"))
	return kind == "input_required"
}

// MayAsk reports whether a result of a method may ask for more input (2026-07-28
// basic/patterns/mrtr).
func MayAsk(method string) bool {
	return method == "tools/call" || method == "prompts/get" || method == "resources/read"
}

// A Round is one attempt at a request of the client.
type Round struct {
	Request frame.Frame // what goes to the server
	number  int
}

// First returns the first attempt. It has the client's own id, so that the
// answer passes as it is.
func (s *Session) First(f frame.Frame) (*Round, error) {
	r, err := s.Enrich(f)
	return &Round{Request: r, number: 1}, err
}

// Next asks the client for what result wants and returns the next attempt at f:
// with a new id, the client's answers, and the state exactly as it came
// (2026-07-28 basic/patterns/mrtr, client requirements). An error has words for
// the client, unless ctx is done.
func (s *Session) Next(ctx context.Context, last *Round, f frame.Frame, result []byte) (*Round, error) {
	wanted, state := frame.Get(result, "inputRequests"), frame.Get(result, "requestState")
	switch {
	case !MayAsk(f.Method):
		return nil, odd("asks for input where it may not")
	case last.number == maxRounds:
		return nil, odd(fmt.Sprintf("asked for more input %d times without an answer", maxRounds))
	case wanted == nil && state == nil:
		return nil, odd("asks for input without saying which")
	}
	r, err := s.First(f)
	if err != nil {
		return nil, err
	}
	params := frame.Get(r.Request.Raw, "params")
	if wanted != nil {
		answers, err := s.collect(ctx, wanted)
		if err != nil {
			return nil, err
		}
		params = frame.Set(params, "inputResponses", answers)
	} else if err := pause(ctx, 500*time.Millisecond<<min(last.number-1, 4)); err != nil {
		return nil, err // the server only wants to be asked again
	}
	if state != nil {
		params = frame.Set(params, "requestState", state)
	}
	body := frame.Set(frame.Set(r.Request.Raw, "params", params), "id", s.nextID())
	r.number = last.number + 1
	r.Request, err = frame.Scan(body)
	return r, err
}

func odd(what string) error {
	return hint.New(hint.Refused, "The server "+what+".", "Try again, or tell the server's owner.")
}

// collect asks the client for all inputs at once and returns the answers, by the
// server's keys.
func (s *Session) collect(ctx context.Context, wanted []byte) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	type answer struct {
		key    string
		result []byte
		err    error
	}
	requests := map[string][]byte{}
	for key, request := range frame.Members(wanted) {
		if err := Able(s.caps, request); err != nil {
			return nil, err
		}
		requests[key] = request
	}
	if len(requests) > maxRequests {
		return nil, odd(fmt.Sprintf("asks for %d inputs at once", len(requests)))
	}
	came := make(chan answer, len(requests))
	for key, request := range requests {
		s.opts.Go(func() {
			result, err := s.ask(ctx, request)
			came <- answer{key, result, err}
		})
	}
	answers := []byte("{}")
	var first error
	for range requests {
		select {
		case a := <-came:
			if a.err != nil && first == nil {
				first = a.err
				cancel(errOthers)
			}
			answers = frame.Set(answers, a.key, a.result)
		case <-s.opts.Life.Done(): // nothing starts any more
			return nil, context.Cause(s.opts.Life)
		}
	}
	return answers, first
}

// Able reports what keeps a client with these capabilities from answering a request
// of the server. A server is not to ask for it (2026-07-28 basic/patterns/mrtr).
func Able(caps, request []byte) error {
	has := func(path ...string) bool { return bytes.HasPrefix(frame.Get(caps, path...), []byte("{")) }
	method, _ := frame.Text(frame.Get(request, "method"))
	lacks := ""
	switch method {
	case "elicitation/create":
		form, url := has("elicitation", "form"), has("elicitation", "url")
		switch mode, _ := frame.Text(frame.Get(request, "params", "mode")); {
		case !has("elicitation"):
			lacks = "questions to the user (elicitation)"
		case mode == "url" && !url:
			lacks = "addresses that the user is to open (URL elicitation)"
		case mode != "url" && url && !form:
			lacks = "forms (form elicitation)"
		}
	case "sampling/createMessage":
		if !has("sampling") {
			lacks = "questions to its model (sampling)"
		}
	case "roots/list":
		if !has("roots") {
			lacks = "a list of its folders (roots)"
		}
	default:
		return odd("asks for an input of an unknown kind")
	}
	if lacks == "" {
		return nil
	}
	return hint.New(hint.Refused, "The server needs something from this MCP client that it does not have: "+lacks+".",
		"Use the tool with another client, or without what makes the server ask.")
}

// ask sends the client one request and waits for its result.
func (s *Session) ask(ctx context.Context, request []byte) ([]byte, error) {
	id := s.nextID()
	method := frame.Get(request, "method")
	msg := frame.Set(frame.Set([]byte(`{"jsonrpc":"2.0"}`), "id", id), "method", method)
	if params := frame.Get(request, "params"); params != nil {
		msg = frame.Set(msg, "params", s.older(params, id))
	}
	came := make(chan frame.Frame, 1)
	s.mu.Lock()
	s.waiting[frame.Key(id)] = came
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.waiting, frame.Key(id))
		s.mu.Unlock()
	}()
	// Parts of the server's message may have line breaks between tokens.
	f := frame.Frame{Raw: msg, Newline: true}
	if err := s.opts.Write(f.OneLine()); err != nil {
		return nil, err
	}
	select {
	case f := <-came:
		if f.Error != nil {
			words, _ := frame.Text(frame.Get(f.Error, "message"))
			name, _ := frame.Text(method)
			return nil, hint.Wrap(errors.New(words), hint.Refused, "The MCP client did not give the server what it asked for ("+name+").",
				"Try again and answer the question.")
		}
		return f.Result, nil
	case <-ctx.Done():
		// The client need not go on asking its user.
		params := frame.Set([]byte("{}"), "requestId", id)
		if err := s.opts.Write(frame.Set([]byte(`{"jsonrpc":"2.0","method":"`+noteCancelled+`"}`), "params", params)); err != nil {
			s.opts.Log.Debug("client not told", "error", err)
		}
		return nil, context.Cause(ctx)
	}
}

// older returns params of a request as the client's version wants them: URL
// elicitation had an id until it left the protocol (2025-11-25 client/elicitation).
func (s *Session) older(params, id []byte) []byte {
	mode, _ := frame.Text(frame.Get(params, "mode"))
	if mode != "url" || s.opts.Agreed < withElicitationURL || frame.Get(params, "elicitationId") != nil {
		return params
	}
	return frame.Set(params, "elicitationId", id)
}

// Answer takes a response of the client and reports whether somebody waits for it.
func (s *Session) Answer(f frame.Frame) bool {
	key := frame.Key(f.ID)
	s.mu.Lock()
	came := s.waiting[key]
	delete(s.waiting, key)
	s.mu.Unlock()
	if came == nil {
		return false
	}
	came <- f
	return true
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
