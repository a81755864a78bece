package broker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/internal/hint"
)

// A stepUp is a sign-in that a server wants for more permissions.
type stepUp struct {
	scopes  []string // all that are to be asked for
	missing []string // those that the server refused a request for
}

// StepUp gets a token with more permissions, which a server wants for a request
// that it answered with 403 (MCP authorization, scope challenge handling).
func (b *Broker) StepUp(ctx context.Context, r local.StepUpRequest) (*local.Token, error) {
	s, a, err := b.signedInAt(ctx, r.Server)
	if err != nil {
		return nil, err
	}
	switch {
	case !a.ready():
		return nil, a.problem
	case a.token != nil && a.token.Hash() != r.Refused: // renewed, or stepped up, meanwhile
		return b.wireToken(s, a.token), nil
	}
	challenge := oauth.Bearer(challengesOf(r.Challenge))
	if a.grant == nil {
		return nil, b.mayNot(s, a, challenge.Scope())
	}
	scopes, more := challenge.StepUp(a.grant.scopes())
	if !more {
		return nil, b.mayNot(s, a, challenge.Scope())
	}
	b.update(func() {
		now := b.stepUps[s.Name]
		b.stepUps[s.Name] = stepUp{
			scopes:  oauth.Union(now.scopes, scopes),
			missing: oauth.Union(now.missing, challenge.Scope()),
		}
	})
	if s.SignIn != account.SignInNever {
		if err := b.callForSignIn(s, b.programOf(ctx)); err != nil {
			return nil, err
		}
		tok, err := b.awaitOther(ctx, s, r.Refused, r.Wait)
		if tok != nil || err != nil {
			return tok, err
		}
	}
	return nil, hint.New(hint.SignInNeeded, fmt.Sprintf("%s wants a further permission for this (%s).", s.Name, clip(strings.Join(challenge.Scope(), " "))),
		fmt.Sprintf("Sign in again from the tray, or run: keyporter login %s", quoteArg(s.Name)))
}

// scopes are those that were asked for or granted.
func (g *grantRecord) scopes() []string { return oauth.Union(g.Asked, strings.Fields(g.Scope)) }

// mayNot is the hint for a 403 that more scopes cannot mend: the server has been
// asked for those that it names, or names none, or the account is no sign-in.
func (b *Broker) mayNot(s *account.Server, a *access, scopes []string) error {
	who, permission := "Signed in", "a permission is missing"
	if a.identity != "" {
		who += " as " + clip(a.identity)
	}
	if len(scopes) > 0 {
		permission = fmt.Sprintf("the permission %s is missing", clip(strings.Join(scopes, " ")))
	}
	return hint.New(hint.Refused, fmt.Sprintf("%s, but %s refuses: %s.", who, s.Name, permission),
		"Ask the owner of the server to give it to this account.")
}

// awaitOther waits until the server has another token than the refused one, at
// most for limit; it returns nil then. A sign-in that fails meanwhile ends the
// wait.
func (b *Broker) awaitOther(ctx context.Context, s *account.Server, refused string, limit time.Duration) (*local.Token, error) {
	var tok *local.Token
	err := b.awaitUntil(ctx, s.Name, limit, func() error {
		b.mu.Lock()
		a := b.standing(s)
		b.mu.Unlock()
		if a.ready() && a.token != nil && a.token.Hash() != refused {
			tok = b.wireToken(s, a.token)
			return nil
		}
		return errStillWaiting
	})
	if err == errStillWaiting {
		return nil, nil
	}
	return tok, err
}
