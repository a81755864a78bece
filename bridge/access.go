package bridge

import (
	"context"
	"errors"
	"time"

	"keyporter/bridge/streamable"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// tokenLimit is how long one question for a token may take.
const tokenLimit = 30 * time.Second

// Credentials returns what the newest view holds. It asks the agent only when
// a token is due: in the background while it still lives, in the foreground when it
// has expired.
func (l *link) Credentials(ctx context.Context) (*streamable.Credentials, error) {
	v, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	if !v.ready() {
		return nil, v.err
	}
	if v, err = l.fresh(ctx, v, ""); err != nil {
		return nil, err
	}
	for i := range v.state.Further {
		if i >= len(v.state.Further) {
			break // the user took one away meanwhile
		}
		if v, err = l.fresh(ctx, v, v.state.Further[i].Header); err != nil {
			return nil, err
		}
	}
	return v.cred, nil
}

// fresh returns a view with a fresh token in a header; v, unless its own is over.
func (l *link) fresh(ctx context.Context, v *view, header string) (*view, error) {
	ask := local.TokenRequest{Name: v.state.Server, Header: header}
	if v.wants(header) {
		return l.renew(ctx, "", ask)
	}
	t := v.token(header)
	if t == nil || t.RenewAt.IsZero() && t.Expiry.IsZero() {
		return v, nil
	}
	now := l.now()
	switch {
	case !t.Expiry.IsZero() && !now.Before(t.Expiry):
		return l.renew(ctx, t.Hash, ask)
	case !t.RenewAt.IsZero() && !now.Before(t.RenewAt):
		l.renewSoon(t.Hash, ask)
	}
	return v, nil
}

// renewSoon asks for a token without waiting for it. When that fails the agent
// is not asked again for a while; the token at hand still lives.
func (l *link) renewSoon(hash string, r local.TokenRequest) {
	ended, cancel := context.WithCancel(l.life)
	cancel() // the question goes on without anyone who waits
	_, _ = l.renew(ended, hash, r)
}

// Renew asks for a token in place of one that the server refused. However many
// requests were refused with the same token, the agent is asked once.
func (l *link) Renew(ctx context.Context, refused *streamable.Credentials, header string, challenge []string) (*streamable.Credentials, error) {
	v, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	old := hashIn(refused, header)
	switch {
	case !v.ready():
		return nil, v.err
	case v.hash(header) != old && !v.wants(header):
		return v.cred, nil // renewed meanwhile
	}
	if v, err = l.renew(ctx, old, local.TokenRequest{Name: v.state.Server, Header: header, Refused: old, Challenge: l.heard(challenge)}); err != nil {
		return nil, err
	}
	return v.cred, nil
}

// heard returns what a server said, for the agent: without what it was sent, but for
// what may be a word of an address there.
func (l *link) heard(fields []string) []string {
	var said []string
	for _, f := range fields {
		said = append(said, l.sent.Remove(f))
	}
	return said
}

// hashIn returns the hash of the credentials' token in a header.
func hashIn(c *streamable.Credentials, header string) string {
	for _, k := range c.Further {
		if k.Header == header {
			return k.Hash
		}
	}
	return c.Hash
}

// renew asks the agent for a token and puts it in place of the one named old.
func (l *link) renew(ctx context.Context, old string, r local.TokenRequest) (*view, error) {
	key := "token " + r.Header + " " + old
	if r.Refused != "" || r.Challenge != nil {
		key = "refused " + r.Header + " " + old
	}
	got, err := l.shared(ctx, key, tokenLimit, func(ctx context.Context) (any, error) {
		if v := l.view.Load(); v.ready() && v.hash(r.Header) != old && !v.wants(r.Header) {
			return v, nil // somebody was faster
		}
		var t *local.Token
		err := l.ask(ctx, func(a Agent) (err error) {
			t, err = a.Token(ctx, r)
			return err
		})
		if err == nil && t == nil {
			err = errors.New("agent gave no token")
		}
		if err != nil {
			if r.Refused == "" {
				l.later(r.Header, old)
			}
			return nil, err
		}
		return l.take(t, r.Header, old), nil
	})
	if err != nil {
		return nil, err
	}
	v := got.(*view) // and not the newest: what the agent said before may come after
	if !v.ready() {
		return nil, v.err
	}
	return v, nil
}

// prover returns what signs a token's proofs: the agent, which has the key.
func (l *link) prover(server string, t *local.Token) func(ctx context.Context, method, url, nonce string) (string, error) {
	return func(ctx context.Context, method, url, nonce string) (string, error) {
		var p *local.Proof
		err := l.ask(ctx, func(a Agent) (err error) {
			p, err = a.Prove(ctx, local.ProveRequest{Server: server, Token: t.Value, Method: method, URL: url, Nonce: nonce})
			return err
		})
		if err == nil && p == nil {
			err = errors.New("agent gave no proof")
		}
		if err != nil {
			return "", err
		}
		return p.Proof, nil
	}
}

// take puts a token in place of the one named old in its header, unless the agent has meanwhile
// taken the permission away, or said by itself which token is next: an answer
// that comes late may hold an older one. It returns the view.
func (l *link) take(t *local.Token, header, old string) *view {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.view.Load()
	if !v.ready() || v.hash(header) != old && !v.wants(header) || header != "" && v.token(header) == nil {
		return v
	}
	v = l.viewOf(v.with(t, header))
	l.put(v)
	return v
}

// later moves the time of the next background question for the token named hash.
func (l *link) later(header, hash string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.view.Load()
	if !old.ready() || old.hash(header) != hash || old.token(header) == nil || old.token(header).RenewAt.IsZero() {
		return
	}
	t := *old.token(header)
	if at := l.now().Add(5 * time.Second); at.After(t.RenewAt) {
		t.RenewAt = at
		l.view.Store(&view{state: old.with(&t, header), cred: old.cred}) // nobody waits for this change
	}
}

// missing reports whether err says that a person has to do something first.
func missing(err error) bool { return err != nil && hint.NeedsPerson(err) }
