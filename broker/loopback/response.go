package loopback

import (
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// A Response is an authorization response (RFC 6749 section 4.1.2, RFC 9207
// section 2), as it came. Nothing of it has been checked but its form.
type Response struct {
	Code             secret.Value
	State            string
	Iss              string
	HasIss           bool   // iss was there, if only empty
	Error            string // instead of a code
	ErrorDescription string // not cleaned
}

// maxForm is how many bytes of a form_post are read.
const maxForm = 64 << 10

var errNoResponse = errors.New("it is not an authorization response")

// ParseRedirect reads an address that the user copied from the browser. The
// error is a hint and quotes nothing.
func ParseRedirect(pasted string) (*Response, error) {
	pasted = strings.Trim(strings.TrimSpace(pasted), `"'<>`)
	query := pasted
	if u, err := url.Parse(pasted); err == nil && (u.RawQuery != "" || u.Scheme != "") {
		query = u.RawQuery
	}
	values, err := url.ParseQuery(strings.TrimPrefix(query, "?"))
	if err == nil {
		var r *Response
		if r, err = parseValues(values); err == nil {
			return r, nil
		}
	}
	return nil, hint.New(hint.Usage, "This is not the address at which the sign-in ended.",
		"Copy the whole address from the browser's address bar; it has code= or error= in it.")
}

// parseValues reads the parameters. One that stands twice makes the response
// invalid (RFC 6749 section 3.1).
func parseValues(v url.Values) (*Response, error) {
	for _, name := range []string{"code", "state", "iss", "error", "error_description"} {
		if len(v[name]) > 1 {
			return nil, errNoResponse
		}
	}
	r := &Response{
		Code: secret.New(v.Get("code")), State: v.Get("state"), Iss: v.Get("iss"), HasIss: v.Has("iss"),
		Error: v.Get("error"), ErrorDescription: v.Get("error_description"),
	}
	if r.Code.IsZero() == (r.Error == "") {
		return nil, errNoResponse
	}
	return r, nil
}

// requestValues returns the parameters of a GET, or of a POST with a form (OAuth
// 2.0 Form Post Response Mode).
func requestValues(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	switch r.Method {
	case http.MethodGet:
		return url.ParseQuery(r.URL.RawQuery)
	case http.MethodPost:
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil || kind != "application/x-www-form-urlencoded" {
			return nil, errNoResponse
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			return nil, errNoResponse
		}
		return r.PostForm, nil
	}
	return nil, errNoResponse
}
