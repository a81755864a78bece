package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/claims"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// Tried is what a session with a server showed.
type Tried struct {
	Version string // the protocol that was agreed on
	Title   string // what the server calls itself
	Tools   int
	Took    time.Duration // from the first message to the list of tools
}

// tripLimit bounds a session with a server.
const tripLimit = 20 * time.Second

// checkToken looks at the token, and tries it. The session comes before the claims
// are judged: a server that takes the token is right about what it expects.
func (x *examination) checkToken(ctx context.Context) {
	tok := x.checkGrant(ctx)
	tried, tripErr := x.try(ctx)
	x.checkClaims(ctx, tok, tripErr)
	switch id := local.CheckRoundTrip; {
	case x.waits(id, local.CheckTLS, local.CheckAnswer, local.CheckAgent, local.CheckGrant):
	case tripErr != nil && x.waits(id, local.CheckClaims, local.CheckClock):
	case tripErr != nil:
		x.fail(id, "", tripErr)
	case tried != nil:
		x.ok(id, "%s", x.tripSeen(tried))
	}
}

func (x *examination) tripSeen(t *Tried) string {
	seen := fmt.Sprintf("%s after %d ms, protocol %s", counted(t.Tools, "tool"), t.Took.Milliseconds(), clip(claimed(t.Version)))
	if title := claimed(t.Title); title != "" {
		seen += fmt.Sprintf("; the server calls itself %q", title)
	}
	return seen
}

// checkGrant gets a token. The one that is returned is nil where none is needed.
func (x *examination) checkGrant(ctx context.Context) *local.Token {
	const id = local.CheckGrant
	a := x.sign.access
	needed := x.s.Account != "" || x.s.HasSecrets()
	switch {
	case x.waits(id, local.CheckAgent), needed && x.waits(id, local.CheckVault), x.denied(ctx, id):
		return nil
	case !needed && (x.found == nil || !x.found.refused()):
		if !x.waits(id, local.CheckTLS, local.CheckAnswer) {
			x.ok(id, "not needed")
		}
		return nil
	case x.s.Account == "" && needed:
		if !a.ready() {
			x.fail(id, "", a.problem)
			return nil
		}
		x.ok(id, "secrets of the server's own: %s", strings.Join(append(slices.Clone(x.s.SecretHeaders), x.s.SecretQuery...), ", "))
		return nil
	}
	r := local.TokenRequest{Name: x.s.Name}
	if !needed { // the server refused a request without a token, so it wants one
		r.Challenge = x.found.answer.fields
	}
	tok, err := x.b.serverToken(ctx, x.s, r)
	if err != nil {
		// Why none can be had stands before, if it is there.
		if !x.waits(id, local.CheckRegistration, local.CheckAuthServer, local.CheckClock) {
			x.fail(id, "", err)
		}
		return nil
	}
	x.b.mu.Lock()
	a = x.b.standing(x.s)
	x.b.mu.Unlock()
	x.sign.access = a
	x.ok(id, "%s", grantSeen(a, x.b.opt.Now()))
	return x.b.wireToken(x.s, tok)
}

// denied fails a check where the program that has the server examined may not use it:
// then nothing of the user's is sent, nor by the session check after it.
func (x *examination) denied(ctx context.Context, id local.CheckID) bool {
	err := x.b.permitServer(ctx, x.s)
	if err != nil {
		x.fail(id, "", err)
	}
	return err != nil
}

// grantSeen says whose token it is and how long it is good.
func grantSeen(a *access, now time.Time) string {
	who := "account " + a.account.Name
	if a.identity != "" {
		who = clip(a.identity)
	}
	seen := "a token of " + who
	if left := a.expiry.Sub(now); !a.expiry.IsZero() {
		seen += ", good for " + duration(left)
	}
	if a.renews {
		return seen + ", renewed by itself"
	}
	return seen
}

// try has a session with the server, unless something before failed that it needs.
func (x *examination) try(ctx context.Context) (*Tried, error) {
	if x.b.opt.Try == nil || x.cause(local.CheckTLS, local.CheckAnswer, local.CheckAgent, local.CheckGrant) != "" {
		return nil, nil
	}
	limit, cancel := context.WithTimeout(ctx, tripLimit)
	defer cancel()
	tried, err := x.b.opt.Try(limit, x.s.Name)
	if err != nil && limit.Err() != nil && ctx.Err() == nil {
		err = hint.Wrap(err, hint.Unreachable, fmt.Sprintf("%s did not finish the first exchange in %s.", x.s.Name, tripLimit), "Try again later, or ask the owner of the server.")
	}
	var worded *hint.Error
	if err != nil && !errors.As(err, &worded) {
		err = hint.Wrap(err, hint.Failed, fmt.Sprintf("A session with %s does not work.", x.s.Name), "Try again; if it stays so, give the details to the owner of the server.")
	}
	return tried, err
}

// checkClaims compares what is in the token with what the server expects. A server
// that takes the token is right, whatever it looks like.
func (x *examination) checkClaims(ctx context.Context, tok *local.Token, tripErr error) {
	const id = local.CheckClaims
	switch {
	case x.waits(id, local.CheckGrant):
		return
	case tok == nil || tok.Scheme == "":
		x.ok(id, "there is no token to look into")
		return
	}
	if tripErr != nil {
		x.offer(ctx, tok)
	}
	x.b.mu.Lock()
	if a := x.b.standing(x.s); a.token != nil { // the session may have renewed it
		x.sign.access = a
	}
	x.b.mu.Unlock()
	a := x.sign.access
	if a.token == nil {
		x.ok(id, "there is no token to look into")
		return
	}
	e := x.b.expected(ctx, x.s, a)
	i := inspection(a.token, e)
	seen := claimsSeen(i.Token)
	if len(i.Findings) == 0 {
		x.ok(id, "%s", seen)
		return
	}
	problem := findingsHint(i.Findings)
	if k := a.account; k != nil && k.Kind == account.Static { // no setting and no sign-in makes another one of it
		problem.Do = fmt.Sprintf("Get one that fits where it was made, then: keyporter account rotate %s --token-file FILE", quoteArg(k.Name))
	}
	if tripErr == nil || !e.Refused && !i.Findings[0].Certain {
		x.note(id, seen, problem)
		return
	}
	x.fail(id, seen, problem)
}

// findingsHint gives words to what is certain, or else to all that may be.
func findingsHint(found []claims.Finding) *hint.Error {
	what, do := []string{}, []string{}
	for _, f := range found {
		if f.Certain == found[0].Certain {
			what, do = append(what, f.What), append(do, f.Do)
		}
	}
	with := " Or: "
	if found[0].Certain {
		with = " "
	}
	return hint.New(hint.Refused, strings.Join(what, with), strings.Join(do, with))
}

// offer shows the server the token once more, in a question of its own, to hear the
// words with which it refuses it: a bridge has renewed it, and asked for more
// scopes, before it gave up. A token that is bound to a key (RFC 9449) is left to
// bridges.
func (x *examination) offer(ctx context.Context, tok *local.Token) {
	if fresh, err := x.b.Token(ctx, local.TokenRequest{Name: x.s.Name}); err == nil {
		tok = fresh
	}
	if strings.EqualFold(tok.Scheme, "DPoP") {
		return
	}
	client, done, err := x.b.serverClient(x.s)
	if err != nil {
		return
	}
	defer done()
	gate, err := x.b.gate(ctx, x.s)
	if err != nil {
		return
	}
	ans, err := probeBy(ctx, client, x.s, func(h http.Header) {
		maps.Copy(h, gate)
		h.Set(tok.Header, tok.FieldValue())
	})
	if err == nil && (ans.status == http.StatusUnauthorized || ans.status == http.StatusForbidden) {
		x.b.noteRefused(x.s.Name, tok.Hash, ans.fields)
	}
}

// claimsSeen says what a token says about itself.
func claimsSeen(t claims.Token) string {
	switch t.Form {
	case claims.JWE:
		return "encrypted (JWE)"
	case claims.Opaque:
		return "opaque: only its issuer can read it"
	}
	var m struct {
		Issuer   string          `json:"iss"`
		Audience json.RawMessage `json:"aud"`
		Scope    string          `json:"scope"`
	}
	_ = json.Unmarshal(t.Claims, &m) // what is not there is not shown
	seen := "JWT"
	for _, part := range [][2]string{{" of ", m.Issuer}, {" for ", strings.Trim(string(m.Audience), `"`)}, {", scope ", m.Scope}} {
		if part[1] != "" {
			seen += part[0] + clip(claimedText(part[1]))
		}
	}
	return seen
}
