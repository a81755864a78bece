package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"keyporter/bridge/frame"
	"keyporter/broker/account"
	"keyporter/internal/hint"
)

// codeInvalidParams is what servers answer for a tool that they do not have
// (2025-11-25 and 2026-07-28 server/tools, error handling).
const codeInvalidParams = -32602

// policy returns what the user set for the server's tools; the zero policy
// before the agent has said anything.
func (b *bridge) policy() *account.ToolPolicy {
	if v := b.link.view.Load(); v != nil && v.state != nil {
		return &v.state.Tools
	}
	return &account.ToolPolicy{}
}

// shown returns a result of tools/list without the tools that the policy hides.
func (b *bridge) shown(result []byte) []byte {
	p := b.policy()
	start, end, ok := frame.Member(result, "tools")
	if !p.Active() || !ok {
		return result
	}
	list := frame.Keep(result[start:end], func(tool []byte) bool {
		name, _ := frame.Text(frame.Get(tool, "name"))
		return p.Named(name) && (!p.ReadOnly || readsOnly(tool))
	})
	if len(list) == end-start {
		return result
	}
	return frame.Set(result, "tools", list)
}

// readsOnly reports whether a tool's annotations say that it changes nothing.
func readsOnly(tool []byte) bool {
	return string(frame.Get(tool, "annotations", "readOnlyHint")) == "true"
}

// hidden returns the refusal of a call whose tool is hidden by its name, and of a
// request that could be such a call.
func (b *bridge) hidden(c *call) error {
	p := b.policy()
	if !p.Active() {
		return nil
	}
	if ambiguous(&c.f) {
		return errAmbiguous
	}
	if c.f.Method != methodCallTool {
		return nil
	}
	return b.eachName(c, func(name string) error {
		if p.Named(name) {
			return nil
		}
		return b.barred(name, "is hidden in Keyporter")
	})
}

// writes returns the refusal of a call whose tool may change something, where
// only reading is allowed. A tool that was not listed yet is looked up.
func (b *bridge) writes(c *call) error {
	if c.f.Method != methodCallTool || !b.policy().ReadOnly {
		return nil
	}
	return b.eachName(c, func(name string) error {
		reads, known := b.tools.reads(name)
		if !known {
			if err := b.listTools(c); err != nil {
				return err
			}
			reads, _ = b.tools.reads(name)
		}
		if reads {
			return nil
		}
		return b.barred(name, "is not marked as read-only by its server, and Keyporter lets only such tools through")
	})
}

// eachName calls f with whatever a server may take for the tool's name: if a
// member stands twice, readers differ in which one counts, and some do not tell
// capital letters from small ones.
func (b *bridge) eachName(c *call, f func(string) error) error {
	for key, val := range frame.Members(c.f.Params) {
		if !strings.EqualFold(key, "name") {
			continue
		}
		name, _ := frame.Text(val)
		if err := f(name); err != nil {
			return err
		}
	}
	return nil
}

// errAmbiguous refuses a message that cannot be held against the policy.
var errAmbiguous = &rpcError{raw: frame.ErrorObject(codeInvalidRequest, "Keyporter hides some of this server's tools, and this message could be read as a call of one of them.", nil)}

// ambiguous reports whether a server may take a message for a call of another tool
// than the bridge does, or for a call at all: readers differ in which of two members
// counts, in whether capital letters matter, and some work on a call without an id.
func ambiguous(f *frame.Frame) bool {
	var seen [3]bool
	for key := range frame.Members(f.Raw) {
		for i, name := range []string{"id", "method", "params"} {
			if !strings.EqualFold(key, name) {
				continue
			}
			if seen[i] || key != name {
				return true
			}
			seen[i] = true
		}
	}
	if !strings.EqualFold(strings.TrimSpace(f.Method), methodCallTool) {
		return false
	}
	_, named := frame.Text(f.Name)
	return f.Kind != frame.Request || f.Method != methodCallTool || !named
}

// barred is the answer to a call that the policy does not let through.
func (b *bridge) barred(tool, why string) error {
	h := hint.New(hint.Refused, fmt.Sprintf("The tool %s of %s %s.", b.quote(tool, 100), b.name(), why),
		"Use another tool; the user can change this with keyporter set "+hint.Arg(b.name())+" and the keys allow-tool, deny-tool and read-only.")
	return &rpcError{raw: frame.ErrorObject(codeInvalidParams, h.Text(), &failure{Keyporter: h.Code, What: h.What, Do: h.Do})}
}

// listTools reads all pages of tools/list, on the way of c.
func (b *bridge) listTools(c *call) error {
	var cursor []byte
	for range maxPages {
		params := []byte("{}")
		if c.modern() {
			params = frame.Set(params, "_meta", c.f.Meta)
		}
		if cursor != nil {
			params = frame.Set(params, "cursor", cursor)
		}
		result, err := b.inquire(c, methodListTools, params)
		if err != nil {
			return err
		}
		if cursor = frame.Get(result, "nextCursor"); cursor == nil || string(cursor) == "null" {
			return nil
		}
	}
	return nil
}

// inquire sends a request of the bridge's own on the way of c and returns the
// result. What else the server sends goes where it would for c.
func (b *bridge) inquire(c *call, method string, params []byte) ([]byte, error) {
	body := frame.Set(frame.Set([]byte(`{"jsonrpc":"2.0","id":"keyporter-tools"}`), "method", text(method)), "params", params)
	f, err := frame.Scan(body)
	if err != nil {
		return nil, err
	}
	var result []byte
	own := &call{f: f, key: frame.Key(f.ID), version: c.version, ctx: c.ctx, cancel: c.cancel, began: c.began}
	own.take = func(answer frame.Frame, _ []byte) error {
		if answer.Error != nil {
			return &rpcError{raw: bytes.Clone(answer.Error)}
		}
		result = bytes.Clone(answer.Result)
		return nil
	}
	if err := b.through(own); err != nil {
		return nil, err
	}
	if result == nil {
		return nil, errors.New(method + " had no result")
	}
	return result, nil
}

// announce tells the client that lists of a kind have changed: in its session, if
// it has one, and on its subscriptions.
func (b *bridge) announce(kind string) {
	f := frame.Frame{Method: "notifications/" + kind + "/list_changed"}
	f.Raw = []byte(`{"jsonrpc":"2.0","method":"` + f.Method + `"}`)
	if s := b.legacy.Load(); s != nil && s.isReady() {
		b.write(f.Raw)
	}
	b.tellListening(f)
}
