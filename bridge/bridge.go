// Package bridge joins an MCP client on standard input and output to one MCP
// server over Streamable HTTP, and puts a fresh token on every request. Messages
// pass as the bytes they came in; see package frame for what is looked at.
//
// Places where the bridge speaks for itself, and does not pass something on:
//
//	standin.go    a sign-in is missing: what is known is answered, the rest waits
//	offer.go      what a server that was never seen looks like until then
//	probe.go      a newer client asks which protocol the server speaks
//	establish.go  a legacy session that was lost is made anew
//	tools.go      tools with invalid header annotations are left out (2026-07-28)
//	era.go        which protocol a server speaks is found out
//	translated.go an older client with a server that only speaks 2026-07-28 or later
//	older.go      a newer client with a server that only speaks what was before: when
//	errand.go     its requests there, and what the server asks because of them
//	following.go  its subscriptions there, and what the server says by itself
//	policy.go     tools that the user hid are left out of lists, their calls refused
//	failure.go    what cannot be answered by the server is answered with an error
//
// A bridge has no vault. It holds, in memory only, what the agent gives it for
// its one server. Run owns all goroutines and waits for them.
package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"keyporter/bridge/stdio"
	"keyporter/bridge/streamable"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// An Agent is what a bridge asks of the agent; local.Broker and its client have it.
type Agent interface {
	Bridge(ctx context.Context, r local.BridgeRequest, show func(*local.BridgeState) error) error
	Token(ctx context.Context, r local.TokenRequest) (*local.Token, error)
	Inspect(ctx context.Context, r local.InspectRequest) (*local.Inspection, error)
	Prove(ctx context.Context, r local.ProveRequest) (*local.Proof, error)
	Sign(ctx context.Context, r local.SignRequest) (*local.Signature, error)
	AwaitReady(ctx context.Context, r local.AwaitRequest) error
	RequestSignIn(ctx context.Context, r local.AwaitRequest) (*local.RequestedSignIn, error)
	StepUp(ctx context.Context, r local.StepUpRequest) (*local.Token, error)
	Answers(ctx context.Context, n local.Name) (*local.Answers, error)
	KeepAnswers(ctx context.Context, a local.Answers) error
	Record(ctx context.Context, r []local.AuditRecord) error
}

var _ Agent = local.Broker(nil)

// Options are the settings of Run.
type Options struct {
	// Connect returns the running agent and starts it if it is not there. It is
	// called again when the agent is lost. An error with the code hint.Stopped
	// means that the user stopped Keyporter. Required.
	Connect func(ctx context.Context) (Agent, error)
	// Started blocks until the user has started Keyporter again after a stop, or
	// ctx ends. Optional; nil means that Connect is tried again and again.
	Started func(ctx context.Context) error
	Server  string    // Required. The server's name or its URL.
	Stdin   io.Reader // Required. Closed, if it can be, when ctx ends first.
	Stdout  io.Writer // Required. Gets protocol only.
	// Log gets what goes wrong. Nil means nowhere.
	Log       *slog.Logger
	Transport http.RoundTripper // Optional. Instead of streamable.NewTransport.
	Version   string            // Required. Of this program.
	Now       func() time.Time  // Optional. Nil means time.Now.
	// Sent learns the secrets that go to the server: who prints what the server
	// answers takes them out of it. The bridge does so in its log. Optional.
	Sent *secret.Sent
	// Parent is the process that the bridge was launched by. When it changes, the
	// host is gone, whoever else may hold its end of Stdin. Optional; nil means that
	// nobody looks.
	Parent func() int
	// Addresses are those of this computer, in any form that compares. Optional;
	// nil means those that the system names.
	Addresses func() string
	MaxLine   int // Optional. The largest message either way, in bytes; 0 means 64 MiB.
	// MaxBusy is how many messages of the client are worked on at the same time.
	// More wait; see gate. Optional; zero means 2,048, or half of the files that the
	// process may have open.
	MaxBusy int
}

func (o *Options) check() error {
	for name, missing := range map[string]bool{"Connect": o.Connect == nil, "Server": o.Server == "",
		"Stdin": o.Stdin == nil, "Stdout": o.Stdout == nil, "Version": o.Version == ""} {
		if missing {
			return fmt.Errorf("bridge: Options.%s is required", name)
		}
	}
	if o.Sent == nil {
		o.Sent = &secret.Sent{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = slog.New(quoting{o.Log.Handler(), o.Sent})
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Addresses == nil {
		o.Addresses = addresses
	}
	if o.MaxBusy <= 0 {
		o.MaxBusy = max(1, min(maxBusy, files()/2))
	}
	return nil
}

// goodbye is how long each step of the end may take.
const goodbye = 5 * time.Second

// A bridge is one run.
type bridge struct {
	opts Options
	log  *slog.Logger
	in   *stdio.Reader
	out  *stdio.Writer
	link *link
	http *streamable.Client

	// ctx is the life of everything but the goodbyes; stop ends it.
	ctx  context.Context
	stop context.CancelCauseFunc
	work group // goroutines that end with ctx

	calls  calls
	gate   gate
	lane   lane
	legacy atomic.Pointer[session]
	modern atomic.Pointer[string] // the newest version that a modern client named
	back   backward
	tools  toolTable
	woke   pulse                    // the computer has slept
	seen   glance                   // of the clock
	orphan chan struct{}            // closed when the host is gone
	offer  atomic.Bool              // the client has been shown the sign_in tool
	stale  atomic.Bool              // the client has been given lists in the server's place
	asking atomic.Pointer[question] // to open a browser; nil once it is answered
	keep   *keeper
	audit  *auditor

	// What was known when the agent was stopped, by method; nil otherwise.
	last atomic.Pointer[map[string]json.RawMessage]
}

// errClosing is the cause of everything that is broken off at the end.
var errClosing = errors.New("bridge is closing")

// hurry is how long what is in flight may take once ctx has ended: a host that
// sends a signal kills the process soon after, some two seconds later.
const hurry = time.Second

// Run joins the client to the server until the client closes its end or ctx ends,
// and what is in flight has finished (five seconds at most for each step; one
// second once ctx has ended).
func Run(ctx context.Context, opts Options) error {
	if err := opts.check(); err != nil {
		return err
	}
	b := &bridge{gate: gate{most: opts.MaxBusy}, orphan: make(chan struct{}), opts: opts, log: opts.Log, in: stdio.NewReader(opts.Stdin, opts.MaxLine), out: stdio.NewWriter(opts.Stdout)}
	rest, end := context.WithCancel(context.WithoutCancel(ctx)) // outlives ctx for the goodbyes
	defer end()
	b.ctx, b.stop = context.WithCancelCause(rest)
	defer b.stop(errClosing)
	b.link = newLink(rest, &opts)
	if opts.Transport == nil {
		opts.Transport = &road{link: b.link}
	}
	b.http = streamable.New(streamable.Options{Access: b.link, Transport: opts.Transport,
		UserAgent: "keyporter/" + opts.Version, MaxMessage: opts.MaxLine, Log: opts.Log})
	b.keep = newKeeper(b.link)
	b.audit = newAuditor(b.link, opts.Now)
	b.link.parting, b.link.joined, b.link.resting = b.part, b.audit.again, b.http.CloseIdle

	var side group
	side.Go(b.link.run)
	side.Go(func() { b.keep.run(rest) })
	side.Go(func() { b.audit.run(rest) })
	b.seen.at.Store(opts.Now().UnixNano()) // before any request goes out
	b.spawn(b.followState)
	b.spawn(b.watchClock)

	read := make(chan error, 1)
	go func() { read <- b.readAll() }()
	var err error
	select {
	case err = <-read:
		b.finish(ctx)
		if err == nil {
			err = b.notInList(ctx)
		}
	case <-b.orphan:
		b.calls.running.close()
		b.finish(ctx)
		b.stopReading(read)
	case <-ctx.Done():
		err = context.Cause(ctx)
		b.calls.running.close()
		b.finish(ctx)
		b.stopReading(read)
	case <-b.ctx.Done():
		err = context.Cause(b.ctx)
		b.stopReading(read)
	}
	b.stop(errClosing)
	b.calls.running.finish(goodbye)
	b.work.finish(goodbye)
	b.endSession(rest)
	b.audit.finish()
	b.keep.finish()
	end()
	side.finish(goodbye)
	b.http.CloseIdle()
	return err
}

// stopReading makes the reading goroutine end where that is possible. A blocking
// read of a terminal or of an inherited pipe cannot be broken off; it ends with
// the process.
func (b *bridge) stopReading(read <-chan error) {
	c, ok := b.opts.Stdin.(io.Closer)
	if !ok {
		return
	}
	go c.Close()
	t := time.NewTimer(goodbye)
	defer t.Stop()
	select {
	case <-read:
	case <-t.C:
	}
}

// finish lets what is in flight end, and the faster once ctx has ended. What waits
// for a person, and streams that are open for ever, end at once.
func (b *bridge) finish(ctx context.Context) {
	b.calls.endWaiting()
	done := b.calls.running.done()
	t := time.NewTimer(goodbye)
	defer t.Stop()
	select {
	case <-done:
		return
	case <-t.C:
		return
	case <-ctx.Done():
	}
	t.Reset(hurry)
	select {
	case <-done:
	case <-t.C:
	}
}

// notInList returns an error if there is no server of that name, and never was
// while the bridge ran: a person who tries the command is to hear of it even
// without a request.
func (b *bridge) notInList(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	if v, err := b.link.current(ctx); err == nil && v.state == nil && hint.CodeOf(v.err) == hint.NotFound {
		return v.err
	}
	return nil
}

// spawn starts a goroutine that ends with the bridge.
func (b *bridge) spawn(f func()) { b.work.Go(f) }

// A group is goroutines that somebody waits for, within bounds.
type group struct {
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

// Go starts f, unless close has been called.
func (g *group) Go(f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.closed {
		g.wg.Go(f)
	}
}

// wait waits for all, but not longer than d.
func (g *group) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-g.done():
	case <-t.C:
	}
}

// done returns a channel that is closed when all have ended.
func (g *group) done() <-chan struct{} {
	done := make(chan struct{})
	go func() { g.wg.Wait(); close(done) }()
	return done
}

// close lets no more goroutines start. Where others may start some, it comes
// before done.
func (g *group) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// finish lets no more goroutines start and waits for those that run.
func (g *group) finish(d time.Duration) {
	g.close()
	g.wait(d)
}

// write sends one message to the client. If the client is gone, so is the bridge.
func (b *bridge) write(msg []byte) error {
	err := b.out.Write(msg)
	if err != nil {
		b.stop(err)
	}
	return err
}
