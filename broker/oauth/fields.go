package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"keyporter/internal/hint"
)

// fields are the members of an answer. Their values are read leniently: the
// servers in the field write numbers as strings and lists as words.
type fields map[string]json.RawMessage

// readFields reads an answer of a token or registration endpoint. An answer
// that says error, or a status other than 2xx, is an *Error; GitHub sends errors
// with 200. One that cannot be read has words.
func readFields(res *response) (fields, error) {
	f, err := parseFields(res.body)
	code := f.str("error")
	if !res.ok() || code != "" {
		e := &Error{Code: res.quote(code, 100), Description: res.quote(f.str("error_description"), 200), Status: res.status}
		if slices.Contains(res.timed, e.Code) {
			e.Ahead = res.ahead
		}
		return nil, e
	}
	if err != nil {
		return nil, res.unusable(err)
	}
	return f, nil
}

// An unusable answer is a success by its status and none by its content: a web
// page where a token should be. It quotes nothing.
type unusable struct{ error }

// unusable gives words to what is wrong with the answer.
func (r *response) unusable(why error) error {
	return hint.Wrap(&unusable{why}, hint.Failed, fmt.Sprintf("%s answered something that cannot be used.", r.host),
		"Try again later; if it happens again, ask whoever runs it.")
}

// parseFields reads a JSON object or, for servers that know no better, a form.
// Its errors quote nothing.
func parseFields(body []byte) (fields, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	if len(body) > 0 && body[0] == '{' {
		f, err := members(body)
		if err != nil {
			return nil, fmt.Errorf("the answer %w", err)
		}
		return f, nil
	}
	if v, err := url.ParseQuery(string(body)); err == nil && (v.Has("access_token") || v.Has("error")) {
		f := fields{}
		for k := range v {
			f[k], _ = json.Marshal(v.Get(k)) // a string always has a JSON form
		}
		return f, nil
	}
	return nil, errors.New("the answer is neither a JSON object nor a form")
}

// members reads a JSON object in which no name stands twice, at any depth (RFC 8259
// section 4).
func members(body []byte) (fields, error) {
	var f fields
	if json.Unmarshal(body, &f) != nil {
		return nil, errors.New("is not valid JSON")
	}
	if !jsontext.Value(body).IsValid(jsontext.AllowInvalidUTF8(true)) {
		return nil, errors.New("has a name twice")
	}
	return f, nil
}

// str returns a member that is a string, or "".
func (f fields) str(name string) string {
	var s string
	if json.Unmarshal(f[name], &s) != nil {
		return ""
	}
	return s
}

// words returns a member that is a string or a list of strings, joined with spaces.
func (f fields) words(name string) string {
	if l := f.list(name); len(l) > 0 {
		return strings.Join(l, " ")
	}
	return f.str(name)
}

// list returns a member that is a list of strings, or nil.
func (f fields) list(name string) []string {
	var l []string
	if json.Unmarshal(f[name], &l) != nil {
		return nil
	}
	return l
}

// number returns a member that is a number or a string with a number in it.
func (f fields) number(name string) (float64, bool) {
	raw := string(f[name])
	if s := f.str(name); s != "" {
		raw = strings.TrimSpace(s)
	}
	n, err := strconv.ParseFloat(raw, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, false
	}
	return n, true
}

// longest is what a life or a time is cut to, so that arithmetic with it is safe.
const longest = 100 * 365 * 24 * time.Hour

// seconds returns a member that is a positive number of seconds.
func (f fields) seconds(name string) (time.Duration, bool) {
	n, ok := f.number(name)
	if !ok || n <= 0 {
		return 0, false
	}
	return time.Duration(min(n, longest.Seconds()) * float64(time.Second)), true
}

// unix returns a member that is a time in seconds since 1970. Zero and absent
// mean no time (RFC 7591 section 3.2.1).
func (f fields) unix(name string) time.Time {
	n, ok := f.number(name)
	if !ok || n <= 0 || n > 1e11 {
		return time.Time{}
	}
	return time.Unix(int64(n), 0).UTC()
}
