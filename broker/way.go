package broker

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/broker/vault"
	"keyporter/internal/hint"
	"keyporter/internal/network"
)

// hasWay reports whether the way to a server is one that config.json alone must
// not decide about: by a proxy or authorities of its own somebody could read what
// a token is sent in, and a client certificate is a secret.
func hasWay(s *account.Server) bool {
	return s.Proxy != "" && s.Proxy != account.DirectProxy || s.CA != "" || s.ClientCert != ""
}

// putWay keeps what the user said about the way to a server.
func (r *serverRecord) putWay(s *account.Server, given *local.ClientCert) error {
	r.Proxy, r.CA = s.Proxy, s.CA
	switch {
	case s.ClientCert == "":
		r.ClientCert, r.ClientKey = "", secret.Plain{}
		return nil
	case given != nil:
		r.ClientCert, r.ClientKey = given.Chain, given.Key
	}
	return r.agreesWay(s)
}

// agreesWay returns an error when config.json now describes another way than the
// user set.
func (r *serverRecord) agreesWay(s *account.Server) error {
	if s.Proxy != "" && s.Proxy != account.DirectProxy && s.Proxy != r.Proxy || s.CA != "" && s.CA != r.CA {
		return hint.New(hint.ApprovalNeeded, fmt.Sprintf("The proxy or the certificate authorities of %s were changed in config.json.", s.Name),
			fmt.Sprintf("If that is right, say so: keyporter set %s proxy=%s ca=%s", quoteArg(s.Name), quoteArg(s.Proxy), quoteArg(s.CA)))
	}
	if s.ClientCert == "" {
		return nil
	}
	to, err := targetOf(s.URL)
	if err != nil {
		return err
	}
	pair, err := network.Pair(r.ClientCert, r.ClientKey.Value)
	if err != nil || network.Fingerprint(pair) != s.ClientCert || !r.Target.covers(to) {
		return hint.New(hint.ApprovalNeeded, fmt.Sprintf("The client certificate of %s is not in the vault, or not for this address.", s.Name),
			fmt.Sprintf("Give it: keyporter set %s client-cert=FILE client-key=FILE", quoteArg(s.Name)))
	}
	return nil
}

// putProxyLogin keeps the login of the proxy that a server is reached by. It is
// kept for the proxy, so it goes nowhere else, and serves whatever goes that way.
func (b *Broker) putProxyLogin(tx *vault.Tx, s *account.Server, login *secret.Plain) error {
	if login == nil {
		return nil
	}
	user, _, ok := strings.Cut(login.Reveal(), ":")
	if !ok || user == "" || strings.ContainsAny(login.Reveal(), "\r\n") {
		return hint.New(hint.Usage, "The file with the proxy's login has to hold one line of the form user:password.", "Check the file.")
	}
	<-b.looked
	b.mu.Lock()
	way := network.Settings{Proxy: s.Proxy, Desktop: b.desktop}
	b.mu.Unlock()
	u, err := url.Parse(s.URL)
	if err != nil {
		return err
	}
	choose, err := way.Way()
	if err != nil {
		return err
	}
	proxy, err := choose(&http.Request{URL: u})
	if err != nil {
		return err
	}
	if proxy == nil {
		return hint.New(hint.Usage, fmt.Sprintf("No proxy is on the way to %s, as far as Keyporter knows, so there is nobody to log in to.", s.Name), "Name it: --proxy URL")
	}
	return tx.Put(proxyKey(account.ProxyAddress(proxy)), login)
}

// proxyLogins returns the logins that may be needed on the way to a server: that of
// its own proxy, or, where environment or desktop choose, all. s may be nil. b.mu is
// held, the vault is open.
func (b *Broker) proxyLogins(s *account.Server) map[string]secret.Plain {
	logins := map[string]secret.Plain{}
	for _, key := range b.vault.Keys(proxyPrefix) {
		address := strings.TrimPrefix(key, proxyPrefix)
		if s != nil && s.Proxy != "" {
			if u, err := url.Parse(s.Proxy); err != nil || account.ProxyAddress(u) != address {
				continue
			}
		}
		var login secret.Plain
		if readRecord(b.vault, key, &login) == nil {
			logins[address] = login
		}
	}
	return logins
}

// way is how the agent's own requests for a server travel. s may be nil: what
// belongs to no server.
func (b *Broker) way(s *account.Server) (network.Settings, error) {
	<-b.looked
	b.mu.Lock()
	defer b.mu.Unlock()
	way := network.Settings{Desktop: b.desktop}
	if s != nil {
		way.Proxy, way.CA = s.Proxy, s.CA
	}
	if b.vault == nil {
		return way, nil
	}
	way.Logins = b.proxyLogins(s)
	if s == nil || s.ClientCert == "" {
		return way, nil
	}
	var err error
	way.Certificate, err = b.clientCert(s)
	return way, err
}

// clientCert returns a server's client certificate with its key. b.mu is held, the
// vault is open.
func (b *Broker) clientCert(s *account.Server) (*tls.Certificate, error) {
	var rec serverRecord
	if err := readRecord(b.vault, serverKey(s.Name), &rec); err != nil {
		rec = serverRecord{} // none
	}
	if err := rec.agreesWay(s); err != nil {
		return nil, err
	}
	return network.Pair(rec.ClientCert, rec.ClientKey.Value)
}

// proxyFor chooses the proxy for requests that belong to no server.
func (b *Broker) proxyFor(r *http.Request) (*url.URL, error) {
	way, err := b.way(nil)
	if err != nil {
		return nil, err
	}
	choose, err := way.Way()
	if err != nil {
		return nil, err
	}
	return choose(r)
}

// Sign signs a bridge's handshake with the key of its server's client certificate.
func (b *Broker) Sign(ctx context.Context, r local.SignRequest) (*local.Signature, error) {
	s, err := lookupServer(b.config(), r.Server)
	if err != nil {
		return nil, err
	}
	if _, err := b.openedVault(ctx); err != nil {
		return nil, err
	}
	if err := b.permitServer(ctx, s); err != nil {
		return nil, err
	}
	b.mu.Lock()
	a := b.standing(s)
	var pair *tls.Certificate
	if a.ready() && s.ClientCert != "" {
		pair, err = b.clientCert(s)
	}
	b.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case !a.ready():
		return nil, a.problem
	case pair == nil:
		return nil, hint.New(hint.NotFound, fmt.Sprintf("The server %s has no client certificate.", s.Name), "Give it one: keyporter set "+quoteArg(s.Name)+" client-cert=FILE client-key=FILE")
	}
	signature, err := r.Signing.Sign(pair)
	if err != nil {
		return nil, err
	}
	return &local.Signature{Signature: signature}, nil
}

// desktopFresh is how long the desktop's settings are not read again.
const desktopFresh = 10 * time.Second

// lookAtDesktop reads the desktop's proxy settings in the background, unless that is
// being done or has just been done. Bridges hear of a change.
func (b *Broker) lookAtDesktop() {
	select {
	case b.looking <- struct{}{}:
	default:
		return
	}
	b.mu.Lock()
	fresh := !b.desktopAt.IsZero() && b.opt.Now().Sub(b.desktopAt).Abs() < desktopFresh
	b.mu.Unlock()
	if fresh || !b.spawn(b.readDesktop) {
		<-b.looking
	}
}

func (b *Broker) readDesktop(ctx context.Context) {
	defer func() { <-b.looking }()
	var d network.Desktop
	if b.opt.Getenv != nil {
		d = network.ReadDesktop(ctx, b.opt.Getenv)
	}
	b.mu.Lock()
	old, first := b.desktop, b.desktopAt.IsZero()
	b.desktopAt = b.opt.Now()
	b.mu.Unlock()
	if first {
		defer close(b.looked)
	}
	if d == old {
		return
	}
	if h := d.Unsupported(); h != nil {
		b.opt.Log.Warn(h.Text())
	}
	b.update(func() { b.desktop = d })
}
