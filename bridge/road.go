package bridge

import (
	"net/http"
	"sync"

	"keyporter/bridge/streamable"
	"keyporter/internal/network"
)

// A road is the HTTP transport to the server. It is built when the first request
// goes out, and anew when the user changes the way: the proxy, or whose
// certificates are trusted.
type road struct {
	link *link

	mu    sync.Mutex
	built network.Settings
	by    *http.Transport // nil before the first request
}

// RoundTrip implements http.RoundTripper.
func (r *road) RoundTrip(req *http.Request) (*http.Response, error) {
	t, err := r.transport()
	if err != nil {
		return nil, err
	}
	return t.RoundTrip(req)
}

func (r *road) transport() (*http.Transport, error) {
	var want network.Settings
	if v := r.link.view.Load(); v != nil && v.state != nil {
		want = network.Settings{Proxy: v.state.Proxy, CA: v.state.CA}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by != nil && r.built == want {
		return r.by, nil
	}
	t := streamable.NewTransport()
	if err := want.Apply(t); err != nil {
		return nil, err
	}
	if r.by != nil {
		defer r.by.CloseIdleConnections()
	}
	r.by, r.built = t, want
	return t, nil
}

// CloseIdleConnections closes connections that are not in use.
func (r *road) CloseIdleConnections() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by != nil {
		r.by.CloseIdleConnections()
	}
}
