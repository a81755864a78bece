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
// the token is due: in the background while it still lives, in the foreground
// when it has expired.
func (l *link) Credentials(ctx context.Context) (*streamable.Credentials, error) {
	v, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case !v.ready():
		return nil, v.err
	case v.wanting():
		return l.renew(ctx, "", local.TokenRequest{Name: v.state.Server})
	}
	t := v.state.Token
	if t == nil || t.RenewAt.IsZero() && t.Expiry.IsZero() {
		return v.cred, nil
	}
	now := l.now()
	switch {
	case !t.Expiry.IsZero() && !now.Before(t.Expiry):
		return l.renew(ctx, v.cred.Hash, local.TokenRequest{Name: v.state.Server})
	case !t.RenewAt.IsZero() && !now.Before(t.RenewAt):
		l.renewSoon(v)
	}
	return v.cred, nil
}

// renewSoon asks for a token without waiting for it. When that fails the agent
// is not asked again for a while; the token at hand still lives.
func (l *link) renewSoon(v *view) {
	ended, cancel := context.WithCancel(l.life)
	cancel() // the question goes on without anyone who waits
	_, _ = l.renew(ended, v.cred.Hash, local.TokenRequest{Name: v.state.Server})
}

// Renew asks for a token in place of one that the server refused. However many
// requests were refused with the same token, the agent is asked once.
func (l *link) Renew(ctx context.Context, refused *streamable.Credentials, challenge []string) (*streamable.Credentials, error) {
	v, err := l.current(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case !v.ready():
		return nil, v.err
	case v.cred.Hash != refused.Hash && !v.wanting():
		return v.cred, nil // renewed meanwhile
	}
	return l.renew(ctx, refused.Hash, local.TokenRequest{Name: v.state.Server, Refused: refused.Hash, Challenge: challenge})
}

// renew asks the agent for a token and puts it in place of the one named old.
func (l *link) renew(ctx context.Context, old string, r local.TokenRequest) (*streamable.Credentials, error) {
	key := "token " + old
	if r.Refused != "" || r.Challenge != nil {
		key = "refused " + old
	}
	got, err := l.shared(ctx, key, tokenLimit, func(ctx context.Context) (any, error) {
		if v := l.view.Load(); v.ready() && v.cred.Hash != old && !v.wanting() {
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
				l.later(old)
			}
			return nil, err
		}
		return l.take(t, old), nil
	})
	if err != nil {
		return nil, err
	}
	v := got.(*view) // and not the newest: what the agent said before may come after
	if !v.ready() {
		return nil, v.err
	}
	return v.cred, nil
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

// take puts a token in place of the one named old, unless the agent has meanwhile
// taken the permission away, or said by itself which token is next: an answer
// that comes late may hold an older one. It returns the view.
func (l *link) take(t *local.Token, old string) *view {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.view.Load()
	if !v.ready() || v.cred.Hash != old && !v.wanting() {
		return v
	}
	s := *v.state
	s.Token = t
	v = l.viewOf(&s)
	l.put(v)
	return v
}

// later moves the time of the next background question for the token named hash.
func (l *link) later(hash string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old := l.view.Load()
	if !old.ready() || old.cred.Hash != hash || old.state.Token == nil || old.state.Token.RenewAt.IsZero() {
		return
	}
	t := *old.state.Token
	if at := l.now().Add(5 * time.Second); at.After(t.RenewAt) {
		t.RenewAt = at
		s := *old.state
		s.Token = &t
		l.view.Store(&view{state: &s, cred: old.cred}) // nobody waits for this change
	}
}

// missing reports whether err says that a person has to do something first.
func missing(err error) bool { return err != nil && hint.NeedsPerson(err) }
