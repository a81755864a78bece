package streamable

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
)

// A Key is a token beside the main one: the header that it travels in, and its
// name. A server behind a gate with a token of its own (Cloud Run's IAM, IAP) has
// two.
type Key struct{ Header, Hash string }

// hash returns the name of the token in a header; "" is the main one.
func (c *Credentials) hash(header string) string {
	if header == "" {
		return c.Hash
	}
	for _, k := range c.Further {
		if strings.EqualFold(k.Header, header) {
			return k.Hash
		}
	}
	return ""
}

// gateHeaders are those that a gate reads before the server behind it has
// Authorization: Cloud Run's, and the one of RFC 9110 section 11.7.2, which IAP
// takes too.
var gateHeaders = []string{"X-Serverless-Authorization", "Proxy-Authorization"}

// IsGateHeader reports whether a gate reads its token there.
func IsGateHeader(name string) bool {
	return slices.ContainsFunc(gateHeaders, func(h string) bool { return strings.EqualFold(h, name) })
}

// A speaker is who refused a request.
type speaker int

const (
	unknown speaker = iota
	perhapsGate
	gate
	server
)

// whoRefused tells a gate's refusal from one of the server behind it. There is no
// field that says so, and the gate writes its own name on the server's answers too.
func whoRefused(resp *http.Response) speaker {
	challenges := strings.Join(resp.Header.Values("Www-Authenticate"), ", ")
	lower := strings.ToLower(challenges)
	switch {
	case resp.StatusCode == http.StatusProxyAuthRequired, resp.Header.Get("X-Goog-Iap-Generated-Response") != "":
		return gate
	case strings.Contains(lower, "resource_metadata="), strings.Contains(lower, "dpop"), strings.Contains(lower, "scope="):
		return server // RFC 9728 section 5.1, RFC 9449, RFC 6750 section 3
	case strings.Contains(challenges, "The access token could not be verified"):
		return gate // Cloud Run's words
	}
	switch mediaType(resp) {
	case "application/json", "application/problem+json":
		return server
	case "text/html":
		return perhapsGate
	}
	return unknown
}

// gatePage reports whether a body is the page with which Google's front end
// refuses a request.
func gatePage(body []byte) bool {
	return bytes.Contains(body, []byte("Your client does not have permission to ")) && bytes.Contains(body, []byte("<html>"))
}

// blame returns the header of the token that an answer refuses, "" for the main
// one. spent says which ones cannot be renewed once more. It reports false for an
// answer that no other token would change.
func (c *Credentials) blame(resp *http.Response, spent func(header string) bool) (string, bool) {
	if resp.StatusCode != http.StatusUnauthorized && (resp.StatusCode != http.StatusProxyAuthRequired || len(c.Further) == 0) {
		return "", false
	}
	who := whoRefused(resp)
	var front, back []string
	sort := func(key, name string) {
		if IsGateHeader(name) {
			front = append(front, key)
		} else {
			back = append(back, key)
		}
	}
	sort("", c.In)
	for _, k := range c.Further {
		sort(k.Header, k.Header)
	}
	order := slices.Concat(back, front)
	switch {
	case len(front) == 0 || len(back) == 0:
	case who == gate:
		order = front
	case who == server:
		order = back
	case who == perhapsGate:
		order = slices.Concat(front, back)
	}
	for _, header := range order {
		if !spent(header) {
			return header, true
		}
	}
	return "", false
}

// byGate reports whether a gate refused a request, and not the server behind it.
func byGate(resp *http.Response, body []byte) bool {
	who := whoRefused(resp)
	return who == gate || who != server && gatePage(body)
}
