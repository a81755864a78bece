package bridge

import (
	"bytes"
	"errors"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
)

// codeHeaderMismatch is the error of a server whose header fields and body do not
// agree (2026-07-28 basic/transports/streamable-http).
const codeHeaderMismatch = "-32020"

// throughModern sends a call of 2026-07-28 or later, with the header fields that
// mirror its body. If the server says that they do not fit, the tools' schemas
// are read anew and the call goes out once more; the server has done nothing yet.
func (b *bridge) throughModern(c *call) error {
	if !printable(c.f.Method) {
		return &rpcError{raw: frame.ErrorObject(codeInvalidRequest, "The method's name cannot stand in a header field.", nil)}
	}
	if c.f.Method == methodListen {
		b.calls.wait(c, true) // open for ever: no reason to wait at the end
	}
	meta := b.metaOf(c)
	err := b.exchange(c, meta)
	if c.f.Method == methodCallTool && headerMismatch(err) {
		if again := b.refreshTools(c); again != nil {
			b.log.Warn("tools not read anew", "error", again)
			return err
		}
		meta = b.metaOf(c)
		err = b.exchange(c, meta)
	}
	if meta.SentEncoded() && headerMismatch(err) {
		meta.AsIs = true
		err = b.exchange(c, meta)
	}
	return err
}

// metaOf returns the header fields of a modern call.
func (b *bridge) metaOf(c *call) streamable.Meta {
	m := streamable.Meta{Version: c.version, Method: c.f.Method}
	name := nameOf(&c.f)
	if name != nil {
		m.Name, m.Named = frame.Text(name)
	}
	if c.f.Method == methodCallTool {
		m.Params = b.tools.fields(m.Name, c.f.Params)
	}
	return m
}

// nameOf returns what a request is about, as raw JSON: the value of Mcp-Name.
func nameOf(f *frame.Frame) []byte {
	switch f.Method {
	case methodCallTool, "prompts/get":
		return f.Name
	case "resources/read", methodSubscribe, methodUnsubscribe:
		return f.URI
	case "tasks/get", "tasks/update", "tasks/cancel", "tasks/result":
		return f.TaskID
	}
	return nil
}

func printable(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return s != ""
}

func headerMismatch(err error) bool {
	var e *streamable.StatusError
	return errors.As(err, &e) && string(frame.Get(e.Body, "error", "code")) == codeHeaderMismatch
}

// maxPages is how many pages of tools/list the bridge reads by itself.
const maxPages = 50

// refreshTools reads tools/list for its header annotations, with the metadata of c.
func (b *bridge) refreshTools(c *call) error {
	var cursor []byte
	for range maxPages {
		params := frame.Set([]byte("{}"), "_meta", c.f.Meta)
		if cursor != nil {
			params = frame.Set(params, "cursor", cursor)
		}
		body := frame.Set([]byte(`{"jsonrpc":"2.0","id":"keyporter-tools","method":"tools/list"}`), "params", params)
		cursor = nil
		answered := false
		m := &streamable.Message{Body: body, Meta: streamable.Meta{Version: c.version, Method: methodListTools}}
		err := b.http.Exchange(c.ctx, m, func(msg []byte) (bool, error) {
			f, err := frame.Scan(msg)
			if err != nil || f.Kind != frame.Response {
				return false, nil
			}
			if answered = f.Result != nil; answered {
				b.tools.read(f.Result, b.log)
				cursor = bytes.Clone(frame.Get(f.Result, "nextCursor"))
			}
			return true, nil
		})
		if err != nil {
			return err
		}
		if !answered {
			return errors.New("tools/list was answered with an error")
		}
		if cursor == nil || string(cursor) == "null" {
			return nil
		}
	}
	return nil
}
