package translate

import (
	"bytes"
	"strings"

	"keyporter/bridge/frame"
)

// What is here serves the other direction: a client that only speaks 2026-07-28
// or later, with a server that only speaks what was before.

// Ready is what follows initialize.
var Ready = frame.Frame{Raw: []byte(`{"jsonrpc":"2.0","method":"notifications/initialized"}`), Kind: frame.Notification, Method: "notifications/initialized"}

// Initialize returns the initialize request that stands for a newer client, out
// of the metadata of one of its requests. Tasks were others then (2026-07-28
// changelog). own serves if the client does not say who it is.
func Initialize(f frame.Frame, own []byte) (frame.Frame, error) {
	caps := frame.Drop(Capabilities(f), "tasks")
	if info := frame.Get(f.Meta, metaClient); len(info) > 0 && info[0] == '{' {
		own = info
	}
	params := frame.Set([]byte("{}"), "protocolVersion", []byte(`"`+legacyVersions[0]+`"`))
	params = frame.Set(frame.Set(params, "capabilities", caps), "clientInfo", own)
	return frame.Scan(frame.Set([]byte(`{"jsonrpc":"2.0","id":"`+idPrefix+`initialize","method":"initialize"}`), "params", params))
}

// Capabilities returns what a newer client says in a request that it can do.
func Capabilities(f frame.Frame) []byte { return object(frame.Get(f.Meta, metaCapabilities)) }

// Plain returns a request or notification without the metadata that an older
// server does not know. All other bytes stay as they are.
func Plain(f frame.Frame) (frame.Frame, error) {
	if len(f.Meta) == 0 || f.Meta[0] != '{' {
		return f, nil
	}
	meta := frame.DropAll(f.Meta, func(name string) bool { return strings.HasPrefix(name, metaPrefix) })
	return frame.Scan(frame.Set(f.Raw, "params", frame.Set(f.Params, "_meta", meta)))
}

// Result returns the result of an older server as newer clients want it: they
// insist on its kind (2026-07-28 basic).
func Result(method string, result []byte) []byte {
	switch method {
	case "tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read":
		return Cacheable(result)
	}
	return frame.Set(result, "resultType", []byte(`"complete"`))
}

// Cacheable returns a result with the members that say how long it holds, of one
// who does not know that (2026-07-28 server/utilities/caching).
func Cacheable(result []byte) []byte {
	result = frame.Set(result, "resultType", []byte(`"complete"`))
	result = frame.Set(result, "ttlMs", []byte("0"))
	return frame.Set(result, "cacheScope", []byte(`"private"`))
}

// Input returns a request of an older server as it stands in inputRequests. What
// identified an address to open has left the protocol (2026-07-28 changelog).
func Input(f frame.Frame) []byte {
	r := frame.Set([]byte("{}"), "method", []byte(`"`+f.Method+`"`))
	if f.Params == nil {
		return r
	}
	return frame.Set(r, "params", frame.Drop(f.Params, "elicitationId"))
}

// Level returns the log level that a request asks for, as JSON, or nil.
func Level(f frame.Frame) []byte {
	level := frame.Get(f.Meta, metaLevel)
	if _, ok := frame.Text(level); !ok {
		return nil
	}
	return level
}

// DiscoverResult makes the result of server/discover for a client of a version,
// out of an older server's initialize result.
func DiscoverResult(initialized []byte, version string) []byte {
	versions := `["` + version + `","` + strings.Join(legacyVersions, `","`) + `"]`
	r := []byte(`{"resultType":"complete","ttlMs":0,"cacheScope":"private"}`)
	r = frame.Set(r, "supportedVersions", []byte(versions))
	r = frame.Set(r, "capabilities", object(frame.Get(initialized, "capabilities")))
	if words := frame.Get(initialized, "instructions"); words != nil {
		r = frame.Set(r, "instructions", words)
	}
	return frame.Set(r, "_meta", frame.Set([]byte("{}"), metaServer, object(frame.Get(initialized, "serverInfo"))))
}

// Listed are the members of a subscription that ask for changes of lists, by the
// notification that they ask for.
var Listed = map[string]string{
	"notifications/tools/list_changed":     "tools",
	"notifications/prompts/list_changed":   "prompts",
	"notifications/resources/list_changed": "resources",
}

const noteUpdated = "notifications/resources/updated"

// Change reports whether an older server tells with a notification what newer
// clients subscribe to.
func Change(method string) bool { return method == noteUpdated || Listed[method] != "" }

// Wants reports whether a subscription, whose params.notifications is filter,
// asks for a notification of an older server.
func Wants(filter []byte, f frame.Frame) bool {
	if f.Method != noteUpdated {
		return string(frame.Get(filter, Listed[f.Method]+"ListChanged")) == "true"
	}
	uri, _ := frame.Text(f.URI)
	for raw := range frame.Elements(frame.Get(filter, "resourceSubscriptions")) {
		// It may be one below that which was subscribed to (2025-11-25 server/resources).
		if of, ok := frame.Text(raw); ok && (uri == of || strings.HasPrefix(uri, strings.TrimSuffix(of, "/")+"/")) {
			return true
		}
	}
	return false
}

// Granted returns what of filter a server with these capabilities tells about.
func Granted(filter, caps []byte) []byte {
	return frame.DropAll(object(filter), func(name string) bool {
		if name == "resourceSubscriptions" {
			return string(frame.Get(caps, "resources", "subscribe")) != "true"
		}
		kind, ok := strings.CutSuffix(name, "ListChanged")
		return !ok || string(frame.Get(caps, kind, "listChanged")) != "true"
	})
}

// Tagged returns a notification of an older server as it reaches a newer client on
// the subscription that the request id opened (2026-07-28 basic/patterns/subscriptions).
func Tagged(f frame.Frame, id []byte) []byte {
	raw := f.OneLine()
	params := object(f.Params) // a part of it
	meta := frame.Set(object(frame.Get(params, "_meta")), metaSubscription, id)
	return frame.Set(raw, "params", frame.Set(params, "_meta", meta))
}

// object returns raw, or an empty object if it is none.
func object(raw []byte) []byte {
	if !bytes.HasPrefix(raw, []byte("{")) {
		return []byte("{}")
	}
	return raw
}
