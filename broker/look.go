package broker

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/internal/hint"
)

// A finding is what a server was seen to want, or what is wrong with it.
type finding struct {
	answer  *answer // nil if there was none
	wants   local.Want
	kind    account.Kind // of account that it wants; empty: none
	open    bool         // it answers without a token
	guessed bool         // nothing says that issuer signs people in
	issuer  string       // who signs people in, if that is known
	says    string       // wants, a sentence
	trouble local.Trouble
	problem *hint.Error // trouble, in words
}

// refused reports whether the server turned the question down for want of a
// token.
func (f *finding) refused() bool {
	return f.answer != nil && (f.answer.status == http.StatusUnauthorized || f.answer.status == http.StatusForbidden)
}

// memory returns what is worth remembering of a server that was added.
func (f *finding) memory() *serverMemory {
	if f.answer == nil || f.trouble != "" && !f.refused() {
		return nil
	}
	return &serverMemory{Wants: f.kind, Open: f.open}
}

func (f *finding) want(w local.Want, kind account.Kind, says string) *finding {
	f.wants, f.kind, f.says = w, kind, says
	return f
}

func (f *finding) wrong(t local.Trouble, problem *hint.Error) *finding {
	f.trouble, f.problem = t, problem
	return f
}

// look asks a server what it wants.
func (b *Broker) look(ctx context.Context, s *account.Server) *finding {
	f, host := &finding{}, hostOf(s.URL)
	ans, err := b.probe(ctx, s)
	if err != nil {
		return f.wrong(local.TroubleUnreachable, hint.Wrap(err, hint.Unreachable, fmt.Sprintf("%s could not be asked what it wants.", host),
			"Check its address if this computer should be able to reach it."))
	}
	f.answer = ans
	if f.refused() {
		return b.lookAtSignIn(ctx, s, f)
	}
	if f.judge(s); f.trouble != "" {
		return f
	}
	f.open = true
	// A server may answer a first message openly and want a sign-in later.
	if s.Account == "" && b.discoverable(ctx, s) {
		return f.want(local.WantsSignIn, account.OAuth, "It lets everybody connect, and signs people in for some of what it does.")
	}
	return f.want(local.WantsNothing, "", "It is open: no sign-in is needed.")
}

// judge says what is wrong with an answer that is no refusal.
func (f *finding) judge(s *account.Server) *finding {
	ans, host := f.answer, hostOf(s.URL)
	switch {
	case ans.status == http.StatusNotFound && !ans.mcp:
		return f.wrong(local.TroubleNotFound, hint.New(hint.Failed, fmt.Sprintf("%s answered that there is nothing at this path (404).", host),
			"Check the path; servers often use /mcp."))
	case ans.status >= 300 && ans.status < 400:
		return f.wrong(local.TroubleMoved, hint.New(hint.Failed, fmt.Sprintf("%s points to another address.", host), "Add the server with the address that it points to."))
	case ans.status >= 500:
		return f.wrong(local.TroubleServer, hint.New(hint.Unreachable, fmt.Sprintf("%s has a problem at the moment (HTTP %d).", host, ans.status), "Try again later."))
	case !ans.mcp && ans.status != http.StatusBadRequest:
		return f.wrong(local.TroubleNotMCP, hint.New(hint.Failed, fmt.Sprintf("%s did not answer like an MCP server.", host), "Check the address; servers often use the path /mcp."))
	}
	return f
}

// lookAtSignIn finds out how a server that refused the question lets people in.
func (b *Broker) lookAtSignIn(ctx context.Context, s *account.Server, f *finding) *finding {
	f.kind = wantedKind(s, f.answer.challenges)
	client, err := b.oauthClient(s)
	if err != nil {
		return f.wrong(local.TroubleSignIn, hint.Of(err))
	}
	defer client.CloseIdle()
	d, err := client.Discover(ctx, s.URL, oauth.Bearer(f.answer.challenges), s.Issuer)
	if err == nil {
		f.issuer = d.Server.Issuer
	}
	switch {
	case err == nil && !d.Guessed:
		if b.needsClientID(s, d.Server) {
			return f.want(local.WantsClient, account.OAuth,
				fmt.Sprintf("It signs people in %s, which wants a client id from your administrator.", at(f.issuer)))
		}
		return f.want(local.WantsSignIn, account.OAuth, fmt.Sprintf("It signs people in %s.", at(f.issuer)))
	case f.kind == account.GoogleKey:
		return f.want(local.WantsIDToken, account.GoogleKey, "It runs on Google Cloud and wants a Google service account's ID token.")
	case f.answer.status == http.StatusForbidden:
		f.kind = ""
		return f.wrong(local.TroubleRefused, hint.New(hint.Refused, fmt.Sprintf("%s refuses this computer (403).", hostOf(s.URL)), "Ask its owner who may use it."))
	case f.kind == account.Static:
		return f.want(local.WantsKey, account.Static, "It wants a token, and does not say where to get one. If its administrator gave you one, add it as a static account.")
	case err != nil:
		return f.wrong(local.TroubleSignIn, hint.Of(err))
	}
	f.guessed = true
	return f.want(local.WantsSignIn, account.OAuth, fmt.Sprintf("It wants a sign-in %s, in the manner of 2025.", at(f.issuer)))
}

// needsClientID reports whether an authorization server registers no clients by
// itself (RFC 7591), takes no client metadata document that there is, and no
// client of ours is known to it.
func (b *Broker) needsClientID(s *account.Server, as *oauth.AuthorizationServerMetadata) bool {
	preset, err := oauth.FindPreset(as.Issuer, s.Preset)
	registers := as.RegistrationEndpoint != "" && (err != nil || !preset.NoRegistration)
	document := s.ClientMetadataURL != "" || b.settings().ClientMetadataURL != ""
	if s.ClientID != "" || registers || document && as.ClientIDMetadataDocumentSupported {
		return false
	}
	b.mu.Lock()
	v := b.vault
	b.mu.Unlock()
	if v == nil {
		return true
	}
	_, registered := v.Get(registrationKey(as.Issuer))
	return !registered
}

// discoverable reports whether an open server has metadata on how to sign in.
func (b *Broker) discoverable(ctx context.Context, s *account.Server) bool {
	client, err := b.oauthClient(s)
	if err != nil {
		return false
	}
	defer client.CloseIdle()
	_, err = client.DiscoverResource(ctx, s.URL, nil)
	return err == nil
}

// at says where an issuer signs people in: "with Google", "at auth.example.com".
func at(issuer string) string {
	if name := provider(issuer); name != hostOf(issuer) {
		return "with " + name
	}
	return "at " + hostOf(issuer)
}

// provider names an issuer as people say it; one that is not known by its host.
func provider(issuer string) string {
	host := hostOf(issuer)
	for suffix, name := range map[string]string{
		"accounts.google.com": "Google", "login.microsoftonline.com": "Microsoft", "login.live.com": "Microsoft",
		"github.com": "GitHub", "gitlab.com": "GitLab", "appleid.apple.com": "Apple",
		".okta.com": "Okta", ".oktapreview.com": "Okta", ".auth0.com": "Auth0",
	} {
		if host == suffix || suffix[0] == '.' && strings.HasSuffix(host, suffix) {
			return name
		}
	}
	return host
}

// helloSize bounds what is read of an answer to the probe.
const helloSize = 1 << 20

// A hello is what an open server says about itself.
type hello struct {
	version string // the newest protocol version it speaks
	title   string // what it calls itself
}

// parseHello reads the result of initialize or server/discover.
func parseHello(text []byte) hello {
	type info struct{ Name, Title string }
	var m struct {
		Result struct {
			ProtocolVersion   string
			SupportedVersions []string
			ServerInfo        info
			Meta              struct {
				ServerInfo info `json:"io.modelcontextprotocol/serverInfo"`
			} `json:"_meta"`
		}
	}
	if json.Unmarshal(text, &m) != nil {
		return hello{}
	}
	r := &m.Result
	h := hello{version: r.ProtocolVersion}
	for _, v := range r.SupportedVersions { // dates, so the newest is the greatest
		h.version = max(h.version, v)
	}
	for _, name := range []string{r.ServerInfo.Title, r.ServerInfo.Name, r.Meta.ServerInfo.Title, r.Meta.ServerInfo.Name} {
		if h.title == "" {
			h.title = claimed(name)
		}
	}
	if claimed(h.version) != h.version || len(h.version) > 20 {
		h.version = ""
	}
	return h
}

// claimed takes control characters off a text that a server claims, and cuts it to
// 40 characters.
func claimed(s string) string {
	s = claimedText(s)
	if r := []rune(s); len(r) > 40 {
		return string(r[:39]) + "…"
	}
	return s
}

// claimedText takes control characters off a text that comes from outside.
func claimedText(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Cf) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s))
}

// firstMessage returns the first message of an answer: its body, or the first
// event with data of an event stream, which may stay open.
func firstMessage(res *http.Response) []byte {
	body := io.LimitReader(res.Body, helloSize)
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		b, _ := io.ReadAll(body) // what came before it broke off may be enough
		return b
	}
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, helloSize)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data:"); ok && strings.TrimSpace(data) != "" {
			return []byte(data)
		}
	}
	return nil
}

// lowerFirst writes a sentence so that it can stand after another's semicolon.
func lowerFirst(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	return string(unicode.ToLower(r)) + s[n:]
}

// location returns where a redirect leads, if it is to a place on the web.
func location(res *http.Response) string {
	if u, err := res.Location(); err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.User == nil {
		u.Fragment = ""
		return u.String()
	}
	return ""
}
