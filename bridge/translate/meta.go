package translate

import (
	"keyporter/bridge/frame"
)

// Members of _meta (2026-07-28 basic, reserved keys).
const (
	metaPrefix       = "io.modelcontextprotocol/"
	metaClient       = metaPrefix + "clientInfo"
	metaCapabilities = metaPrefix + "clientCapabilities"
	metaLevel        = metaPrefix + "logLevel"
	metaServer       = metaPrefix + "serverInfo"
	metaSubscription = metaPrefix + "subscriptionId"
)

// Enrich returns a request or notification of the client with the metadata that
// the newer protocol wants in each. All other bytes stay as they are.
func (s *Session) Enrich(f frame.Frame) (frame.Frame, error) {
	s.mu.Lock()
	level := s.level
	s.mu.Unlock()
	if f.Kind != frame.Request {
		level = nil
	}
	return frame.Scan(inject(f.Raw, s.opts.Version, s.client, s.caps, level))
}

// inject puts the members into params._meta of a message that frame.Scan has
// seen. client and level may be nil. Params that are no object are left alone:
// such a message has no place for them, and the server will say so.
func inject(raw []byte, version string, client, caps, level []byte) []byte {
	params := frame.Get(raw, "params")
	switch {
	case len(params) == 0 || string(params) == "null":
		params = []byte("{}")
	case params[0] != '{':
		return raw
	}
	meta := frame.Get(params, "_meta")
	if len(meta) == 0 || meta[0] != '{' {
		meta = []byte("{}")
	}
	meta = frame.Set(meta, frame.MetaVersion, []byte(`"`+version+`"`))
	if client != nil {
		meta = frame.Set(meta, metaClient, client)
	}
	meta = frame.Set(meta, metaCapabilities, caps)
	if level != nil {
		meta = frame.Set(meta, metaLevel, level)
	}
	return frame.Set(raw, "params", frame.Set(params, "_meta", meta))
}

// capabilities returns what the client said it can do, an object.
func capabilities(initialize frame.Frame) []byte {
	c := frame.Get(initialize.Params, "capabilities")
	if len(c) == 0 || c[0] != '{' {
		return []byte("{}")
	}
	return c
}
