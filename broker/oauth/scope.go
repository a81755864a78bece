package oauth

import (
	"context"
	"slices"
	"strings"

	"keyporter/broker/secret"
)

// validScopes returns the scopes in texts of a server, in their order: what is no
// scope-token of RFC 6749 section 3.3 is left out, and so is what stands where a server
// repeated a secret.
func validScopes(texts ...string) (scopes []string) {
	for _, s := range strings.Fields(strings.Join(texts, " ")) {
		if scopeToken(s) && !strings.Contains(s, secret.Removed) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

func scopeToken(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' })
}

// supported returns the scopes of metadata. Nil stays nil: it means that nothing was
// said, and empty that there are none.
func (c *Client) supported(ctx context.Context, said []string) []string {
	if said == nil {
		return nil
	}
	c.noteScopes(ctx, "metadata", said...)
	return append([]string{}, validScopes(said...)...)
}

// noteScopes says in the log how many scopes are left out.
func (c *Client) noteScopes(ctx context.Context, of string, said ...string) {
	all := strings.Fields(strings.Join(said, " "))
	if n := len(all) - len(validScopes(said...)); n > 0 {
		c.log.DebugContext(ctx, "scopes left out that are none", "of", of, "left_out", n)
	}
}

// Union returns the members of both lists, each once, in their order.
func Union(a, b []string) []string {
	var all []string
	for _, s := range slices.Concat(a, b) {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}
