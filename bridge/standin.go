package bridge

import (
	"encoding/json"
	"slices"

	"keyporter/bridge/frame"
	"keyporter/bridge/translate"
	"keyporter/internal/hint"
)

// What a server's SignIn says (account.SignIn); anything else is notify.
const (
	signInBrowser = "browser"
	signInNever   = "never"
)

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
	unknown := hint.CodeOf(cause) == hint.NotFound // there is no such server
	if unknown && entry.state == nil {
		return cause
	}
	hopeless := signIn == signInNever || entry.state == nil && !missing(cause) || unknown
	switch c.f.Method {
	case methodInitialize, methodDiscover:
		if hopeless {
			return cause
		}
		return b.introduce(c, entry, cause)
	case methodPing, methodSetLevel:
		if c.f.Method == methodSetLevel {
			b.rememberFor(c)
		}
		return b.reply(c, b.empty(c))
	case methodListTools, "prompts/list", "resources/list", "resources/templates/list":
		return b.list(c, entry, cause, hopeless)
	case methodListen:
		return b.subscribe(c, entry)
	}
	if hopeless && (missing(cause) || unknown || entry.state == nil) { // else it passes by itself
		return b.refuse(c, cause)
	}
	return b.hold(c, entry, cause)
}

// introduce answers initialize and server/discover in the server's place.
func (b *bridge) introduce(c *call, entry *view, cause error) error {
	known := b.answers(c.ctx)
	if len(known) == 0 {
		b.askIfBrowser(entry, cause)
	}
	if c.modern() || c.f.Method == methodDiscover {
		return b.recall(c, known, cause)
	}
	result := b.initializeFrom(known)
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
// server/discover result: with the newest older version that the server speaks,
// or, where it speaks none and is translated, that there is.
func (b *bridge) initializeFrom(known map[string]json.RawMessage) []byte {
	if r := known[methodInitialize]; r != nil {
		return r
	}
	d := known[methodDiscover]
	if d == nil {
		return nil
	}
	version := ""
	for raw := range frame.Elements(frame.Get(d, "supportedVersions")) {
		if v, _ := frame.Text(raw); slices.Contains(legacyVersions, v) {
			version = max(version, v)
		}
	}
	return translate.InitializeResult(d, version, b.info())
}

// list answers a list method: as last known, else with the sign_in tool, else
// with nothing; where a browser has been opened for it, the server's own list has
// a moment to become possible. Where no sign-in can help, what is not known is an error.
func (b *bridge) list(c *call, entry *view, cause error, hopeless bool) error {
	known := b.answers(c.ctx)
	result := []byte(known[c.f.Method])
	switch {
	case result == nil && hopeless:
		return cause
	case result == nil:
		if len(known) == 0 && b.goneWell(c.ctx, entry, b.askIfBrowser(entry, cause)) {
			return b.permitted(c)
		}
		result = b.listing(c, known, cause)
	default:
		result = b.ofEra(c, result)
		if c.f.Method == methodListTools {
			result = b.shown(result)
		}
	}
	b.stale.Store(true)
	err := b.reply(c, result)
	if entry.outdated(b.link.view.Load()) {
		b.correct()
	}
	return err
}

// ofEra gives a list that is kept the members that the protocol of a call has in
// lists: it may have been kept from the other era, and how long it holds is not
// for the one who keeps it to say (2026-07-28 server/utilities/caching).
func (b *bridge) ofEra(c *call, list []byte) []byte {
	if !c.modern() {
		for _, name := range []string{"resultType", "ttlMs", "cacheScope"} {
			list = frame.Drop(list, name)
		}
		return list
	}
	return translate.Cacheable(list)
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
	b.write(notification(noteAcknowledged, frame.Set(subscriptionMeta(c), "notifications", wanted)))
	b.back.doubt.Store(true)
	c.acked = true
	c.listens.Store(true)
	if _, err := b.link.await(c.ctx, entry.outdated); err != nil {
		return err
	}
	b.stale.Store(false)
	b.tellSubscriber(c)
	return b.permitted(c)
}

// tellSubscriber tells a modern client, on its subscription c, that the lists it
// has are not the server's.
func (b *bridge) tellSubscriber(c *call) {
	for _, kind := range []string{"tools", "prompts", "resources"} {
		if string(frame.Get(c.f.Params, "notifications", kind+"ListChanged")) == "true" {
			b.write(notification("notifications/"+kind+"/list_changed", subscriptionMeta(c)))
		}
	}
}

// correct tells the client that a list which it has just been given was out of
// date already: the server got ready while it was being made up.
func (b *bridge) correct() {
	if s := b.legacy.Load(); s != nil {
		b.spawn(func() { b.bring(s) })
		return
	}
	for _, c := range b.calls.listening() {
		if b.stale.Swap(false) {
			b.tellSubscriber(c)
		}
	}
}

// subscriptionMeta returns params that name the subscription c.
func subscriptionMeta(c *call) []byte {
	return frame.Set([]byte("{}"), "_meta", frame.Set([]byte("{}"), "io.modelcontextprotocol/subscriptionId", c.f.ID))
}

func notification(method string, params []byte) []byte {
	return frame.Set(frame.Set([]byte(`{"jsonrpc":"2.0"}`), "method", text(method)), "params", params)
}

// reply answers a call in the server's place.
func (b *bridge) reply(c *call, result []byte) error {
	if !c.claim() {
		return nil
	}
	if c.modern() {
		b.back.doubt.Store(true)
	}
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
