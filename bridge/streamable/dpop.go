package streamable

import (
	"context"
	"net/http"
	"net/url"
	"strings"
)

// proven is follow for tokens that are bound to a key (RFC 9449). A server that
// wants its nonce in the proof says so with a 401 (section 9); the token is good,
// and the request is repeated once.
func (c *Client) proven(ctx context.Context, cred *Credentials, method string, to *url.URL, body []byte, fill func(http.Header)) (*http.Response, error) {
	resp, err := c.follow(ctx, cred, method, to, body, fill)
	if err != nil || cred.Prove == nil || resp.StatusCode != http.StatusUnauthorized || !wantsNonce(resp) {
		return resp, err
	}
	drop(resp)
	return c.follow(ctx, cred, method, to, body, fill)
}

func wantsNonce(resp *http.Response) bool {
	if nonceOf(resp) == "" {
		return false
	}
	for _, field := range resp.Header.Values("Www-Authenticate") {
		if strings.Contains(field, "use_dpop_nonce") {
			return true
		}
	}
	return false
}

// prove puts a proof for one request on it. Each request needs its own.
func (c *Client) prove(ctx context.Context, cred *Credentials, req *http.Request) error {
	nonce := ""
	if n := c.nonce.Load(); n != nil {
		nonce = *n
	}
	proof, err := cred.Prove(ctx, req.Method, proofURL(req.URL), nonce)
	if err != nil {
		return err
	}
	req.Header["DPoP"] = []string{proof} // as RFC 9449 writes it
	return nil
}

// proofURL is the address in a proof: without query and fragment (section 4.2).
func proofURL(u *url.URL) string {
	bare := *u
	bare.RawQuery, bare.ForceQuery, bare.Fragment, bare.RawFragment = "", false, "", ""
	return bare.String()
}

// keepNonce remembers the nonce that any answer may bring (section 8.2).
func (c *Client) keepNonce(resp *http.Response) {
	if n := nonceOf(resp); n != "" {
		c.nonce.Store(&n)
	}
}

// nonceOf returns the nonce of an answer: visible characters without quotes
// (section 8.1), or nothing.
func nonceOf(resp *http.Response) string {
	values := resp.Header.Values("DPoP-Nonce")
	if len(values) != 1 || len(values[0]) > 1000 {
		return ""
	}
	if strings.ContainsFunc(values[0], func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }) {
		return ""
	}
	return values[0]
}
