package broker

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// A server with further accounts (account.Server.Layers) gets a token of each, in a
// header of its own: behind a gate that has its own idea of who may come in, such as
// Cloud Run's IAM, the server asks for its own. Each layer stands and is renewed by
// itself; the server is ready when all are.

// whole is standing of all layers: of the first one that is not ready, else of the
// server's own account. further are those beyond it. b.mu is held.
func (b *Broker) whole(s *account.Server) (a *access, further []*access) {
	for i, l := range s.Layers() {
		st := b.standing(l)
		if i == 0 {
			a = st
			continue
		}
		further = append(further, st)
		if a.ready() && !st.ready() {
			a.is(st.status, st.problem)
		}
	}
	return a, further
}

// layer returns the layer of a server whose token goes in a header; "" is the
// server's own account.
func layer(s *account.Server, header string) (*account.Server, error) {
	for i, l := range s.Layers() {
		if header == "" && i == 0 || header != "" && strings.EqualFold(l.TokenHeader, header) && i > 0 {
			return l, nil
		}
	}
	if header != "" && (strings.EqualFold(header, s.TokenHeader) || s.TokenHeader == "" && strings.EqualFold(header, "Authorization")) {
		return s, nil
	}
	return nil, hint.New(hint.NotFound, fmt.Sprintf("%s gets no token in the header %s.", s.Name, clip(header)), fmt.Sprintf("See keyporter show %s.", quoteArg(s.Name)))
}

// signedInLayer returns the layer of a server whose account is a sign-in, or the
// server. b.mu is held.
func (b *Broker) signedInLayer(s *account.Server) *account.Server {
	for _, l := range s.Layers() {
		if a := b.cfg.Accounts[l.Account]; a != nil && a.Kind == account.OAuth {
			return l
		}
	}
	return s
}

// signedInAt returns the sign-in layer of a server that the caller may use, and how
// its account stands, with the vault open.
func (b *Broker) signedInAt(ctx context.Context, server string) (*account.Server, *access, error) {
	s, err := lookupServer(b.config(), server)
	if err != nil {
		return nil, nil, err
	}
	if _, err := b.openedVault(ctx); err != nil {
		return nil, nil, err
	}
	if err := b.permitServer(ctx, s); err != nil {
		return nil, nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s = b.signedInLayer(s)
	return s, b.standing(s), nil
}

// refusalKey is the key of what a server said to a layer's token.
func refusalKey(s *account.Server) string {
	if s.Further {
		return s.Name + "\x00" + s.TokenHeader
	}
	return s.Name
}

// forgetRefusals forgets what a server said to its tokens. b.mu is held.
func (b *Broker) forgetRefusals(server string) {
	for k := range b.challenges {
		if k == server || strings.HasPrefix(k, server+"\x00") {
			delete(b.challenges, k)
		}
	}
	for k := range b.refusals {
		if k == server || strings.HasPrefix(k, server+"\x00") {
			delete(b.refusals, k)
		}
	}
}

// asksServer reports whether accounts of the kind get their tokens by asking the
// server where: what such a question itself needs cannot be one of those.
func asksServer(k account.Kind) bool {
	return k == account.OAuth || k == account.ClientCredentials || k == account.Enterprise || k == account.Workload
}

// gate returns the header fields that a request to the server's origin needs to
// reach it at all: the tokens of the other layers than s, which is one of them or
// the whole server. A program that may not use the server sends none.
func (b *Broker) gate(ctx context.Context, s *account.Server) (http.Header, error) {
	cfg, all := b.config(), s
	if s.Further {
		if all = cfg.Servers[s.Name]; all == nil {
			return nil, nil
		}
	}
	if len(all.AlsoAccounts) == 0 {
		return nil, nil
	}
	if err := b.permitServer(ctx, all); err != nil {
		return nil, err
	}
	h := http.Header{}
	for _, l := range all.Layers() {
		if l.Further == s.Further && l.TokenHeader == s.TokenHeader {
			continue
		}
		if a := cfg.Accounts[l.Account]; a == nil || asksServer(a.Kind) {
			continue
		}
		tok, err := b.serverToken(ctx, l, local.TokenRequest{Name: l.Name})
		if err != nil {
			return nil, err
		}
		w := b.wireToken(l, tok)
		h.Set(w.Header, w.FieldValue())
	}
	return h, nil
}
