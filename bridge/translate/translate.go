// Package translate lets an older client, one that begins with initialize
// (protocol versions up to 2025-11-25), work with a server that only speaks
// 2026-07-28 or later, where each request stands for itself.
//
//	meta.go     what the newer protocol wants in each request
//	discover.go server/discover stands for initialize
//	input.go    input_required results become requests to the client
//	listen.go   list changes and resource subscriptions come on streams
//	backward.go what a newer client and an older server want of each other
//
// A Session stands for the client. It carries no message itself: what it needs
// from HTTP and from the client's side are functions in its Options, and its
// goroutines are started by Options.Go. Nothing here knows of tokens.
package translate

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"keyporter/bridge/frame"
)

// Versions of the protocol, newest first.
var (
	modernVersions = []string{"2026-07-28"}
	legacyVersions = []string{"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}
)

// withElicitationURL is the first version with URL mode elicitation.
const withElicitationURL = "2025-11-25"

// Methods that differ between the eras.
const (
	Discover         = "server/discover"
	listen           = "subscriptions/listen"
	noteAcknowledged = "notifications/subscriptions/acknowledged"
	noteCancelled    = "notifications/cancelled"
)

// idPrefix begins the ids of requests that the session makes by itself, in both
// directions.
const idPrefix = "keyporter-"

// Options are the settings of a Session.
type Options struct {
	Initialize frame.Frame // Required. The client's initialize.
	Discovered []byte      // Required. The server's server/discover result. Kept.
	Version    string      // Required. What Choose returned for it.
	Agreed     string      // Required. The version that the client was answered.
	Log        *slog.Logger

	// Write gives the client a message. Required.
	Write func(msg []byte) error
	// Listen sends a subscriptions/listen request, as soon as requests can go
	// out, and gives sink what comes back, as bridge/streamable does. Required.
	Listen func(ctx context.Context, request frame.Frame, sink func(frame.Frame) (done bool, err error)) error
	// Refused reports whether an error of Listen is the server's last word, and
	// not one that may pass. Required.
	Refused func(error) bool
	// Go starts a goroutine that somebody waits for. It ends when Life does. Required.
	Go func(func())
	// Life is that of the session. It is kept because streams outlive the
	// requests that open them. Required.
	Life context.Context
}

// A Session is an older client's session with a newer server. It is safe for
// concurrent use.
type Session struct {
	opts    Options
	client  []byte // clientInfo
	caps    []byte // clientCapabilities
	offered []byte // the server's capabilities

	mu      sync.Mutex
	level   []byte // of logging/setLevel, as JSON
	number  int    // of the last id
	waiting map[string]chan frame.Frame
	topics  map[string]*topic // resources subscribed to, by URI
}

// New returns the session of the client that sent Options.Initialize.
func New(o Options) *Session {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Session{opts: o, client: frame.Get(o.Initialize.Params, "clientInfo"), caps: capabilities(o.Initialize),
		offered: frame.Get(o.Discovered, "capabilities"), waiting: map[string]chan frame.Frame{}, topics: map[string]*topic{}}
}

// Version returns the version that is spoken with the server.
func (s *Session) Version() string { return s.opts.Version }

// SetLevel takes the params of logging/setLevel: the level stands on each
// request from now on (2026-07-28 server/utilities/logging). It reports false if
// they have none.
func (s *Session) SetLevel(params []byte) bool {
	level := frame.Get(params, "level")
	if _, ok := frame.Text(level); !ok {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.level = level
	return true
}

// Offers reports whether the server has a capability.
func (s *Session) Offers(path ...string) bool {
	c := frame.Get(s.offered, path...)
	return len(c) > 0 && (c[0] == '{' || string(c) == "true")
}

// Local reports whether a notification of the client means nothing to a newer
// server, which is not to get it (2026-07-28 changelog).
func Local(method string) bool {
	switch method {
	case "notifications/roots/list_changed", noteCancelled, "notifications/progress":
		return true
	}
	return false
}

// nextID returns an id, as JSON, that no other request has.
func (s *Session) nextID() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	return fmt.Appendf(nil, `"%s%d"`, idPrefix, s.number)
}

// newest returns the first of versions that is in list, a JSON array.
func newest(versions []string, list []byte) string {
	found := ""
	for raw := range frame.Elements(list) {
		v, _ := frame.Text(raw)
		for _, known := range versions {
			if v == known && strings.Compare(v, found) > 0 {
				found = v
			}
		}
	}
	return found
}
