package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/internal/hint"
)

// A Discovery is what a server says about how to get tokens for it.
type Discovery struct {
	// Resource is nil for servers of 2025-03-26, which have no such metadata.
	Resource *ProtectedResourceMetadata
	Server   *AuthorizationServerMetadata
	// Guessed says that Server has the default endpoints of 2025-03-26, because
	// the server has no metadata at all. It promises nothing then, PKCE included.
	Guessed bool
}

// Discover finds out how to get tokens for the server at serverURL. challenge is
// the Bearer challenge of its 401, or nil. preferred names the issuer to take
// where the user chose one; empty takes the first in the server's list that
// answers.
func (c *Client) Discover(ctx context.Context, serverURL string, challenge *Challenge, preferred string) (*Discovery, error) {
	ctx, cancel := context.WithTimeout(ctx, discoveryTime)
	defer cancel()
	if challenge != nil {
		c.noteScopes(ctx, "challenge", challenge.Params["scope"])
	}
	resource, err := c.DiscoverResource(ctx, serverURL, challenge)
	var none *DiscoveryError
	switch {
	case err == nil:
	case errors.As(err, &none) && none.Absent() && challenge.ResourceMetadata() == "":
		if preferred == "" {
			return c.discoverOrigin(ctx, serverURL, none.Attempts)
		}
	default:
		return nil, err
	}
	issuers := []string{preferred}
	if preferred == "" {
		issuers = resource.AuthorizationServers[:min(len(resource.AuthorizationServers), maxIssuers)]
	}
	var failed error
	var attempts []Attempt
	for _, issuer := range issuers {
		server, err := c.DiscoverAuthorizationServer(ctx, issuer)
		if err == nil {
			return &Discovery{Resource: resource, Server: server}, nil
		}
		if failed = err; ctx.Err() != nil || len(issuers) == 1 {
			return nil, failed
		}
		attempts = append(attempts, attemptsOf(err, issuer)...)
	}
	return nil, newDiscoveryError(clean(serverURL, 200), attempts, hint.Of(failed))
}

const (
	maxIssuers    = 5           // of those that a server names
	discoveryTime = time.Minute // for all addresses together
)

// DiscoverResource gets a server's protected resource metadata: from the address
// in the challenge if there is one, else from the well-known addresses of the
// path and of the root (RFC 9728 sections 3.1, 5.1). A document that is about
// another resource is refused; see CheckResource. If no address has one the
// error is a *DiscoveryError.
func (c *Client) DiscoverResource(ctx context.Context, serverURL string, challenge *Challenge) (*ProtectedResourceMetadata, error) {
	u, err := url.Parse(strings.TrimSpace(serverURL))
	if err != nil || u.Host == "" {
		return nil, errors.New("discover resource: the server's address has no host")
	}
	var candidates []string
	if named, err := url.Parse(challenge.ResourceMetadata()); err == nil && challenge.ResourceMetadata() != "" {
		candidates = append(candidates, u.ResolveReference(named).String()) // some name only the path
	} else if err != nil {
		candidates = append(candidates, challenge.ResourceMetadata())
	}
	const wellKnown = "/.well-known/oauth-protected-resource"
	origin, path := account.Origin(u), strings.TrimSuffix(u.EscapedPath(), "/")
	if u.RawQuery != "" {
		candidates = append(candidates, origin+wellKnown+path+"?"+u.RawQuery)
	}
	if path != "" {
		candidates = append(candidates, origin+wellKnown+path)
	}
	candidates = append(candidates, origin+wellKnown)

	var found *ProtectedResourceMetadata
	attempts, err := c.try(ctx, candidates, func(body []byte) error {
		m, err := parseResourceMetadata(body)
		if err != nil {
			return err
		}
		if err := CheckResource(serverURL, m.Resource); err != nil {
			return &fatal{err}
		}
		m.ScopesSupported = c.supported(ctx, m.ScopesSupported)
		found = m
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("discover resource: %w", err)
	}
	if found != nil {
		return found, nil
	}
	return nil, newDiscoveryError(clean(serverURL, 200), attempts, hint.New(hint.Failed,
		fmt.Sprintf("%s does not say how to sign in.", u.Host),
		"Check the address; if the server wants a key or a fixed token, add it as an account."))
}

// DiscoverAuthorizationServer gets the metadata of issuer. With a path, the path
// is inserted (RFC 8414 section 3.1, then the same for OpenID Connect) or stands
// in front (OpenID Connect Discovery section 4). If no address has a document of
// exactly this issuer the error is a *DiscoveryError.
func (c *Client) DiscoverAuthorizationServer(ctx context.Context, issuer string) (*AuthorizationServerMetadata, error) {
	u, err := url.Parse(issuer)
	if err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return nil, hint.New(hint.Refused, fmt.Sprintf("%q is not the address of an authorization server.", clean(issuer, 200)),
			"Ask the owner of the server to correct its metadata.")
	}
	if err := c.rule.checkURL(u); err != nil {
		return nil, fmt.Errorf("discover authorization server: %w", err)
	}
	return c.discoverServer(ctx, issuer, issuerCandidates(u))
}

// issuerCandidates returns where the metadata of an issuer may be, in order.
func issuerCandidates(u *url.URL) []string {
	origin, path := u.Scheme+"://"+u.Host, strings.TrimSuffix(u.EscapedPath(), "/")
	list := []string{
		origin + "/.well-known/oauth-authorization-server" + path,
		origin + "/.well-known/openid-configuration" + path,
	}
	if path != "" {
		list = append(list, origin+path+"/.well-known/openid-configuration")
	}
	return list
}

func (c *Client) discoverServer(ctx context.Context, issuer string, candidates []string) (*AuthorizationServerMetadata, error) {
	var found *AuthorizationServerMetadata
	attempts, err := c.try(ctx, candidates, func(body []byte) error {
		m, err := parseServerMetadata(body, issuer)
		if err != nil {
			return err
		}
		if err := c.CheckEndpoint(m.TokenEndpoint); err != nil {
			return err
		}
		m.ScopesSupported = c.supported(ctx, m.ScopesSupported)
		found = m
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("discover authorization server: %w", err)
	}
	if found != nil {
		return found, nil
	}
	return nil, newDiscoveryError(clean(issuer, 200), attempts, hint.New(hint.Failed,
		fmt.Sprintf("The authorization server %s does not describe itself as it should.", clean(issuer, 200)),
		"Try again later, or ask whoever runs it; the details list each address that was tried and what it said."))
}

// discoverOrigin is for servers of 2025-03-26: the server's origin is the
// authorization server, with metadata or with default endpoints. before is where
// resource metadata was looked for.
func (c *Client) discoverOrigin(ctx context.Context, serverURL string, before []Attempt) (*Discovery, error) {
	u, err := url.Parse(strings.TrimSpace(serverURL))
	if err != nil {
		return nil, errors.New("discover authorization server: the server's address is not valid")
	}
	origin := account.Origin(u)
	issuer, err := url.Parse(origin)
	if err != nil {
		return nil, errors.New("discover authorization server: the server's address is not valid")
	}
	server, err := c.discoverServer(ctx, origin, issuerCandidates(issuer))
	var none *DiscoveryError
	switch {
	case err == nil:
		return &Discovery{Server: server}, nil
	case errors.As(err, &none) && none.Absent():
		return &Discovery{Guessed: true, Server: &AuthorizationServerMetadata{
			Issuer:                origin,
			AuthorizationEndpoint: origin + "/authorize",
			TokenEndpoint:         origin + "/token",
			RegistrationEndpoint:  origin + "/register",
		}}, nil
	case none != nil:
		return nil, newDiscoveryError(clean(serverURL, 200), append(before, none.Attempts...), none.words)
	}
	return nil, err
}

// A fatal error of a document ends the search: another address must not
// overrule what the server said.
type fatal struct{ error }

func (f *fatal) Unwrap() error { return f.error }

// try gets each address in turn until accept takes a document. It returns what
// the others said, or an error if going on makes no sense.
func (c *Client) try(ctx context.Context, candidates []string, accept func(body []byte) error) ([]Attempt, error) {
	var attempts []Attempt
	for i, addr := range candidates {
		if i > 0 && addr == candidates[0] {
			continue // the challenge named a well-known address
		}
		body, absent, err := c.document(ctx, addr)
		if err == nil {
			if err = accept(body); err == nil {
				return attempts, nil
			}
			absent = errors.Is(err, errPage)
		}
		if f := (*fatal)(nil); errors.As(err, &f) {
			return attempts, f.error
		}
		if ctx.Err() != nil {
			return attempts, err
		}
		attempts = append(attempts, Attempt{URL: clean(withoutQuery(addr), 300), Said: err, absent: absent})
	}
	return attempts, nil
}

// document gets one metadata document. absent says that the server answered and
// has none there.
func (c *Client) document(ctx context.Context, addr string) (body []byte, absent bool, err error) {
	header := http.Header{
		"Accept":               {"application/json"},
		"Mcp-Protocol-Version": {discoveryVersion},
	}
	res, err := c.do(ctx, http.MethodGet, addr, header, nil)
	switch {
	case err != nil:
		return nil, false, err
	case res.status >= 300 && res.status < 400:
		return nil, true, fmt.Errorf("it redirects elsewhere (HTTP %d)", res.status)
	case !res.ok():
		return nil, res.status < 500 && res.status != http.StatusTooManyRequests && res.status != http.StatusRequestTimeout,
			fmt.Errorf("it answered HTTP %d", res.status)
	}
	return res.body, false, nil
}

// discoveryVersion is what metadata requests say about themselves (MCP
// authorization 2025-03-26, section 2.3.2).
const discoveryVersion = "2026-07-28"

// withoutQuery drops the query of an address for display.
func withoutQuery(s string) string {
	before, _, _ := strings.Cut(s, "?")
	return before
}
