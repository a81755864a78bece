package broker

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/broker/source/authcode"
	"keyporter/internal/hint"
)

// signing is what was seen of how a server lets people in.
type signing struct {
	access    *access
	challenge *oauth.Challenge
	discovery *oauth.Discovery
}

// checkAnswer says what the server answered without a token.
func (x *examination) checkAnswer(ctx context.Context) {
	x.b.mu.Lock()
	x.sign.access = x.b.standing(x.s)
	x.b.mu.Unlock()
	r := &x.reach
	switch {
	case r.failed == local.CheckAnswer:
		x.fail(local.CheckAnswer, "", hint.Wrap(r.err, hint.Unreachable, fmt.Sprintf("%s took the connection and gave no answer.", hostOf(x.s.URL)), "Try again later, or ask the owner of the server."))
		return
	case r.failed != "":
		x.skip(local.CheckAnswer, r.failed)
		return
	}
	x.found = &finding{answer: r.answer}
	if r.answer.status == http.StatusTemporaryRedirect || r.answer.status == http.StatusPermanentRedirect {
		x.follow(ctx)
	}
	ans := x.found.answer
	x.sign.challenge = oauth.Bearer(ans.challenges)
	seen := x.answerSeen(ans)
	switch {
	case x.found.refused():
		if ans.status == http.StatusForbidden && len(ans.challenges) == 0 && x.s.Account == "" && wantedKind(x.s, ans.challenges) != account.GoogleKey {
			x.fail(local.CheckAnswer, seen, hint.New(hint.Refused, fmt.Sprintf("%s refuses this computer (403).", hostOf(x.s.URL)), "Ask its owner who may use it."))
			return
		}
	case x.found.judge(x.s).trouble != "":
		x.fail(local.CheckAnswer, seen, x.troubleWords(ctx))
		return
	}
	if r.answer != ans { // the address is not quite right, and works
		x.note(local.CheckAnswer, seen, x.movedWords(r.answer.location))
		return
	}
	x.ok(local.CheckAnswer, "%s", seen)
}

// follow asks at the place that a server points to, as bridges do: on the same
// origin (RFC 9110 sections 15.4.8 and 15.4.9).
func (x *examination) follow(ctx context.Context) {
	to, err := account.ParseURL(x.reach.answer.location, x.s.AllowHTTP)
	from, fromErr := url.Parse(x.s.URL)
	if err != nil || fromErr != nil || account.Origin(to) != account.Origin(from) {
		return
	}
	there := *x.s
	there.URL = to.String()
	if ans, err := x.b.probe(ctx, &there); err == nil {
		x.found = &finding{answer: ans}
	}
}

// answerSeen says what came, and which protocol the server speaks.
func (x *examination) answerSeen(ans *answer) string {
	seen := fmt.Sprintf("HTTP %d", ans.status)
	switch {
	case x.found.refused() && x.sign.challenge.ResourceMetadata() != "":
		seen += ", with the place of its metadata"
	case x.found.refused() && len(ans.challenges) == 0:
		seen += ", without a word on how to get in"
	}
	x.b.mu.Lock()
	defer x.b.mu.Unlock()
	m := x.b.mem.Servers[x.s.Name]
	switch {
	case ans.hello.version != "":
		seen += ", protocol " + ans.hello.version
	case m != nil && m.Era != "" && m.EraOf == x.s.URL:
		seen += fmt.Sprintf(", protocol of the %s era", m.Era)
	case x.found.refused():
		seen += "; its protocol shows after the sign-in"
	}
	return seen
}

// troubleWords are the finding's, with the address that is likely meant.
func (x *examination) troubleWords(ctx context.Context) *hint.Error {
	u, err := url.Parse(x.s.URL)
	if err != nil {
		return x.found.problem
	}
	if x.found.trouble == local.TroubleMoved {
		return x.movedWords(x.found.answer.location)
	}
	if better := x.b.betterAddress(ctx, x.s, u, x.found); better != "" {
		return hint.New(hint.Failed, x.found.problem.What, fmt.Sprintf("An MCP server answers at %s: keyporter set %s url=%s", better, quoteArg(x.s.Name), better))
	}
	return x.found.problem
}

// movedWords are for a server that points elsewhere; often only the slash at the
// end differs, and then tokens for the one address are refused at the other.
func (x *examination) movedWords(to string) *hint.Error {
	if to == "" {
		return hint.New(hint.Failed, fmt.Sprintf("%s points to a place that is no web address.", hostOf(x.s.URL)), "Ask the owner of the server for the right address.")
	}
	what := fmt.Sprintf("%s points to %s.", x.s.URL, clip(to))
	if strings.TrimSuffix(to, "/") == strings.TrimSuffix(x.s.URL, "/") {
		what = fmt.Sprintf("The server's address is %s: only the slash at the end differs, but a token for the one may be refused at the other.", clip(to))
	}
	return hint.New(hint.Failed, what, fmt.Sprintf("Use that address: keyporter set %s url=%s", quoteArg(x.s.Name), clip(to)))
}

// needless says why a server's way of signing people in does not matter, or
// nothing.
func (x *examination) needless() string {
	if a := x.sign.access.account; a != nil {
		switch a.Kind {
		case account.OAuth, account.ClientCredentials, account.Enterprise, account.Workload:
			return ""
		}
		return fmt.Sprintf("not needed for an account of the kind %s", a.Kind)
	}
	switch {
	case x.s.HasSecrets():
		return "not needed: the server has secrets of its own"
	case !x.found.refused():
		return "not needed: the server answers everybody"
	case wantedKind(x.s, x.found.answer.challenges) == account.GoogleKey, wantedKind(x.s, x.found.answer.challenges) == account.Static:
		return "none; the server wants a key"
	}
	return ""
}

// asks returns the client of a check that asks about signing in, or nothing if the
// check is answered or waits for others.
func (x *examination) asks(id local.CheckID, first ...local.CheckID) *oauth.Client {
	if x.waits(id, first...) {
		return nil
	}
	if why := x.needless(); why != "" {
		x.ok(id, "%s", why)
		return nil
	}
	client, err := x.b.oauthClient(x.s)
	if err != nil {
		x.fail(id, "", err)
		return nil
	}
	return client
}

// checkResource gets the server's metadata (RFC 9728).
func (x *examination) checkResource(ctx context.Context) {
	const id = local.CheckResource
	client := x.asks(id, local.CheckTLS, local.CheckAnswer)
	if client == nil {
		return
	}
	defer client.CloseIdle()
	m, err := client.DiscoverResource(ctx, x.s.URL, x.sign.challenge)
	var none *oauth.DiscoveryError
	switch {
	case err == nil:
		seen := fmt.Sprintf("%s, people sign in at %s", clip(m.Resource), clip(strings.Join(m.AuthorizationServers, ", ")))
		if len(m.ScopesSupported) > 0 {
			seen += ", scopes " + clip(strings.Join(m.ScopesSupported, " "))
		}
		x.ok(id, "%s", seen)
	case errors.As(err, &none) && none.Absent() && x.sign.challenge.ResourceMetadata() == "":
		x.ok(id, "none, as servers of 2025-03-26 have none")
	default:
		x.fail(id, "", err)
	}
}

// checkAuthServer gets the metadata of who signs people in, as a sign-in would.
func (x *examination) checkAuthServer(ctx context.Context) {
	const id = local.CheckAuthServer
	client := x.asks(id, local.CheckAnswer, local.CheckResource)
	if client == nil {
		return
	}
	defer client.CloseIdle()
	d, err := client.Discover(ctx, x.s.URL, x.sign.challenge, x.s.Issuer)
	if err != nil {
		x.fail(id, "", err)
		return
	}
	preset, err := oauth.FindPreset(d.Server.Issuer, x.s.Preset)
	if err != nil {
		x.fail(id, "", err)
		return
	}
	if a := x.sign.access.account; a == nil || a.Kind == account.OAuth {
		if err := authcode.CheckServer(d, preset, x.s.AssumePKCE); err != nil {
			x.fail(id, d.Server.Issuer, err)
			return
		}
	}
	x.sign.discovery = d
	if d.Guessed {
		x.note(id, d.Server.Issuer, hint.New(hint.Failed, fmt.Sprintf("%s has no metadata, so the addresses of 2025-03-26 are used.", d.Server.Issuer),
			"Nothing needs to be done if signing in works; if it does not, ask the owner of the server for the issuer."))
		return
	}
	seen := d.Server.Issuer
	if known := presetWords(preset); known != "" {
		seen += fmt.Sprintf(" (%s)", known)
	}
	x.ok(id, "%s", seen)
}

// checkRegistration says who we are at the authorization server.
func (x *examination) checkRegistration() {
	const id = local.CheckRegistration
	if x.waits(id, local.CheckAuthServer) {
		return
	}
	d, a := x.sign.discovery, x.sign.access
	switch {
	case d == nil:
		x.ok(id, "%s", x.needless())
	case a.account != nil && a.account.Kind != account.OAuth:
		x.ok(id, "client id %s, of the account", clip(a.account.ClientID))
	case a.grant != nil:
		x.ok(id, "client id %s, %s", clip(a.grant.ClientID), registered[a.grant.Registration])
	case x.s.ClientID != "":
		x.ok(id, "client id %s, %s", clip(x.s.ClientID), registered[oauth.Preregistered])
	case x.b.needsClientID(x.s, d.Server):
		x.fail(id, "", hint.New(hint.Refused, fmt.Sprintf("%s does not register programs by itself, and no client id is set.", d.Server.Issuer),
			fmt.Sprintf("Ask the administrator for the client id of a public, native client with PKCE (S256), then: keyporter set %s client-id=ID", quoteArg(x.s.Name))))
	default:
		x.ok(id, "by itself, at the sign-in")
	}
}

// registered says how a client came to its id.
var registered = map[string]string{
	oauth.Preregistered: "as the administrator gave it", oauth.MetadataDocument: "a metadata document", oauth.Dynamic: "registered by itself",
}
