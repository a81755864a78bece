package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"keyporter/bridge/frame"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// signInTool is the one tool of a server that has never been seen.
const signInTool = "sign_in"

// What a server's SignIn says (account.SignIn); anything else is notify.
const (
	signInBrowser = "browser"
	signInNever   = "never"
)

// holdLimit is how long a call waits for a person. Hosts give a request about a minute.
const holdLimit = 45 * time.Second

// progressEvery is how often a waiting call reports progress.
const progressEvery = 5 * time.Second

// standIn answers a call while a person has to do something first: a sign-in, an
// unlock, a resume, an approval. cause says what. entry is the view that the
// call began with. Listings are answered at once from the last known answers, or
// with the sign_in tool; what only the server can do waits for the person.
func (b *bridge) standIn(c *call, entry *view, cause error) error {
	if c.pending != nil {
		return b.hold(c, entry, cause)
	}
	signIn := ""
	if entry.state != nil {
		signIn = string(entry.state.SignIn)
	}
	hopeless := signIn == signInNever || entry.state == nil && !missing(cause) || hint.CodeOf(cause) == hint.NotFound
	switch c.f.Method {
	case methodInitialize, methodDiscover:
		switch {
		case hopeless:
			return cause
		case signIn == signInBrowser && c.modern():
			b.askInBackground()
		case signIn == signInBrowser:
			if err := b.await(c, entry); err == nil {
				return b.through(c)
			} else if c.ctx.Err() != nil {
				return err
			}
		}
		return b.introduce(c, entry, cause)
	case methodPing, methodSetLevel:
		if c.f.Method == methodSetLevel {
			b.rememberFor(c)
		}
		return b.reply(c, b.empty(c))
	case methodListTools, "prompts/list", "resources/list", "resources/templates/list":
		return b.list(c, entry, cause, signIn == signInBrowser && !hopeless)
	case methodListen:
		return b.subscribe(c, entry)
	}
	if hopeless {
		return b.refuse(c, cause)
	}
	return b.hold(c, entry, cause)
}

// hold waits for the person and then sends the call through.
func (b *bridge) hold(c *call, entry *view, cause error) error {
	err := b.await(c, entry)
	if err == nil {
		if err = b.through(c); !missing(err) || c.answered {
			return err
		}
	}
	if c.ctx.Err() != nil {
		return err
	}
	if !isHint(err) {
		err = cause
	}
	return b.refuse(c, err)
}

// await waits until the server is ready, 45 s at most, and reports progress if
// the client asked for it. The error says what is missing.
func (b *bridge) await(c *call, entry *view) error {
	b.calls.wait(c, true)
	defer b.calls.wait(c, false)
	ctx, cancel := context.WithTimeout(c.ctx, holdLimit+goodbye)
	defer cancel()

	asked := make(chan error, 1)
	b.spawn(func() {
		asked <- b.link.ask(ctx, func(a Agent) error {
			return a.AwaitReady(ctx, local.AwaitRequest{Server: b.name(), Wait: holdLimit})
		})
	})
	ready := make(chan struct{}, 1)
	b.spawn(func() {
		if _, err := b.link.await(ctx, entry.outdated); err == nil {
			ready <- struct{}{}
		}
	})
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ready:
			return nil
		case err := <-asked:
			if err == nil {
				return b.settled(ctx, entry)
			}
			return err
		case <-tick.C:
			b.progress(c, n)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// settled waits for the view that follows the agent's word that all is ready. A
// server that was ready before, as far as one knew, may have no newer one.
func (b *bridge) settled(ctx context.Context, entry *view) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	v, err := b.link.await(ctx, entry.outdated)
	if err == nil || entry.ready() {
		return nil
	}
	if v = b.link.view.Load(); v.err != nil {
		return v.err
	}
	return err
}

// progress tells a client that asked for it that its call still waits.
func (b *bridge) progress(c *call, n int) {
	if c.f.ProgressToken == nil {
		return
	}
	params := frame.Set([]byte("{}"), "progressToken", c.f.ProgressToken)
	params = frame.Set(params, "progress", fmt.Append(nil, n))
	params = frame.Set(params, "message", text("Waiting for somebody to sign in to "+b.name()+" with Keyporter."))
	b.write(frame.Set([]byte(`{"jsonrpc":"2.0","method":"notifications/progress"}`), "params", params))
}

// askInBackground lets the agent open the browser without holding up an answer.
func (b *bridge) askInBackground() {
	b.spawn(func() {
		err := b.link.ask(b.ctx, func(a Agent) error {
			return a.AwaitReady(b.ctx, local.AwaitRequest{Server: b.name(), Wait: holdLimit})
		})
		if err != nil {
			b.log.Debug("not ready", "error", err)
		}
	})
}

// refuse answers a call that nobody made possible: a tool call with a result
// that the model can read, everything else with an error.
func (b *bridge) refuse(c *call, cause error) error {
	if c.f.Method != methodCallTool || !isHint(cause) {
		return cause
	}
	c.outcome = string(hint.CodeOf(cause))
	return b.reply(c, b.toolResult(c, hint.Of(cause).Text(), true))
}

// introduce answers initialize and server/discover in the server's place.
func (b *bridge) introduce(c *call, entry *view, cause error) error {
	known := b.answers(c.ctx)
	if c.modern() || c.f.Method == methodDiscover {
		result := known[methodDiscover]
		switch {
		case result != nil:
		case known[methodInitialize] != nil:
			// Known as a legacy server: let the client fall back.
			return &rpcError{raw: frame.ErrorObject(codeMethodNotFound, "Method not found.", nil)}
		default:
			b.offer.Store(true)
			result = b.discovered(c, cause)
		}
		return b.reply(c, result)
	}
	result := initializeFrom(known)
	if result == nil {
		b.offer.Store(true)
		result = b.initialized(cause)
	}
	asked, _ := frame.Text(frame.Get(c.f.Params, "protocolVersion"))
	result = agree(result, asked)
	s := b.legacy.Load()
	s.mu.Lock()
	s.standIn = true
	s.mu.Unlock()
	if err := b.reply(c, result); err != nil {
		return err
	}
	if entry.outdated(b.link.view.Load()) {
		b.spawn(func() { b.bring(s) }) // it got ready meanwhile
	}
	return nil
}

// legacyVersions are those that have an initialize, newest first.
var legacyVersions = []string{newestLegacy, versionWithHeader, versionWithBatches, "2024-11-05"}

// agree puts the version into an initialize result that the client asked for, if
// it is one that a server with this result can be expected to speak: not newer
// than its own (2025-11-25 basic/lifecycle, version negotiation).
func agree(result []byte, asked string) []byte {
	own, _ := frame.Text(frame.Get(result, "protocolVersion"))
	if slices.Contains(legacyVersions, asked) && asked < own {
		return frame.Set(result, "protocolVersion", text(asked))
	}
	return result
}

// initializeFrom returns the known initialize result, or one made of a known
// server/discover result of a server that speaks legacy versions too.
func initializeFrom(known map[string]json.RawMessage) []byte {
	if r := known[methodInitialize]; r != nil {
		return r
	}
	d := known[methodDiscover]
	version := ""
	for raw := range frame.Elements(frame.Get(d, "supportedVersions")) {
		if v, _ := frame.Text(raw); slices.Contains(legacyVersions, v) {
			version = max(version, v)
		}
	}
	info := frame.Get(d, "_meta", "io.modelcontextprotocol/serverInfo")
	if version == "" || info == nil {
		return nil
	}
	r := frame.Set([]byte("{}"), "protocolVersion", text(version))
	r = frame.Set(r, "capabilities", frame.Get(d, "capabilities"))
	r = frame.Set(r, "serverInfo", info)
	if words := frame.Get(d, "instructions"); words != nil {
		r = frame.Set(r, "instructions", words)
	}
	return r
}

// standInCaps are the capabilities of a server that has never been seen.
const standInCaps = `{"tools":{"listChanged":true}}`

func (b *bridge) initialized(cause error) []byte {
	r := frame.Set([]byte("{}"), "protocolVersion", text(newestLegacy))
	r = frame.Set(r, "capabilities", []byte(standInCaps))
	r = frame.Set(r, "serverInfo", b.info())
	return frame.Set(r, "instructions", text(b.instructions(cause)))
}

func (b *bridge) discovered(c *call, cause error) []byte {
	versions, err := json.Marshal(append([]string{c.modernVersion()}, legacyVersions...))
	if err != nil {
		return nil
	}
	r := []byte(`{"resultType":"complete","ttlMs":0,"cacheScope":"private"}`)
	r = frame.Set(r, "supportedVersions", versions)
	r = frame.Set(r, "capabilities", []byte(standInCaps))
	r = frame.Set(r, "instructions", text(b.instructions(cause)))
	return frame.Set(r, "_meta", frame.Set([]byte("{}"), "io.modelcontextprotocol/serverInfo", b.info()))
}

// modernVersion returns the version that the call names, or the first modern one.
func (c *call) modernVersion() string {
	if c.version != "" {
		return c.version
	}
	return "2026-07-28"
}

func (b *bridge) info() []byte {
	return frame.Set(frame.Set([]byte("{}"), "name", text(b.name())), "version", text(b.opts.Version))
}

func (b *bridge) instructions(cause error) string {
	return hint.Of(cause).Text() + " Until then this server has one tool, " + signInTool + ", which asks for it. Its own tools appear afterwards."
}

// list answers a list method: as last known, else with the sign_in tool, else
// with nothing. With browser, and nothing known, the person has 45 s first.
func (b *bridge) list(c *call, entry *view, cause error, browser bool) error {
	known := b.answers(c.ctx)
	result := []byte(known[c.f.Method])
	if result == nil && browser {
		if err := b.await(c, entry); err == nil {
			return b.through(c)
		} else if c.ctx.Err() != nil {
			return err
		}
	}
	b.stale.Store(true)
	if result == nil {
		result = b.listing(c, known, cause)
	}
	return b.reply(c, result)
}

// listing makes up a list that is not known. A server known to have no tools has
// none here either.
func (b *bridge) listing(c *call, known map[string]json.RawMessage, cause error) []byte {
	list := []byte("[]")
	if c.f.Method == methodListTools && (known[methodInitialize] == nil || frame.Get(known[methodInitialize], "capabilities", "tools") != nil) {
		b.offer.Store(true)
		list = append(append([]byte{'['}, b.signInTool(cause)...), ']')
	}
	return frame.Set(b.cacheable(c), listMember[c.f.Method], list)
}

func (b *bridge) signInTool(cause error) []byte {
	t := []byte(`{"name":"` + signInTool + `","title":"Sign in","inputSchema":{"type":"object","properties":{},"additionalProperties":false},` +
		`"annotations":{"title":"Sign in","readOnlyHint":false,"destructiveHint":false,"idempotentHint":true,"openWorldHint":true}}`)
	return frame.Set(t, "description", text("Asks the user to sign in to "+b.name()+" with Keyporter and waits for it up to 45 seconds. "+
		hint.Of(cause).What+" It takes no arguments and returns no secrets."))
}

// isOurSignIn reports whether a call is for the sign_in tool that the bridge
// itself has offered.
func (b *bridge) isOurSignIn(c *call) bool {
	if c.f.Method != methodCallTool || !b.offer.Load() || b.tools.ownsSignIn() {
		return false
	}
	name, _ := frame.Text(c.f.Name)
	return name == signInTool
}

// signIn is the sign_in tool.
func (b *bridge) signIn(c *call) error {
	v := b.link.view.Load()
	if v.ready() && v.state.Status == local.Ready {
		return b.reply(c, b.toolResult(c, "Signed in. The tools of "+b.name()+" are there now; list the tools again to see them.", false))
	}
	b.calls.wait(c, true)
	var r *local.RequestedSignIn
	err := b.link.ask(c.ctx, func(a Agent) (err error) {
		r, err = a.RequestSignIn(c.ctx, local.AwaitRequest{Server: b.name(), Wait: holdLimit})
		return err
	})
	switch {
	case c.ctx.Err() != nil:
		return context.Cause(c.ctx)
	case err != nil:
		c.outcome = string(hint.CodeOf(err))
		return b.reply(c, b.toolResult(c, hint.Of(err).Text(), true))
	case r == nil:
		return errors.New("agent gave no answer")
	}
	return b.reply(c, b.toolResult(c, r.Message, false))
}

// subscribe keeps a modern client's subscription open until the server can take
// it over, and tells the client then that the lists have changed
// (2026-07-28 basic/patterns, subscriptions).
func (b *bridge) subscribe(c *call, entry *view) error {
	b.calls.wait(c, true)
	wanted := frame.Get(c.f.Params, "notifications")
	if wanted == nil {
		wanted = []byte("{}")
	}
	meta := frame.Set([]byte("{}"), "_meta", frame.Set([]byte("{}"), "io.modelcontextprotocol/subscriptionId", c.f.ID))
	b.write(notification(noteAcknowledged, frame.Set(meta, "notifications", wanted)))
	c.acked = true
	if _, err := b.link.await(c.ctx, entry.outdated); err != nil {
		return err
	}
	for _, kind := range []string{"tools", "prompts", "resources"} {
		if string(frame.Get(wanted, kind+"ListChanged")) == "true" {
			b.write(notification("notifications/"+kind+"/list_changed", meta))
		}
	}
	return b.through(c)
}

func notification(method string, params []byte) []byte {
	return frame.Set(frame.Set([]byte(`{"jsonrpc":"2.0"}`), "method", text(method)), "params", params)
}

// toolResult returns the result of a tool call that says text.
func (b *bridge) toolResult(c *call, words string, failed bool) []byte {
	content := append(append([]byte(`[{"type":"text","text":`), text(words)...), `}]`...)
	r := frame.Set(b.empty(c), "content", content)
	if failed {
		r = frame.Set(r, "isError", []byte("true"))
	}
	return r
}

// empty returns a result with nothing in it.
func (b *bridge) empty(c *call) []byte {
	if c.modern() {
		return []byte(`{"resultType":"complete"}`)
	}
	return []byte("{}")
}

// cacheable is empty for results that say how long they hold.
func (b *bridge) cacheable(c *call) []byte {
	if c.modern() {
		return []byte(`{"resultType":"complete","ttlMs":0,"cacheScope":"private"}`)
	}
	return []byte("{}")
}

// reply answers a call in the server's place.
func (b *bridge) reply(c *call, result []byte) error {
	c.answered = true
	f := frame.Frame{Raw: frame.NewResult(c.f.ID, result), Newline: true} // kept answers may have line breaks
	return b.write(f.OneLine())
}

// rememberFor keeps a request that was answered here for the real session.
func (b *bridge) rememberFor(c *call) {
	if s := b.legacy.Load(); s != nil && !c.modern() {
		s.remember(c)
	}
}

// name is the user's name for the server.
func (b *bridge) name() string {
	if v := b.link.view.Load(); v != nil && v.state != nil && v.state.Server != "" {
		return v.state.Server
	}
	return b.opts.Server
}

// text returns s as a JSON string.
func text(s string) []byte {
	t, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return []byte(`""`)
	}
	return t
}

// followState makes the real session as soon as the server is ready, for a
// client whose initialize was answered in its place.
func (b *bridge) followState() {
	var last *view
	for {
		v, err := b.link.await(b.ctx, func(v *view) bool { return v != last && v.ready() })
		if err != nil {
			return
		}
		last = v
		b.keep.forget()
		if s := b.legacy.Load(); s != nil {
			b.bring(s)
		}
	}
}

// bring makes the server's side of a session that has none yet, and tells a
// client that has been given lists in the server's place to ask again.
func (b *bridge) bring(s *session) {
	if w := s.wire.Load(); w != nil {
		if b.stale.Swap(false) {
			s.changed(w)
		}
		return
	}
	s.mu.Lock()
	standIn := s.standIn
	s.mu.Unlock()
	if !standIn {
		return
	}
	if _, err := s.establish(b.ctx, nil); err != nil {
		b.log.Debug("session not made yet", "error", err)
	}
}
