package bridge

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"

	"keyporter/broker/local"
)

// inPieces is the token with characters between that do not show.
const inPieces = "SECRET\u200bWO\ufe0fR\u00adD-o\x00n\xffe"

// shown is a text as a person or a model reads it: without what does not show.
func shown(text string) string {
	text = strings.NewReplacer(`\u200b`, "", `\u0000`, "", `\x00`, "", `\ufffd`, "", `\xff`, "", `\u00ad`, "", `\ufe0f`, "", "\ufe0f", "", "\ufffd", "").Replace(text)
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
}

// A server repeats what it was sent in each place from which its words may come to the
// client's window and into the log.
func TestATokenInPiecesDoesNotComeBackTogether(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter)
		want   string // in what the client gets
	}{
		"the body": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(500)
			fmt.Fprintf(w, "no: %s (end)", inPieces)
		}, `"excerpt":"no: [removed] (end)"`},
		"the body, behind much space": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(500)
			fmt.Fprintf(w, "%snot %s-one", strings.Repeat(" \n", 2<<10-5), marker)
		}, `"excerpt":"not [removed]"`},
		"the scope that is missing": {func(w http.ResponseWriter) {
			w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+marker+`-one"`)
			w.WriteHeader(403)
		}, "a permission is missing ([removed])"},
		"when to come back": {func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "after "+marker+"-one")
			w.WriteHeader(503)
		}, `"retryAfter":"after [removed]"`},
		"the body, behind so much space that it is cut": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(500)
			fmt.Fprintf(w, "not %s%s-one", strings.Repeat(" ", 1<<20-14), marker)
		}, `"excerpt":"not [removed]"`},
		"the body, in JSON and escaped": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(500)
			fmt.Fprintf(w, `{"no":"%s"}`, strings.NewReplacer("E", `\u0045`, "R", "%2552").Replace(marker+"-one"))
		}, `{\"no\":\"[removed]\"}`},
		"the body, its field in base64": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(500)
			fmt.Fprintf(w, "no: %s (end)", base64.StdEncoding.EncodeToString([]byte("Bearer "+marker+"-one")))
		}, `"excerpt":"no: [removed] (end)"`},
		"where it sends requests": {func(w http.ResponseWriter) {
			w.Header().Set("Location", "/other/"+marker+"-one")
			w.WriteHeader(307)
		}, "/other/[removed]"},
		"which versions it speaks": {func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(400)
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32022,"message":"","data":{"supported":["2027 %s-one"]}}}`, marker)
		}, "Keyporter does not know: 2027 [removed]."},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAgent(serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { test.answer(w) })))
			a.stepUp = func(r local.StepUpRequest) (*local.Token, error) {
				if len(r.Challenge) != 1 || strings.Contains(r.Challenge[0], marker) {
					t.Errorf("the agent is told %q", r.Challenge)
				}
				return token("one", time.Time{}, time.Time{}), nil
			}
			h := start(t, a)
			if strings.Contains(name, "versions") {
				h.send(initialize)
			} else {
				h.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add"}}`)
			}
			h.wantHas(test.want)
			h.end()
			for where, text := range map[string]string{"stdout": h.out.String(), "log": h.log.String()} {
				if strings.Contains(shown(text), marker) {
					t.Errorf("secret on %s:\n%q", where, text)
				}
			}
		})
	}
}

// The agent keeps lists in plain files.
func TestAListThatRepeatsTheTokenIsNotKept(t *testing.T) {
	s := &server{session: "s1"}
	s.call = func(w http.ResponseWriter, r *http.Request, body string) {
		if strings.Contains(body, "resources/list") {
			answer(w, body, `{"resources":[{"name":"r","uri":"https://files.example/?token=SECRET\u0057ORD-one"}]}`)
			return
		}
		answer(w, body, `{"tools":[]}`)
	}
	a := newAgent(serve(t, s))
	h := start(t, a)
	h.open()
	h.send(`{"jsonrpc":"2.0","id":2,"method":"resources/list"}`)
	h.wantHas(`"id":2`, "files.example")
	h.send(`{"jsonrpc":"2.0","id":3,"method":"tools/list"}`)
	h.wantHas(`"id":3`)
	h.end()
	if a.kept["resources/list"] != nil || a.kept["tools/list"] == nil {
		t.Errorf("the agent keeps %s", a.kept)
	}
}
