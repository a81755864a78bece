package google

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// maxAnswer is how much is read of an answer, in bytes.
const maxAnswer = 256 << 10

// A wire sends requests and reads whole answers. It follows no redirects, which
// could lead a token elsewhere.
type wire struct {
	client *http.Client
	now    func() time.Time
}

func newWire(client *http.Client, now func() time.Time) wire {
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.Jar = nil
	if now == nil {
		now = time.Now
	}
	return wire{&c, now}
}

// A reply is an answer that was read.
type reply struct {
	status int
	header http.Header
	body   []byte // nil: more than maxAnswer
}

// ask sends a request. Its errors have words, and hold no address.
func (w *wire) ask(ctx context.Context, method, address string, header http.Header, body []byte) (*reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request to %s: its address is not valid", hostOf(address))
	}
	req.Header = header
	req.Header.Set("User-Agent", "keyporter")
	res, err := w.client.Do(req)
	if err != nil {
		return nil, unreachable(ctx, address, err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, unreachable(ctx, address, err)
	}
	if len(text) > maxAnswer {
		text = nil
	}
	return &reply{res.StatusCode, res.Header, text}, nil
}

// A refusal is an error answer of a token endpoint (RFC 6749 section 5.2).
type refusal struct {
	*oauth.Error
	ahead time.Duration // how far our clock is ahead of the endpoint's
}

// form sends a token request, as client if that is not nil (RFC 6749 section 2.3.1).
func (w *wire) form(ctx context.Context, endpoint string, client *url.Userinfo, form url.Values) (*answer, *refusal, error) {
	h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
	var id, password string
	if client != nil {
		id = client.Username()
		password, _ = client.Password()
		pair := url.QueryEscape(id) + ":" + url.QueryEscape(password)
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	r, err := w.ask(ctx, http.MethodPost, endpoint, h, []byte(form.Encode()))
	if err != nil {
		return nil, nil, err
	}
	var ans answer
	readable := json.Unmarshal(r.body, &ans) == nil
	if r.status != http.StatusOK || ans.Error != "" {
		sent := oauth.SentSecrets(form, id, password)
		quote := func(text string, limit int) string { return secret.Quote(text, limit, sent...) }
		e := &oauth.Error{Code: quote(string(ans.Error), 60), Description: quote(ans.Description, 200), Status: r.status}
		return nil, &refusal{e, oauth.ClockAhead(w.now(), r.header.Get("Date"))}, nil
	}
	if !readable || !visible(ans.AccessToken) || !visible(ans.IDToken) {
		return nil, nil, oddAnswer(hostOf(endpoint), "it cannot be read")
	}
	return &ans, nil, nil
}

// unreachable gives words to a network error, without the address that net/http
// puts into it.
func unreachable(ctx context.Context, address string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return hint.Wrap(err, hint.Unreachable, fmt.Sprintf("Keyporter cannot reach %s.", hostOf(address)), "Check the network connection and the proxy.")
}

// oddAnswer is for an answer of 200 that is no token.
func oddAnswer(host, why string) error {
	return hint.Wrap(errors.New("read token answer: "+why), hint.Failed,
		fmt.Sprintf("%s answered something that is not the token asked for.", host),
		"If the credentials are from Google, a proxy may be in the way.")
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return "the token endpoint"
	}
	return u.Hostname()
}

// visible reports whether s is visible ASCII, as a token in a header must be.
func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// clean makes a text from outside fit for an error; see secret.Quote.
func clean(s string, limit int) string { return secret.Quote(s, limit) }
