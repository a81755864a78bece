package local

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"keyporter/internal/hint"
)

// pong is the answer to GET /ping, the one path without a version.
type pong struct {
	API     string `json:"api"`
	Version string `json:"version"`
}

// A line is one line of a stream: a value, or the error that ended it. A stream
// that ended well just ends.
type line struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error *hint.Error     `json:"error,omitempty"`
}

// handler routes /VERSION/METHOD. Every version answers GET /ping and
// POST /VERSION/stop for whatever version, so that a program can always say
// what runs, and end it.
func (s *server) handler() http.Handler {
	byName := map[string]route{}
	for _, r := range routes() {
		byName[r.path()] = r
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{server: s, w: w, r: r}
		version, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		m, known := byName[name]
		p, _ := PeerFrom(r.Context())
		_, err := p.Process()
		switch {
		case errors.Is(err, ErrOther):
			s.options.Log.Warn("request refused", "pid", p.PID, "err", err)
			x.refuse(http.StatusForbidden, hint.New(hint.Refused, "The program that asks is not the one that connected to the Keyporter agent.", "Start it anew."))
		case r.URL.Path == "/ping" && r.Method == http.MethodGet:
			x.answer(pong{API: APIVersion, Version: s.options.Version})
		case !known || version != APIVersion && name != stop.name:
			x.refuse(http.StatusNotFound, otherVersion(s.options.Version, older(version, APIVersion)))
		case r.Method != http.MethodPost:
			w.Header().Set("Allow", http.MethodPost)
			x.refuse(http.StatusMethodNotAllowed, otherVersion(s.options.Version, false))
		default:
			m.serve(x)
		}
	})
}

// otherVersion says that agent and program do not understand each other, and what
// to start anew: the program, if it is behind, and else the agent. Neither ends the
// other by itself: two programs of different versions would take turns.
func otherVersion(agent string, behind bool) *hint.Error {
	if behind {
		return hint.New(hint.Failed, fmt.Sprintf("This part of Keyporter is older than the agent that runs, which is version %s.", agent),
			"Quit the program that shows this and start it again; in an MCP client, restart the client. If it stays so, install all of Keyporter in one version.")
	}
	return hint.New(hint.Failed, fmt.Sprintf("The Keyporter agent that runs is version %s, which is older than this program.", agent),
		"Run keyporter stop, then keyporter start; if it stays so, install all of Keyporter in one version.")
}

// older reports whether version a of the API came before b. One that is no version
// of ours did not.
func older(a, b string) bool {
	x, errX := strconv.Atoi(strings.TrimPrefix(a, "v"))
	y, errY := strconv.Atoi(strings.TrimPrefix(b, "v"))
	return errX == nil && errY == nil && x < y
}

// An exchange is one request and its answer.
type exchange struct {
	server *server
	w      http.ResponseWriter
	r      *http.Request
}

func (m method[In, Out]) serve(x *exchange) {
	var in In
	if err := x.read(&in); err != nil {
		x.refuse(err.status, err.hint)
		return
	}
	emit := func(out Out) error { return x.answer(out) }
	if m.stream {
		x.w.Header().Set("Content-Type", "application/x-ndjson")
		emit = func(out Out) error { return x.line(out) }
		// The client learns that it is connected before there is a value.
		if err := x.flush(); err != nil {
			return
		}
	}
	err := m.run(x.server.broker, x.r.Context(), in, emit)
	if x.server.ending.Err() != nil && errors.Is(err, context.Canceled) {
		// Not the broker's error but ours. Closing the connection tells the
		// client that the agent is gone, which is the truth.
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		x.fail(err, m.stream)
	}
}

// A refusal is a request that does not reach the broker.
type refusal struct {
	status int
	hint   *hint.Error
}

// read decodes the request's body. Refusals never quote it, because it may
// hold a secret.
func (x *exchange) read(in any) *refusal {
	rc := http.NewResponseController(x.w)
	_ = rc.SetReadDeadline(time.Now().Add(stuck))
	body, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, maxRequest))
	_ = rc.SetReadDeadline(time.Time{})
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &refusal{http.StatusRequestEntityTooLarge, tooLarge()}
	case err != nil:
		return &refusal{http.StatusBadRequest, hint.New(hint.Failed, "The request to the Keyporter agent broke off.", "Try again.")}
	}
	if err := json.Unmarshal(body, in); err != nil {
		return &refusal{http.StatusBadRequest, hint.New(hint.Usage,
			"The Keyporter agent cannot read a request.",
			fmt.Sprintf("The agent is version %s; install all of Keyporter in one version.", x.server.options.Version))}
	}
	return nil
}

func tooLarge() *hint.Error {
	return hint.New(hint.Usage, fmt.Sprintf("The request to the Keyporter agent is larger than %d MiB.", maxRequest>>20), "")
}

// answer writes the one answer of a method that is no stream.
func (x *exchange) answer(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	x.w.Header().Set("Content-Type", "application/json")
	return x.write(b)
}

// line writes one value of a stream and sends it.
func (x *exchange) line(v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		b, err = json.Marshal(line{Value: b})
	}
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	if err := x.write(append(b, '\n')); err != nil {
		return err
	}
	return x.flush()
}

// fail ends the exchange with err: as the last line of a stream, else as the
// answer.
func (x *exchange) fail(err error, stream bool) {
	h := hint.Of(err)
	if !stream {
		x.refuse(status(h.Code), h)
		return
	}
	b, err := json.Marshal(line{Error: h})
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_ = x.write(append(b, '\n')) // a client that has gone needs no reason
}

// refuse answers with an error.
func (x *exchange) refuse(status int, h *hint.Error) {
	b, err := json.Marshal(h)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	x.w.Header().Set("Content-Type", "application/json")
	x.w.WriteHeader(status)
	_ = x.write(b)
}

// write gives up a client that takes nothing.
func (x *exchange) write(b []byte) error {
	if err := http.NewResponseController(x.w).SetWriteDeadline(time.Now().Add(stuck)); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	if _, err := x.w.Write(b); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

func (x *exchange) flush() error {
	rc := http.NewResponseController(x.w)
	if err := rc.SetWriteDeadline(time.Now().Add(stuck)); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	if err := rc.Flush(); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}

// status is the HTTP status nearest to a code. Clients go by the code.
func status(c hint.Code) int {
	switch c {
	case hint.Usage:
		return http.StatusBadRequest
	case hint.NotFound:
		return http.StatusNotFound
	case hint.Exists:
		return http.StatusConflict
	case hint.SignInNeeded, hint.ApprovalNeeded, hint.Refused:
		return http.StatusForbidden
	case hint.Locked:
		return http.StatusLocked
	case hint.Paused, hint.Stopped:
		return http.StatusServiceUnavailable
	case hint.Unreachable:
		return http.StatusBadGateway
	}
	return http.StatusInternalServerError
}
