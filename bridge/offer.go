package bridge

import (
	"context"
	"encoding/json"
	"errors"

	"keyporter/bridge/frame"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// signInTool is the one tool of a server that has never been seen.
const signInTool = "sign_in"

func (b *bridge) signInTool(cause error) []byte {
	t := []byte(`{"name":"` + signInTool + `","title":"Sign in","inputSchema":{"type":"object","properties":{},"additionalProperties":false},` +
		`"annotations":{"title":"Sign in","readOnlyHint":false,"destructiveHint":false,"idempotentHint":true,"openWorldHint":true}}`)
	return frame.Set(t, "description", text("Asks the user to sign in to "+b.name()+" with Keyporter and waits for it up to 45 seconds. "+
		hint.Of(cause).What+" It takes no arguments and returns no secrets."))
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
	return hint.Of(cause).Text() + "\nUntil then this server has one tool, " + signInTool + ", which asks for it. Its own tools appear afterwards."
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
	case r.Ready: // and so is the bridge in a moment, before the client lists the tools
		ctx, cancel := context.WithTimeout(c.ctx, goodbye)
		defer cancel()
		_, _ = b.link.await(ctx, v.outdated)
	}
	return b.reply(c, b.toolResult(c, r.Message, false))
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

// text returns s as a JSON string.
func text(s string) []byte {
	t, err := json.Marshal(s)
	if err != nil { // a string always marshals
		return []byte(`""`)
	}
	return t
}
