package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"

	"keyporter/bridge/frame"
	"keyporter/bridge/streamable"
	"keyporter/internal/hint"
)

// Codes of JSON-RPC 2.0 section 5.1. What the bridge itself has to say travels
// as an internal error with structured data, because all other codes between
// -32768 and -32000 belong to the protocol.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeMethodNotFound = -32601
	codeInternal       = -32603
)

// A rpcError is an error object that goes to the client as it is.
type rpcError struct{ raw []byte }

func (e *rpcError) Error() string { return "server answered with error " + errorCode(e.raw) }

// errorCode returns the code of an error object, for the log.
func errorCode(raw []byte) string {
	if code := frame.Get(raw, "code"); len(code) > 0 && len(code) < 12 {
		return string(code)
	}
	return "error"
}

// failure is the data of an error that the bridge made.
type failure struct {
	Keyporter hint.Code `json:"keyporter"`            // what kind of failure
	What      string    `json:"what"`                 // what happened, a sentence
	Do        string    `json:"do,omitempty"`         // what to do, a sentence
	Status    int       `json:"status,omitempty"`     // of the server's HTTP answer
	Excerpt   string    `json:"excerpt,omitempty"`    // how that answer begins; the server's words
	Detail    string    `json:"detail,omitempty"`     // the cause
	Retry     string    `json:"retryAfter,omitempty"` // of the HTTP answer
}

// fail answers a call that cannot be answered by the server.
func (b *bridge) fail(c *call, err error) {
	switch cause := context.Cause(c.ctx); {
	case c.answered.Load():
		b.log.Debug("answer ended oddly", "error", err)
		return
	case errors.Is(cause, errCancelled) || c.cancelled.Load():
		c.outcome = "cancelled"
		return
	case b.ctx.Err() != nil || errors.Is(cause, errClosing):
		c.outcome = "closed"
		return
	case c.f.Method == methodListen && c.touched:
		// A subscription that ends without a result (2026-07-28 basic/transports/stdio).
		c.outcome = "ended"
		c.answered.Store(true)
		b.write(frame.Set([]byte(`{"jsonrpc":"2.0","method":"notifications/cancelled"}`), "params",
			frame.Set([]byte(`{"reason":"The server ended the subscription."}`), "requestId", c.f.ID)))
		return
	}
	b.log.Warn("request failed", "method", c.f.Method, "error", err)
	object := b.errorFor(c, err)
	if c.outcome = outcomeOf(object, err); !c.claim() {
		return
	}
	if c.pending == nil {
		b.write(frame.NewError(c.f.ID, object))
		return
	}
	for _, id := range c.pending {
		b.write(frame.NewError(id, object))
	}
}

func outcomeOf(object []byte, err error) string {
	if isHint(err) {
		return string(hint.CodeOf(err))
	}
	var e *streamable.StatusError
	if errors.As(err, &e) {
		return fmt.Sprintf("http_%d", e.Status)
	}
	return errorCode(object)
}

func isHint(err error) bool {
	var e *hint.Error
	return errors.As(err, &e)
}

// errorFor returns the error object for err.
func (b *bridge) errorFor(c *call, err error) []byte {
	var rpc *rpcError
	var status *streamable.StatusError
	var redirect *streamable.RedirectError
	switch {
	case errors.As(err, &rpc):
		return rpc.raw
	case errors.As(err, &status):
		return b.statusError(c, status)
	case isHint(err):
		return b.object(hint.Of(err), nil)
	case errors.As(err, &redirect):
		return b.object(hint.Wrap(err, hint.Refused, "The server sends requests elsewhere, where its token must not go.",
			"Change the server's address in Keyporter if the new one is right."), nil)
	case errors.Is(err, streamable.ErrTooLarge):
		return b.object(hint.Wrap(err, hint.Failed, "The server's answer is too large.", "Ask for less at a time."), nil)
	case errors.Is(err, streamable.ErrNoAnswer):
		return b.object(b.noAnswer(c, err), nil)
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return b.object(hint.Wrap(err, hint.Unreachable, "The certificate of "+b.host()+" is not trusted on this computer.",
			"If your network puts its own in place, give the server its certificate authority: keyporter set "+b.name()+" ca=FILE."), nil)
	}
	if v := b.link.view.Load(); v != nil && v.state != nil && v.state.Proxy == "" {
		if h := v.state.Desktop.Unsupported(); h != nil {
			return b.object(hint.Wrap(err, hint.Unreachable, "The server "+b.host()+" cannot be reached. "+h.What, h.Do), nil)
		}
	}
	return b.object(hint.Wrap(err, hint.Unreachable, "The server "+b.host()+" cannot be reached.", "Check the network and try again."), nil)
}

// host names the server's host, for sentences.
func (b *bridge) host() string {
	if v := b.link.view.Load(); v != nil && v.cred != nil {
		return v.cred.URL.Host
	}
	return b.opts.Server
}

// object makes an error object out of a hint. more may be nil.
func (b *bridge) object(h *hint.Error, more *failure) []byte {
	if more == nil {
		more = &failure{}
	}
	more.Keyporter, more.What, more.Do = h.Code, h.What, h.Do
	if more.Keyporter == "" {
		more.Keyporter = hint.Failed
	}
	if h.Cause != nil && more.Excerpt == "" {
		more.Detail = b.quote(h.Cause.Error(), 300)
	}
	return frame.ErrorObject(codeInternal, h.Text(), more)
}

// excerpt returns how an HTTP error body begins, if it is text.
func (b *bridge) excerpt(e *streamable.StatusError) string {
	if e.ContentType != "" && !strings.HasPrefix(e.ContentType, "text/") && !strings.Contains(e.ContentType, "json") {
		return ""
	}
	return b.quote(string(e.Body), 300)
}

// quote makes a text of the server fit for a sentence of ours, without what it was
// sent; see secret.Quote.
func (b *bridge) quote(text string, limit int) string { return b.link.sent.Quote(text, limit) }
