package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/internal/hint"
)

// checkMoved looks, when a server refuses a token that should still be good,
// whether it names another authorization server by now (MCP authorization,
// authorization server binding). Then the old grant is over: renewing it where it
// came from would bring nothing that the server takes. A sign-in at the new one
// registers there anew; nothing of the old registration is used.
func (b *Broker) checkMoved(ctx context.Context, s *account.Server, a *access, r local.TokenRequest) error {
	if r.Refused == "" || a.grant == nil || a.record.Kind != account.OAuth || s.Issuer != "" || a.token == nil || a.token.Hash() != r.Refused {
		return nil
	}
	b.mu.Lock()
	checked := b.moveChecked[s.Name] == r.Refused
	b.moveChecked[s.Name] = r.Refused
	b.mu.Unlock()
	if checked {
		return nil
	}
	client, err := b.oauthClient(s)
	if err != nil {
		return err
	}
	defer client.CloseIdle()
	limit, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	m, err := client.DiscoverResource(limit, s.URL, oauth.Bearer(challengesOf(r.Challenge)))
	if err != nil || slices.ContainsFunc(m.AuthorizationServers, func(i string) bool { return sameIssuer(i, a.grant.Issuer) }) {
		return nil // not known to have moved: the refused token is renewed as usual
	}
	why := fmt.Sprintf("It now signs people in at %s.", hostOf(m.AuthorizationServers[0]))
	b.endGrant(grantKey(a.account.Name, a.grant.Target), a.grant.Lineage, hint.New(hint.SignInNeeded, why, ""))
	return signInNeeded(s.Name, why)
}

// sameIssuer compares issuers; only the slash of an empty path does not count.
func sameIssuer(a, b string) bool {
	return a == b || strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") && strings.Count(strings.TrimSuffix(a, "/"), "/") == 2
}
