package bridge

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
	"keyporter/broker/local"
	"keyporter/internal/hint"
	"keyporter/internal/network"
)

// statusError returns the error object for an HTTP error. If the server sent an
// error object of its own, that is it.
func (b *bridge) statusError(c *call, e *streamable.StatusError) []byte {
	if f, err := frame.Scan(e.Body); err == nil && f.Error != nil && frame.Get(f.Error, "code") != nil {
		f.OneLine() // Error is a part of it
		return f.Error
	}
	h := b.statusHint(e)
	switch {
	case e.Status == http.StatusUnauthorized && e.Gate:
		h = b.whyRefused(c, e, hint.Wrap(h.Cause, h.Code, "The gate of Google Cloud in front of "+b.host()+" does not accept the token.",
			"If the server has a sign-in of its own, give it a second account for the gate: keyporter set "+b.name()+" also-account=X-Serverless-Authorization=ACCOUNT"))
	case e.Status == http.StatusUnauthorized:
		h = b.whyRefused(c, e, h)
	case e.Status == http.StatusForbidden && e.Gate:
		h = b.shutOut(h)
	}
	more := &failure{Status: e.Status, Excerpt: b.excerpt(e), Retry: b.quote(e.RetryAfter, 100)}
	// A client that probes for the modern protocol goes on with initialize when
	// it hears that the method is unknown (2026-07-28 basic/versioning).
	if c.f.Method == methodDiscover && (e.Status == 400 || e.Status == 404 || e.Status == 405) {
		more.Keyporter, more.What = hint.Refused, h.What
		return frame.ErrorObject(codeMethodNotFound, "Method not found.", more)
	}
	return b.object(h, more)
}

// inspectLimit is how long the agent may take to say why a token was refused.
const inspectLimit = 5 * time.Second

// whyRefused adds to the words for a refused token what the token shows about the
// reason, which the agent can tell.
func (b *bridge) whyRefused(c *call, e *streamable.StatusError, h *hint.Error) *hint.Error {
	v := b.link.view.Load()
	if v == nil || v.cred == nil || v.hash("") == "" && len(v.cred.Further) == 0 {
		return h
	}
	header := v.refusedBy(e)
	ctx, cancel := context.WithTimeout(c.ctx, inspectLimit)
	defer cancel()
	var got *local.Inspection
	err := b.link.ask(ctx, func(a Agent) (err error) {
		got, err = a.Inspect(ctx, local.InspectRequest{Name: v.state.Server, Header: header, Refused: v.hash(header), Challenge: b.link.heard(e.Challenge)})
		return err
	})
	if err != nil || got == nil || len(got.Findings) == 0 {
		return h
	}
	return hint.Wrap(h.Cause, h.Code, h.What+" "+got.Findings[0].What, got.Findings[0].Do)
}

// refusedBy returns the header of the token that a gate or the server behind it
// refuses, as token takes it.
func (v *view) refusedBy(e *streamable.StatusError) string {
	if e.Gate {
		for _, k := range v.cred.Further {
			if streamable.IsGateHeader(k.Header) {
				return k.Header
			}
		}
		return ""
	}
	return v.authorization()
}

// shutOut puts into words that a gate in front of the server knows the account and
// lets it not in: Google's front end, so far.
func (b *bridge) shutOut(h *hint.Error) *hint.Error {
	who := "the account"
	if v := b.link.view.Load(); v != nil && v.cred != nil {
		if t := v.token(v.refusedBy(&streamable.StatusError{Gate: true})); t != nil && t.Who != "" {
			who = b.quote(t.Who, 100)
		}
	}
	return hint.Wrap(h.Cause, hint.Refused, "The gate of Google Cloud in front of "+b.host()+" does not let "+who+" in.",
		"Ask the service's owner to give it the role Cloud Run Invoker (roles/run.invoker).")
}

// statusHint puts an HTTP status into words.
func (b *bridge) statusHint(e *streamable.StatusError) *hint.Error {
	host, cause := b.host(), fmt.Errorf("HTTP status %d", e.Status)
	switch {
	case e.Status == http.StatusUnauthorized:
		return hint.Wrap(cause, hint.Refused, "The server "+host+" refuses the token that was just renewed.", "Sign in again with Keyporter, or ask the server's owner.")
	case e.Status == http.StatusProxyAuthRequired:
		return network.LoginWanted("on the way to " + host)
	case e.Status == http.StatusForbidden:
		return b.forbidden(e, host, cause)
	case e.Status == http.StatusNotFound:
		return hint.Wrap(cause, hint.Refused, "There is no MCP server at this address of "+host+".", "Check the server's address in Keyporter.")
	case e.Status == http.StatusTooManyRequests:
		return hint.Wrap(cause, hint.Unreachable, "The server "+host+" gets too many requests.", "Wait a moment and try again.")
	case e.Status >= 500:
		return hint.Wrap(cause, hint.Unreachable, "The server "+host+" has a problem.", "Try again later.")
	case e.Status < 300:
		return hint.Wrap(cause, hint.Refused, "The server "+host+" did not answer as an MCP server does.", "Check the server's address in Keyporter.")
	}
	return hint.Wrap(cause, hint.Refused, fmt.Sprintf("The server %s refused the request with status %d.", host, e.Status), "")
}

// forbidden puts a 403 into words. Where error="insufficient_scope" names missing
// scopes, a step-up has been tried before; see permitted.
func (b *bridge) forbidden(e *streamable.StatusError, host string, cause error) *hint.Error {
	if challengeParam(e.Challenge, "error") == "insufficient_scope" {
		scope := b.quote(challengeParam(e.Challenge, "scope"), 200)
		if scope == "" {
			scope = "not named"
		}
		return hint.Wrap(cause, hint.Refused, "Signed in, but the server refuses: a permission is missing ("+scope+").",
			"Ask the server's owner for the permission, or sign in again with Keyporter.")
	}
	return hint.Wrap(cause, hint.Refused, "The server "+host+" refuses this request, and does not say why.", "Ask the server's owner for permission.")
}

// challengeParam returns a parameter of the WWW-Authenticate fields (RFC 9110
// section 11.6.1), or nothing. It only serves to choose words.
func challengeParam(fields []string, name string) string {
	for _, f := range fields {
		for i := 0; i < len(f); {
			at := strings.Index(strings.ToLower(f[i:]), name+"=")
			if at < 0 {
				break
			}
			i += at
			before := i == 0 || strings.ContainsRune(" ,\t", rune(f[i-1]))
			i += len(name) + 1
			if !before {
				continue
			}
			rest := f[i:]
			if quoted, ok := strings.CutPrefix(rest, `"`); ok {
				value, _, _ := strings.Cut(quoted, `"`)
				return value
			}
			if end := strings.IndexAny(rest, ", \t"); end >= 0 {
				rest = rest[:end]
			}
			return rest
		}
	}
	return ""
}
