package broker

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
	"keyporter/internal/lazy"
)

// Probe asks a server that is not in the list what it wants.
func (b *Broker) Probe(ctx context.Context, r local.ProbeRequest) (*local.Probed, error) {
	out := &local.Probed{URL: strings.TrimSpace(r.URL), Accounts: []string{}}
	u, err := account.ParseURL(out.URL, r.AllowHTTP)
	if err != nil {
		out.Trouble, out.Problem, out.Try = local.TroubleAddress, hint.Of(err), secured(out.URL)
		return out, nil
	}
	cfg := b.config()
	out.Name = freeServerName(cfg, proposeName(u))
	for _, n := range cfg.ServerNames() {
		if cfg.Servers[n].URL == out.URL {
			out.Known = n
		}
	}
	limit, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	s := &account.Server{Name: out.Name, URL: out.URL, AllowHTTP: r.AllowHTTP}
	f := b.look(limit, s)
	out.Wants, out.Says, out.Trouble, out.Problem, out.Kind, out.Issuer = f.wants, f.says, f.trouble, f.problem, f.kind, f.issuer
	out.Guessed = f.guessed
	if f.issuer != "" {
		out.Provider = provider(f.issuer)
	}
	if f.kind == account.GoogleKey {
		out.Audience = account.Origin(u)
	}
	out.Try = b.betterAddress(limit, s, u, f)
	if f.open {
		h := f.answer.hello
		if h.version == "" {
			h = b.greet(limit, s)
		}
		out.Version, out.Title = h.version, h.title
	}
	out.Accounts = b.fitting(cfg, out, u)
	return out, ctx.Err()
}

// secured returns the https address that one without a scheme, or with http, was
// likely meant to be, or "".
func secured(address string) string {
	rest, insecure := strings.CutPrefix(address, "http://")
	if !insecure && strings.Contains(address, ":/") {
		return ""
	}
	u, err := account.ParseURL("https://"+rest, false)
	if err != nil || !strings.Contains(strings.Trim(u.Hostname(), "."), ".") {
		return ""
	}
	return u.String()
}

// betterAddress returns the address that a wrong one was likely meant to be:
// where the server itself points to, or /mcp if an MCP server is there.
func (b *Broker) betterAddress(ctx context.Context, s *account.Server, u *url.URL, f *finding) string {
	switch f.trouble {
	case local.TroubleMoved:
		if to, err := account.ParseURL(f.answer.location, s.AllowHTTP); err == nil {
			return to.String()
		}
	case local.TroubleNotFound, local.TroubleNotMCP:
		usual := *s
		usual.URL = account.Origin(u) + "/mcp"
		if usual.URL == s.URL {
			return ""
		}
		ans, err := b.probe(ctx, &usual)
		if err == nil && (ans.mcp || ans.status == http.StatusUnauthorized) {
			return usual.URL
		}
	}
	return ""
}

// greeting is the first message of a client of the era before server/discover
// (MCP 2025-11-25, lifecycle).
const greeting = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",` +
	`"capabilities":{},"clientInfo":{"name":"keyporter","version":"1"}}}`

// greet asks an open server of the older era who it is, and ends the session
// that it may have made for the question.
func (b *Broker) greet(ctx context.Context, s *account.Server) hello {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, strings.NewReader(greeting))
	if err != nil {
		return hello{}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	client, done, err := b.serverClient(s)
	if err != nil {
		return hello{}
	}
	defer done()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return hello{}
	}
	h := parseHello(firstMessage(res))
	res.Body.Close()
	if id := res.Header.Get("Mcp-Session-Id"); id != "" {
		if end, err := http.NewRequestWithContext(ctx, http.MethodDelete, s.URL, http.NoBody); err == nil {
			end.Header.Set("Mcp-Session-Id", id)
			end.Header.Set("Mcp-Protocol-Version", h.version)
			if res, err := client.Do(end); err == nil {
				res.Body.Close()
			}
		}
	}
	return h
}

// fitting returns the accounts that could serve a server, best first: those that
// may go to its origin already, then those that go nowhere yet or, of sign-ins,
// belong to its issuer.
func (b *Broker) fitting(cfg *account.Config, p *local.Probed, u *url.URL) []string {
	b.mu.Lock()
	v := b.vault
	b.mu.Unlock()
	origin := account.Origin(u)
	bound, free := []string{}, []string{}
	for _, n := range cfg.AccountNames() {
		a := cfg.Accounts[n]
		var rec accountRecord
		if v == nil || readRecord(v, accountKey(n), &rec) != nil || rec.agrees(a) != nil || !fits(a, p, origin) {
			continue
		}
		switch {
		case slices.ContainsFunc(rec.Targets, func(t target) bool { return t.Origin == origin }):
			bound = append(bound, n)
		case a.Kind == account.OAuth || len(rec.Targets) == 0:
			free = append(free, n)
		}
	}
	return append(bound, free...)
}

// fits reports whether an account makes what a server wants.
func fits(a *account.Account, p *local.Probed, origin string) bool {
	switch p.Wants {
	case local.WantsSignIn, local.WantsClient:
		if p.Guessed && makesIDTokenFor(a, origin) {
			return true
		}
		return a.Kind == account.OAuth && a.Issuer != "" && a.Issuer == p.Issuer
	case local.WantsIDToken:
		return makesIDTokenFor(a, origin)
	case local.WantsKey:
		return a.Kind == account.Static || a.Kind == account.ClientCredentials
	}
	return false
}

// makesIDTokenFor reports whether an account makes Google ID tokens for an origin.
func makesIDTokenFor(a *account.Account, origin string) bool {
	aud, err := url.Parse(a.Audience)
	google := a.Kind == account.GoogleKey || a.Kind == account.GoogleImpersonate || a.Kind == account.GoogleADC
	return google && !a.SelfSigned && err == nil && aud.Host != "" && account.Origin(aud) == origin
}

var (
	// cloudRun matches the first label of Cloud Run's host names: SERVICE-HASH-REGION
	// (uc, ew …) before .a.run.app, and SERVICE-PROJECT before .REGION.run.app.
	cloudRun = lazy.Regexp(`^(.+?)(-[a-z0-9]{10}-[a-z]{1,3}|-[0-9]{6,})$`)
	// ordinary are parts of host names that tell nothing about the server.
	ordinary = lazy.Regexp(`^(www|api|app|mcp|server|gateway|remote|public|prod|dev|staging)$`)
)

// proposeName makes a server's name from its address: the part of the host that
// tells most ("notion" of mcp.notion.com).
func proposeName(u *url.URL) string {
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	labels := strings.Split(host, ".")
	name := labels[0]
	switch _, err := netip.ParseAddr(host); {
	case err == nil || account.Loopback(host):
		name = "local"
		if port := u.Port(); port != "" {
			name += "-" + port
		}
	case strings.HasSuffix(host, ".run.app"):
		if m := cloudRun().FindStringSubmatch(name); m != nil {
			name = m[1]
		}
	case len(labels) > 1:
		for _, l := range labels[:len(labels)-1] {
			if name = l; !ordinary().MatchString(l) {
				break
			}
		}
	}
	if account.CheckName(name) != nil {
		return "server"
	}
	return name
}

// freeServerName returns name, with a number if it is taken.
func freeServerName(cfg *account.Config, name string) string {
	free := name
	for i := 2; cfg.Servers[free] != nil; i++ {
		free = fmt.Sprintf("%s-%d", name, i)
	}
	return free
}
