package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"keyporter/bridge/streamable"
	"keyporter/broker/local"
	"keyporter/internal/network"
)

// A road is the HTTP transport to the server. It is built when the first request
// goes out, and anew when the user changes the way: the proxy or its login, whose
// certificates are trusted, or which one is shown.
type road struct {
	link *link

	mu    sync.Mutex
	of    *local.BridgeState // that built belongs to
	built string             // which way it is
	by    *http.Transport    // nil before the first request
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
	st := &local.BridgeState{}
	if v := r.link.view.Load(); v != nil && v.state != nil {
		st = v.state
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by != nil && r.of == st {
		return r.by, nil
	}
	if key := keyOf(st); r.by == nil || r.built != key {
		t, err := r.build(st)
		if err != nil {
			return nil, err
		}
		if r.by != nil {
			defer r.by.CloseIdleConnections()
		}
		r.by, r.built = t, key
	}
	r.of = st
	return r.by, nil
}

// keyOf tells ways apart, secrets by their hash.
func keyOf(st *local.BridgeState) string {
	hashes := map[string]string{}
	for proxy, login := range st.ProxyLogins {
		hashes[proxy] = login.Hash()
	}
	return fmt.Sprintf("%q %q %q %q %q", st.Proxy, st.CA, fmt.Sprint(st.Desktop), st.ClientCert, hashes) // fmt sorts a map's keys
}

func (r *road) build(st *local.BridgeState) (*http.Transport, error) {
	way := network.Settings{Proxy: st.Proxy, CA: st.CA, Desktop: st.Desktop, Logins: st.ProxyLogins}
	if st.ClientCert != "" {
		var err error
		if way.Certificate, err = r.certificate(st); err != nil {
			return nil, err
		}
	}
	t := streamable.NewTransport()
	if err := way.Apply(t); err != nil {
		return nil, err
	}
	return t, nil
}

// certificate is the client certificate. The agent has its key, and signs.
func (r *road) certificate(st *local.BridgeState) (*tls.Certificate, error) {
	return network.Remote(st.ClientCert, func(s network.Signing) ([]byte, error) {
		ctx, cancel := context.WithTimeout(r.link.life, tokenLimit)
		defer cancel()
		var signed *local.Signature
		err := r.link.ask(ctx, func(a Agent) (err error) {
			signed, err = a.Sign(ctx, local.SignRequest{Server: st.Server, Signing: s})
			return err
		})
		if err == nil && signed == nil {
			err = errors.New("agent gave no signature")
		}
		if err != nil {
			return nil, err
		}
		return signed.Signature, nil
	})
}

// CloseIdleConnections closes connections that are not in use, and forgets the way,
// which may hold a proxy's login. The others serve the requests that are on them and
// no more: HTTP/2 would put the next one beside a stream that is open.
func (r *road) CloseIdleConnections() {
	r.mu.Lock()
	old := r.by
	r.by, r.of = nil, nil
	r.mu.Unlock()
	if old != nil {
		old.CloseIdleConnections()
	}
}
