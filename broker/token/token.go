// Package token is what all ways to a token have in common: Token, Request,
// Source, and the Cache that keeps tokens fresh. It knows no OAuth, no Google
// and no vault; those are the sources beside it (broker/source/...).
//
// A caller makes a Source, wraps it in a Cache and asks the Cache.
package token

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"keyporter/broker/secret"
)

// ErrSignInNeeded is returned when only the user can help: no grant yet, or the
// grant has ended.
var ErrSignInNeeded = errors.New("sign-in needed")

// ErrDropped is in the chain of the error of those who waited for a token of an
// account when Drop was called for it.
var ErrDropped = errors.New("tokens of the account were dropped")

// ErrNoOther is in the chain of Refused's error when the Source has only the token
// to offer that the server refused.
var ErrNoOther = errors.New("no other token")

// A Kind is what sort of token a request asks for.
type Kind string

const (
	AccessToken   Kind = "access_token"    // RFC 6749 section 1.4
	IDToken       Kind = "id_token"        // OpenID Connect Core section 2
	SelfSignedJWT Kind = "self_signed_jwt" // a JWT signed with the account's own key (AIP-4111)
	StaticHeader  Kind = "static_header"   // a fixed token or API key
)

// A Request names the token that is wanted. Its fields are the cache key,
// together with the account; see Key.
type Request struct {
	Account  string   // Required. The account's name.
	Issuer   string   // Optional. The authorization server.
	ClientID string   // Optional. The client that the token is issued to.
	Resource string   // Optional. RFC 8707 section 2.
	Audience string   // Optional. The aud that the receiver wants.
	Scopes   []string // Optional. Order does not matter.
	Kind     Kind     // Required.
}

// Key returns the request in a written form in which equal requests are equal
// and different ones differ: each field quoted, scopes sorted.
func (r Request) Key() string {
	scopes := slices.Clone(r.Scopes)
	slices.Sort(scopes)
	fields := append([]string{r.Account, r.Issuer, r.ClientID, r.Resource, r.Audience, string(r.Kind)}, slices.Compact(scopes)...)
	for i, f := range fields {
		fields[i] = strconv.Quote(f)
	}
	return strings.Join(fields, " ")
}

// A Token is what goes on the wire for a while.
type Token struct {
	Value  secret.Value
	Scheme string    // the authentication scheme before the value ("Bearer"); empty: the value stands alone (API keys)
	Header string    // the header field; empty means Authorization
	Issued time.Time // when it came, by our clock
	Expiry time.Time // zero: unknown or never
	Scopes []string  // what was granted, if the issuer said so
}

// Hash names the token in logs and in "this one was refused" without giving it
// away; see secret.Value.Hash.
func (t *Token) Hash() string { return t.Value.Hash() }

// HeaderName returns the header field in which t travels.
func (t *Token) HeaderName() string {
	if t.Header == "" {
		return "Authorization"
	}
	return t.Header
}

// HeaderValue returns the field's value: a secret in the clear, for the wire only.
func (t *Token) HeaderValue() string {
	if t.Scheme == "" {
		return t.Value.Reveal()
	}
	return t.Scheme + " " + t.Value.Reveal()
}

// A Source gets tokens for one account. It does network I/O on every call and
// caches nothing; wrap it in a Cache. Implementations are safe for concurrent use.
type Source interface {
	// Token returns a token for what req names, or ErrSignInNeeded when only the
	// user can help. It never talks to the user. It returns once ctx is done.
	Token(ctx context.Context, req Request) (*Token, error)
}

// SourceFunc is a Source made of a function.
type SourceFunc func(ctx context.Context, req Request) (*Token, error)

// Token calls f.
func (f SourceFunc) Token(ctx context.Context, req Request) (*Token, error) { return f(ctx, req) }
