package broker

import (
	"context"
	"fmt"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
	"keyporter/internal/network"
)

// firstToken is how long a bridge's first state waits for a token that has to
// be made; after that the bridge hears that it is not there yet.
const firstToken = 8 * time.Second

// A joined bridge is one that runs.
type joined struct {
	server, program string

	pid   int             // of its process; 0: the caller is none
	noted map[string]bool // accounts whose token it got, or was refused; b.mu guards it
}

// Bridge joins a bridge to its server.
func (b *Broker) Bridge(ctx context.Context, r local.BridgeRequest, show func(*local.BridgeState) error) error {
	s, err := lookupServer(b.config(), r.Server)
	if err != nil {
		return err
	}
	name := s.Name
	j := &joined{server: name, program: b.programOf(ctx), pid: peerOf(ctx), noted: map[string]bool{}}
	b.update(func() { b.bridges[name]++; b.joined[j] = true })
	defer b.update(func() {
		delete(b.joined, j)
		if b.bridges[name]--; b.bridges[name] == 0 {
			delete(b.bridges, name)
		}
	})
	b.lookAtDesktop()
	asks := b.whoAsks(ctx)
	b.prepare(ctx, s, asks)
	var last bridgeKey
	for first := true; ; first = false {
		news := b.news()
		st, err := b.bridgeState(name)
		if err != nil {
			return err
		}
		st = b.guard(st, asks)
		b.noteBridge(j, st)
		if key := keyOf(st); first || key != last {
			if err := show(st); err != nil {
				return err
			}
			last = key
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}

// prepare opens the vault and gets a token before a bridge's first state, so
// that its first request can carry one. What fails is part of the state.
func (b *Broker) prepare(ctx context.Context, s *account.Server, asks func() requester) {
	ctx, cancel := context.WithTimeout(ctx, firstToken)
	defer cancel()
	if s.Account == "" && !s.HasSecrets() && !hasWay(s) {
		return
	}
	if _, err := b.openedVault(ctx); err != nil || !b.lets(asks(), s) {
		return
	}
	for _, l := range s.Layers() {
		if l.Account == "" {
			continue
		}
		if _, err := b.serverToken(ctx, l, local.TokenRequest{Name: l.Name}); err != nil {
			b.opt.Log.Debug("no token for a new bridge", "server", s.Name, "account", l.Account, "err", err)
		}
	}
}

// bridgeState is what a bridge of that server needs now.
func (b *Broker) bridgeState(name string) (*local.BridgeState, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.cfg.Servers[name]
	if s == nil {
		return nil, hint.New(hint.NotFound, fmt.Sprintf("The server %q was removed or renamed.", name), "Take it out of the MCP client's configuration, or put in its new name.")
	}
	a, further := b.whole(s)
	if !a.ready() && b.underWay(b.attemptName(name)) != nil && !a.halted() {
		a.is(local.SigningIn, signingIn(name))
	}
	st := &local.BridgeState{
		Server: s.Name, URL: s.URL, Headers: s.Headers, SignIn: s.SignIn,
		Status: a.status, Problem: a.problem, Era: s.Era, Transport: s.Transport, Tools: s.ToolPolicy,
		Proxy: s.Proxy, CA: s.CA, Desktop: b.desktop,
	}
	if m := b.mem.Servers[name]; (s.Era == "" || s.Era == account.EraAuto) && m != nil && m.EraOf == s.URL {
		st.Era = m.Era
	}
	if st.SignIn == "" {
		st.SignIn = account.SignInNotify
	}
	if !a.ready() {
		return st, nil
	}
	if b.vault != nil {
		st.ProxyLogins = b.proxyLogins(s)
	}
	if s.ClientCert != "" {
		var rec serverRecord
		if err := readRecord(b.vault, serverKey(s.Name), &rec); err != nil {
			return nil, err
		}
		st.ClientCert = rec.ClientCert
	}
	if s.HasSecrets() && b.vault != nil {
		var rec serverRecord
		if err := readRecord(b.vault, serverKey(s.Name), &rec); err != nil {
			return nil, err
		}
		st.SecretHeaders = map[string]secret.Plain{}
		for _, h := range s.SecretHeaders {
			st.SecretHeaders[h] = rec.SecretHeaders[h]
		}
		st.SecretQuery = map[string]secret.Plain{}
		for _, name := range s.SecretQuery {
			st.SecretQuery[name] = rec.SecretQuery[name]
		}
	}
	st.NeedsToken = a.account != nil
	if a.token != nil {
		st.Token = b.wireToken(s, a.token)
		st.Token.Who = a.who()
	}
	for i, l := range s.Layers()[1:] {
		t := local.Token{Header: l.TokenHeader}
		if tok := further[i].token; tok != nil {
			t = *b.wireToken(l, tok)
		}
		t.Who = further[i].who()
		st.Further = append(st.Further, t)
	}
	return st, nil
}

// A bridgeKey tells two states of a bridge apart, secrets by their hash.
type bridgeKey struct {
	url, headers, secrets, token, problem, tools, proxy, ca, cert string

	status    local.Status
	signIn    account.SignIn
	era       account.Era
	transport account.Transport
	desktop   network.Desktop
}

func keyOf(st *local.BridgeState) bridgeKey {
	k := bridgeKey{url: st.URL, headers: fmt.Sprint(st.Headers), status: st.Status, signIn: st.SignIn,
		era: st.Era, transport: st.Transport, desktop: st.Desktop, proxy: st.Proxy, ca: st.CA, cert: st.ClientCert, tools: fmt.Sprintf("%q %q %t", st.Tools.AllowTools, st.Tools.DenyTools, st.Tools.ReadOnly)}
	hashes := map[string]string{}
	for h, v := range st.SecretHeaders {
		hashes[h] = v.Hash()
	}
	for name, v := range st.SecretQuery {
		hashes["?"+name] = v.Hash()
	}
	for proxy, v := range st.ProxyLogins {
		hashes[proxy] = v.Hash()
	}
	k.secrets = fmt.Sprint(hashes) // fmt sorts a map's keys
	if st.Token != nil {
		k.token = st.Token.Hash
	}
	for _, t := range st.Further {
		k.token += " " + t.Header + " " + t.Hash
	}
	if st.Problem != nil {
		k.problem = st.Problem.Text()
	}
	return k
}

// RequestSignIn is the sign_in tool. A model may call it, so it is no proof of a
// person: it opens a browser at most once in ten minutes for each server, and
// only for an issuer at which the user has signed in before. Otherwise a notice
// asks the user to click.
func (b *Broker) RequestSignIn(ctx context.Context, r local.AwaitRequest) (*local.RequestedSignIn, error) {
	s, err := lookupServer(b.config(), r.Server)
	if err != nil {
		return nil, err
	}
	if err := b.awaitApproval(ctx, s, r.Wait); err != nil {
		return nil, err
	}
	if err := b.missing(s.Name); err == nil {
		return &local.RequestedSignIn{Ready: true, Message: fmt.Sprintf("Signed in. The tools of %s are there now.", s.Name)}, nil
	} else if !needsSignIn(err) || s.SignIn == account.SignInNever {
		return nil, err
	}
	if !b.mayBegin(s.Name, tool) || b.startSignIn(s, tool) != nil {
		b.raiseNotice(s.Name, b.programOf(ctx))
	}
	switch err := b.await(ctx, s.Name, r.Wait); {
	case err == nil:
		return &local.RequestedSignIn{Ready: true, Message: fmt.Sprintf("Signed in. The tools of %s are there now.", s.Name)}, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !needsSignIn(err):
		return nil, err
	}
	where := fmt.Sprintf("in the Keyporter notification or tray, or with the command: keyporter login %s", quoteArg(s.Name))
	return &local.RequestedSignIn{Message: fmt.Sprintf("%s still waits for its user to sign in %s. Ask the user to do it, then try again.", s.Name, where)}, nil
}

// Pause takes all tokens away from all bridges until Resume.
func (b *Broker) Pause(ctx context.Context) error  { return b.setPaused(ctx, true, "pause") }
func (b *Broker) Resume(ctx context.Context) error { return b.setPaused(ctx, false, "resume") }

func (b *Broker) setPaused(ctx context.Context, paused bool, event string) error {
	b.update(func() { b.mem.Paused = paused })
	b.recordBy(ctx, local.AuditRecord{Event: event, Outcome: "ok"})
	err := b.saveMemory()
	if err == nil {
		return nil
	}
	h := hint.Of(err)
	what := "Keyporter is paused, but only until it is started anew: "
	if !paused {
		what = "Keyporter goes on, but will be paused again when it is started anew: "
	}
	return hint.Wrap(err, h.Code, what+h.What, h.Do)
}

// leaving is how long bridges have to hand over what they hold when the user
// stops Keyporter.
const leaving = 2 * time.Second

// finishing is how long the opening of the vault, or its making, may take to end
// when the user stops Keyporter. What scrypt has begun nothing takes back, and a
// busy computer needs more than the five seconds of a goodbye for it.
const finishing = time.Minute

// Stop ends the agent, and keeps bridges from starting it again. It takes their
// tokens away first, and waits for them to leave, and for the vault if it is being
// opened. The caller's connection ends with it.
func (b *Broker) Stop(context.Context) error {
	if err := local.MarkStopped(b.opt.Paths, true); err != nil {
		b.opt.Log.Warn("stop mark not written", "err", err) // it ends all the same
	}
	b.update(func() { b.stopping = true })
	b.awaitLeft()
	b.awaitOpening()
	b.stopOnce.Do(func() { close(b.stopped) })
	return nil
}

// awaitLeft waits until no bridge is connected, at most for leaving.
func (b *Broker) awaitLeft() {
	timer := time.NewTimer(leaving)
	defer timer.Stop()
	for {
		news := b.news()
		b.mu.Lock()
		left := len(b.bridges) == 0
		b.mu.Unlock()
		if left {
			return
		}
		select {
		case <-news:
		case <-timer.C:
			return
		case <-b.stopped: // by another caller
			return
		}
	}
}

// awaitOpening gives up an opening of the vault that is under way, and waits for its
// end.
func (b *Broker) awaitOpening() {
	b.mu.Lock()
	o := b.opening
	b.mu.Unlock()
	if o == nil {
		return
	}
	o.giveUp()
	timer := time.NewTimer(finishing)
	defer timer.Stop()
	select {
	case <-o.done:
	case <-timer.C:
	case <-b.stopped: // by another caller
	}
}

// record adds one record of the agent's own doing.
func (b *Broker) record(r local.AuditRecord) {
	if r.Time.IsZero() {
		r.Time = b.opt.Now()
	}
	if err := b.audit.Append(r); err != nil {
		b.opt.Log.Warn("audit record lost", "err", err)
	}
}

// Log shows the audit log.
func (b *Broker) Log(ctx context.Context, r local.LogRequest, show func(*local.AuditRecord) error) error {
	return b.audit.Read(ctx, r.Follow, func(rec *local.AuditRecord) error {
		if rec.Time.Before(r.Since) {
			return nil
		}
		return show(rec)
	})
}
