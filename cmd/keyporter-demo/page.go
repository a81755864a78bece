package main

import (
	"bytes"
	_ "embed"
	"net/http"

	"keyporter/internal/fakeas"
)

//go:embed page.css
var pageStyle []byte

// styled gives the identity provider's sign-in page the demo's looks. Its form
// stays as it is.
func styled(endpoint string, next http.Handler) http.Handler {
	if endpoint != fakeas.Authorize {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		page := &heldPage{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(page, r)
		body := page.body.Bytes()
		if end := []byte("</style>"); page.status == http.StatusOK {
			body = bytes.Replace(body, end, append(bytes.Clone(pageStyle), end...), 1)
		}
		w.WriteHeader(page.status)
		_, _ = w.Write(body) // the browser left; nobody to tell
	})
}

// A heldPage keeps an answer back until it is complete.
type heldPage struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (p *heldPage) WriteHeader(status int)      { p.status = status }
func (p *heldPage) Write(b []byte) (int, error) { return p.body.Write(b) }
