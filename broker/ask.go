package broker

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/oauth"
	"keyporter/internal/hint"
	"keyporter/internal/network"
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
	fields     []string             // WWW-Authenticate, as sent
	mcp        bool                 // it answered in JSON-RPC, or with an event stream
	location   string               // of a redirect
	hello      hello                // of an open server
	date       time.Time            // of the server's clock; zero: it does not say
	tls        *tls.ConnectionState // nil: plain http
}

// ask asks a server that is being added what it wants. It returns what was seen,
// a sentence about it, and a warning if something is odd. Nothing here is an
// error: a server may be added before it runs.
func (b *Broker) ask(ctx context.Context, s *account.Server) (*serverMemory, string, *hint.Error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	f := b.look(ctx, s)
	if f.refused() {
		switch {
		case s.Account != "":
			return nil, fmt.Sprintf("It wants a token, and gets those of the account %q.", s.Account), nil
		case s.HasSecrets():
			return nil, "It lets in those who have a key, and gets the secret headers.", nil
		}
		b.update(func() { b.challenges[s.Name] = f.answer.fields })
	}
	if f.trouble == local.TroubleUnreachable || f.trouble == local.TroubleServer {
		f.problem.Do = "The server was added; " + lowerFirst(f.problem.Do)
	}
	if f.trouble == "" && f.open && s.Account != "" {
		return nil, "It answers also without a token.", nil
	}
	return f.memory(), f.says, f.problem
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

// serverClient sends requests to a server, on the way that its record says; done
// closes its connections.
func (b *Broker) serverClient(s *account.Server) (client *http.Client, done func(), err error) {
	if b.opt.HTTP != nil || !hasWay(s) && s.Proxy == "" {
		return b.httpClient(), func() {}, nil
	}
	way, err := b.way(s)
	if err != nil {
		return nil, nil, err
	}
	t := b.transport.Clone()
	if err := way.Apply(t); err != nil {
		return nil, nil, err
	}
	return &http.Client{Transport: t, Timeout: requestLimit}, t.CloseIdleConnections, nil
}

// probe sends one request without a token to a server.
func (b *Broker) probe(ctx context.Context, s *account.Server) (*answer, error) {
	client, done, err := b.serverClient(s)
	if err != nil {
		return nil, err
	}
	defer done()
	gate, err := b.gate(ctx, s)
	if err != nil {
		return nil, err
	}
	return probeBy(ctx, client, s, func(h http.Header) { maps.Copy(h, gate) })
}

// probeBy is probe with a client of the caller's; more sets further header fields.
func probeBy(ctx context.Context, client *http.Client, s *account.Server, more ...func(http.Header)) (*answer, error) {
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
	for _, set := range more {
		set(req.Header)
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask server: %w", withoutURL(err))
	}
	defer res.Body.Close()
	text := firstMessage(res)
	date, _ := http.ParseTime(res.Header.Get("Date")) // zero if it is not one
	return &answer{
		date: date, tls: res.TLS,
		status:     res.StatusCode,
		challenges: oauth.ParseChallenges(res.Header),
		fields:     res.Header.Values("WWW-Authenticate"),
		mcp:        speaksMCP(text) || text == nil && strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream"),
		location:   location(res),
		hello:      parseHello(text),
	}, nil
}

// speaksMCP reports whether the first message of an answer to the probe is what
// an MCP server sends: the answer to the probe's id, an error that it could tie to
// no request, or, on a stream, a message of its own before the answer.
func speaksMCP(text []byte) bool {
	var m struct {
		JSONRPC       string
		ID            json.RawMessage
		Method        string
		Result, Error json.RawMessage
	}
	if json.Unmarshal(text, &m) != nil || m.JSONRPC != "2.0" {
		return false
	}
	switch id := string(m.ID); {
	case m.Method != "":
		return true
	case m.Error != nil:
		return id == "1" || id == "" || id == "null"
	default:
		return m.Result != nil && id == "1"
	}
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

// dialer is the agent's, for addresses that the user chose.
var dialer = net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}

// newTransport is for addresses that the user chose. Its times are bounded, and
// an answer's headers are.
func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:            network.Dial(&dialer),
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  25 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		MaxIdleConns:           8,
		IdleConnTimeout:        30 * time.Second,
		ForceAttemptHTTP2:      true,
	}
}
