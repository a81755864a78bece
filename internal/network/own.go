package network

import (
	"net/http"
	"net/url"

	"keyporter/broker/account"
)

// Own serves the requests that are addressed to this computer under a name of its
// own, and come from no page elsewhere. A page can have its own name lead to
// 127.0.0.1 (DNS rebinding), and send a browser to any address; both show in what
// the browser says. A page that does not say where it was sent from has the origin
// null (Fetch, section 3.2), as a page elsewhere may have in a frame: then it counts
// that the browser calls it the same origin (Fetch Metadata, section 2.4).
func Own(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !account.Loopback((&url.URL{Host: r.Host}).Hostname()) {
			http.Error(w, "this server is for this computer only", http.StatusMisdirectedRequest)
			return
		}
		if !ownPage(r.Header) {
			http.Error(w, "this server is for pages of this computer only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func ownPage(h http.Header) bool {
	switch from := h.Get("Origin"); from {
	case "": // no browser, or a page that is just opened
		return true
	case "null":
		return h.Get("Sec-Fetch-Site") == "same-origin"
	default:
		u, err := url.Parse(from)
		return err == nil && account.Loopback(u.Hostname())
	}
}
