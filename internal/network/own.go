package network

import (
	"net/http"
	"net/url"

	"keyporter/broker/account"
)

// Own serves the requests that are addressed to this computer under a name of its
// own, and come from no page elsewhere. A page can have its own name lead to
// 127.0.0.1 (DNS rebinding), and send a browser to any address; both show in what
// the browser says.
func Own(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !account.Loopback((&url.URL{Host: r.Host}).Hostname()) {
			http.Error(w, "this server is for this computer only", http.StatusMisdirectedRequest)
			return
		}
		if from := r.Header.Get("Origin"); from != "" && from != "null" {
			if u, err := url.Parse(from); err != nil || !account.Loopback(u.Hostname()) {
				http.Error(w, "this server is for pages of this computer only", http.StatusForbidden)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}
