package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/oauth"
	"keyporter/internal/hint"
)

// askLimit is how long a server that is being added may take to say what it
// wants.
const askLimit = 3 * time.Second

// probe is a request that every MCP server of either era understands well
// enough to ask for a token, and that changes nothing (MCP 2026-07-28, server/discover).
const probe = `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{` +
	`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},` +
	`"io.modelcontextprotocol/clientInfo":{"name":"keyporter","version":"1"}}}}`

// An answer is what a server said to the probe.
type answer struct {
	status     int
	challenges []oauth.Challenge
	fields     []string // WWW-Authenticate, as sent
	mcp        bool     // it answered in JSON-RPC, or with an event stream
}

// ask asks a server that is being added what it wants. It returns what was seen,
// a sentence about it, and a warning if something is odd. Nothing here is an
// error: a server may be added before it runs.
func (b *Broker) ask(ctx context.Context, s *account.Server) (*serverMemory, string, *hint.Error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	ans, err := b.probe(ctx, s)
	if err != nil {
		return nil, "", hint.Wrap(err, hint.Unreachable, fmt.Sprintf("%s could not be asked what it wants.", hostOf(s.URL)),
			"The server was added; check its address if this computer should be able to reach it.")
	}
	switch {
	case (ans.status == http.StatusUnauthorized || ans.status == http.StatusForbidden) && s.Account != "":
		return nil, fmt.Sprintf("It wants a token, and gets those of the account %q.", s.Account), nil
	case (ans.status == http.StatusUnauthorized || ans.status == http.StatusForbidden) && len(s.SecretHeaders) > 0:
		return nil, "It lets in those who have a key, and gets the secret headers.", nil
	case ans.status == http.StatusUnauthorized, ans.status == http.StatusForbidden:
		return b.askSignIn(ctx, s, ans)
	case ans.status == http.StatusNotFound && !ans.mcp:
		return nil, "", hint.New(hint.Failed, fmt.Sprintf("%s answered that there is nothing at this path (404).", hostOf(s.URL)),
			"Check the path; servers often use /mcp.")
	case ans.status >= 300 && ans.status < 400:
		return nil, "", hint.New(hint.Failed, fmt.Sprintf("%s points to another address.", hostOf(s.URL)), "Add the server with the address that it points to.")
	case ans.status >= 500:
		return nil, "", hint.New(hint.Unreachable, fmt.Sprintf("%s has a problem at the moment (HTTP %d).", hostOf(s.URL), ans.status), "The server was added; try again later.")
	case !ans.mcp && ans.status != http.StatusBadRequest:
		return nil, "", hint.New(hint.Failed, fmt.Sprintf("%s did not answer like an MCP server.", hostOf(s.URL)), "Check the address; servers often use the path /mcp.")
	}
	if s.Account != "" {
		return nil, "It answers also without a token.", nil
	}
	// A server may answer a first message openly and want a sign-in later.
	if m := b.discoverable(ctx, s); m != nil {
		return m, "It lets everybody connect, and signs people in for some of what it does.", nil
	}
	return &serverMemory{Open: true}, "It is open: no sign-in is needed.", nil
}

// askSignIn says how a server that refused the probe lets people in.
func (b *Broker) askSignIn(ctx context.Context, s *account.Server, ans *answer) (*serverMemory, string, *hint.Error) {
	m := &serverMemory{Wants: wantedKind(s, ans.challenges)}
	b.update(func() { b.challenges[s.Name] = ans.fields })
	client, err := b.oauthClient(s)
	if err != nil {
		return m, "", hint.Of(err)
	}
	defer client.CloseIdle()
	d, err := client.Discover(ctx, s.URL, oauth.Bearer(ans.challenges), s.Issuer)
	if err == nil && !d.Guessed {
		m.Wants = account.OAuth
		return m, fmt.Sprintf("It signs people in at %s.", hostOf(d.Server.Issuer)), nil
	}
	switch {
	case m.Wants == account.GoogleKey:
		return m, "It runs on Google Cloud and wants a Google service account's ID token.", nil
	case ans.status == http.StatusForbidden:
		return &serverMemory{}, "", hint.New(hint.Refused, fmt.Sprintf("%s refuses this computer (403).", hostOf(s.URL)), "Ask its owner who may use it.")
	case m.Wants == account.Static:
		return m, "It wants a token, and does not say where to get one. If its administrator gave you one, add it as a static account.", nil
	case err != nil:
		return m, "", hint.Of(err)
	}
	return m, fmt.Sprintf("It wants a sign-in at %s, in the manner of 2025.", hostOf(d.Server.Issuer)), nil
}

// discoverable returns what an open server's metadata says, or nil.
func (b *Broker) discoverable(ctx context.Context, s *account.Server) *serverMemory {
	client, err := b.oauthClient(s)
	if err != nil {
		return nil
	}
	defer client.CloseIdle()
	if _, err := client.DiscoverResource(ctx, s.URL, nil); err != nil {
		return nil
	}
	return &serverMemory{Wants: account.OAuth, Open: true}
}

// wantedKind guesses from a refusal what kind of account a server wants: Google
// Cloud Run's own gate names no metadata.
func wantedKind(s *account.Server, challenges []oauth.Challenge) account.Kind {
	c := oauth.Bearer(challenges)
	host := hostOf(s.URL)
	switch {
	case c.ResourceMetadata() != "":
		return account.OAuth
	case strings.HasSuffix(host, ".run.app"):
		return account.GoogleKey
	case c == nil && len(challenges) > 0:
		return account.Static
	}
	return account.OAuth
}

// probe sends one request without a token to a server.
func (b *Broker) probe(ctx context.Context, s *account.Server) (*answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, strings.NewReader(probe))
	if err != nil {
		return nil, fmt.Errorf("ask server: its address is not valid")
	}
	for name, v := range s.Headers {
		req.Header.Set(name, v)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Mcp-Protocol-Version", "2026-07-28")
	req.Header.Set("Mcp-Method", "server/discover")
	client := b.httpClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask server: %w", withoutURL(err))
	}
	defer res.Body.Close()
	start := make([]byte, 512)
	n, _ := io.ReadFull(res.Body, start)
	body := strings.TrimSpace(string(start[:n]))
	return &answer{
		status:     res.StatusCode,
		challenges: oauth.ParseChallenges(res.Header),
		fields:     res.Header.Values("WWW-Authenticate"),
		mcp: strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") ||
			strings.HasPrefix(body, "{") && strings.Contains(body, `"jsonrpc"`),
	}, nil
}

// withoutURL takes the address, whose query may be secret, off a net/http error.
func withoutURL(err error) error {
	if ue := (*url.Error)(nil); errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

func challengesOf(fields []string) []oauth.Challenge {
	return oauth.ParseChallenges(http.Header{"Www-Authenticate": fields})
}

// hostOf returns the host and port of a URL, for sentences.
func hostOf(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return clip(rawURL)
	}
	return clip(u.Host)
}

// hostsOf returns the host names of URLs that the user typed.
func hostsOf(urls ...string) []string {
	var hosts []string
	for _, raw := range urls {
		if u, err := url.Parse(raw); err == nil && u.Hostname() != "" {
			hosts = append(hosts, u.Hostname())
		}
	}
	return hosts
}

// newTransport is for addresses that the user chose. Its times are bounded, and
// an answer's headers are.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  25 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConns:           8,
		IdleConnTimeout:        30 * time.Second,
		ForceAttemptHTTP2:      true,
	}
}
