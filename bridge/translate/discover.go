package translate

import (
	"slices"

	"keyporter/bridge/frame"
)

// DiscoverRequest returns the server/discover request that stands for a client's
// initialize. It has the same id.
func DiscoverRequest(initialize frame.Frame) (frame.Frame, error) {
	body := frame.Set([]byte(`{"jsonrpc":"2.0"}`), "id", initialize.ID)
	body = frame.Set(body, "method", []byte(`"`+Discover+`"`))
	return frame.Scan(inject(body, modernVersions[0], frame.Get(initialize.Params, "clientInfo"), capabilities(initialize), nil))
}

// Choose returns the version to speak with a server that answered server/discover
// with this result; empty if it speaks none of ours.
func Choose(discovered []byte) string {
	return newest(modernVersions, frame.Get(discovered, "supportedVersions"))
}

// ModernError reports whether an error object is one that only servers of
// 2026-07-28 or later send (2026-07-28 basic/versioning, recognized modern errors).
func ModernError(object []byte) bool {
	switch string(frame.Get(object, "code")) {
	case "-32020", "-32021", "-32022":
		return true
	}
	return false
}

// InitializeResult makes the result of initialize for a client that asked for a
// version, out of a server/discover result. info serves if the server does not
// say who it is.
func InitializeResult(discovered []byte, asked string, info []byte) []byte {
	if own := frame.Get(discovered, "_meta", metaServer); len(own) > 0 && own[0] == '{' {
		info = own
	}
	caps := frame.Get(discovered, "capabilities")
	if len(caps) == 0 || caps[0] != '{' {
		caps = []byte("{}")
	}
	r := frame.Set([]byte("{}"), "protocolVersion", []byte(`"`+Agree(asked)+`"`))
	r = frame.Set(r, "capabilities", caps)
	r = frame.Set(r, "serverInfo", info)
	if words := frame.Get(discovered, "instructions"); len(words) > 0 && words[0] == '"' {
		r = frame.Set(r, "instructions", words)
	}
	return r
}

// Agree returns the version that a client which asked for one is answered
// (2025-11-25 basic/lifecycle, version negotiation).
func Agree(asked string) string {
	if slices.Contains(legacyVersions, asked) {
		return asked
	}
	return legacyVersions[0]
}
