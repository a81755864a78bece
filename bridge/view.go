package bridge

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"keyporter/bridge/streamable"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// A view is what the bridge knows about its server at one moment. It does not
// change; a newer one takes its place.
type view struct {
	state *local.BridgeState // nil before the agent has said anything
	cred  *streamable.Credentials
	err   *hint.Error // why requests cannot go out; nil if they can
}

// ready reports whether requests can go out.
func (v *view) ready() bool { return v.err == nil }

// wanting reports whether v is ready but for a token, which is being renewed or
// is over: the agent has to be asked for one.
func (v *view) wanting() bool {
	if v.wants("") {
		return true
	}
	return v.ready() && slices.ContainsFunc(v.state.Further, func(t local.Token) bool { return t.Hash == "" })
}

// wants is wanting for the token in one header; "" is the main one.
func (v *view) wants(header string) bool {
	if header == "" {
		return v.ready() && v.state.NeedsToken && v.state.Token == nil
	}
	t := v.token(header)
	return v.ready() && t != nil && t.Hash == ""
}

// token returns the token in a header, or nil.
func (v *view) token(header string) *local.Token {
	if header == "" {
		return v.state.Token
	}
	for i := range v.state.Further {
		if v.state.Further[i].Header == header {
			return &v.state.Further[i]
		}
	}
	return nil
}

// hash returns the hash of the token in a header.
func (v *view) hash(header string) string { return hashIn(v.cred, header) }

// with returns the state of v with another token in a header.
func (v *view) with(t *local.Token, header string) *local.BridgeState {
	s, with := *v.state, *t
	if old := v.token(header); old != nil && with.Who == "" {
		with.Who = old.Who
	}
	if header == "" {
		s.Token = &with
		return &s
	}
	s.Further = slices.Clone(s.Further)
	for i := range s.Further {
		if s.Further[i].Header == header {
			with.Header = header
			s.Further[i] = with
		}
	}
	return &s
}

// authorization returns the header of the token that the server's own refusals are
// about, as token takes it: Authorization, whichever account that is.
func (v *view) authorization() string {
	if t := v.token("Authorization"); t != nil {
		return t.Header
	}
	return ""
}

// outdated reports whether w is ready in a way that v was not: at all, or with
// another token.
func (v *view) outdated(w *view) bool {
	return w.ready() && (!v.ready() || !sameTokens(w.cred, v.cred) && !w.wanting() || w.state.Status == local.Ready && v.state.Status != local.Ready)
}

func sameTokens(a, b *streamable.Credentials) bool {
	return a.Hash == b.Hash && slices.Equal(a.Further, b.Further)
}

// viewOf makes a view of what the agent said.
func (l *link) viewOf(s *local.BridgeState) *view {
	l.note(s)
	v := &view{state: s}
	u, err := url.Parse(s.URL)
	switch {
	case s.Status != local.Ready && s.Status != local.Unknown:
		v.err = s.Problem
		if v.err == nil {
			v.err = words(s.Status, s.Server)
		}
		return v
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		v.err = hint.New(hint.Failed, "The address of "+s.Server+" cannot be used.", "Look at it in Keyporter.")
		return v
	}
	h := make(http.Header, len(s.Headers)+len(s.SecretHeaders)+1)
	for k, val := range s.Headers {
		h.Set(k, val)
	}
	for k, val := range s.SecretHeaders {
		h.Set(k, val.Reveal())
	}
	for k, val := range s.SecretQuery {
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += url.QueryEscape(k) + "=" + url.QueryEscape(val.Reveal())
	}
	v.cred = &streamable.Credentials{URL: u, Header: h, In: "Authorization", Bound: len(s.SecretHeaders)+len(s.SecretQuery) > 0}
	if t := s.Token; t != nil {
		name := t.Header
		if name == "" {
			name = "Authorization"
		}
		h.Set(name, t.FieldValue())
		v.cred.Hash, v.cred.In, v.cred.Bound = t.Hash, name, true
		if strings.EqualFold(t.Scheme, "DPoP") {
			v.cred.Prove = l.prover(s.Server, t)
		}
	}
	for i := range s.Further {
		t := &s.Further[i]
		v.cred.Further = append(v.cred.Further, streamable.Key{Header: t.Header, Hash: t.Hash})
		if v.cred.Bound = true; t.Hash == "" {
			continue
		}
		h.Set(t.Header, t.FieldValue())
		if strings.EqualFold(t.Scheme, "DPoP") {
			v.cred.Prove = l.prover(s.Server, t)
		}
	}
	return v
}

// words says what is missing when the agent has not.
func words(s local.Status, server string) *hint.Error {
	switch s {
	case local.SignInNeeded, local.SigningIn:
		return hint.New(hint.SignInNeeded, "Nobody is signed in to "+server+".", "Sign in with Keyporter: click its icon, or run keyporter login "+server+".")
	case local.ApprovalNeeded:
		return hint.New(hint.ApprovalNeeded, server+" waits for your approval.", "Open Keyporter and approve it.")
	case local.Locked:
		return hint.New(hint.Locked, "Keyporter's vault is locked.", "Open Keyporter and unlock it.")
	case local.Stopping:
		return hint.New(hint.Stopped, "Keyporter is stopped.", "Start it with keyporter start.")
	case local.Paused:
		return hint.New(hint.Paused, "Keyporter is paused.", "Resume it from its icon, or run keyporter resume.")
	}
	return hint.New(hint.Failed, "No token could be made for "+server+".", "Run keyporter doctor "+server+".")
}

// note remembers the secrets that the server will be sent, and may send back, while
// the bridge may have them.
func (l *link) note(s *local.BridgeState) {
	if s.Status == local.Paused {
		l.sent.Forget()
	}
	if s.Token != nil {
		l.sent.Add(s.Token.Value.Value)
	}
	for _, t := range s.Further {
		l.sent.Add(t.Value.Value)
	}
	for _, secrets := range []map[string]secret.Plain{s.SecretHeaders, s.SecretQuery, s.ProxyLogins} {
		for _, v := range secrets {
			l.sent.Add(v.Value)
		}
	}
}
