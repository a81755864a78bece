package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"keyporter/broker/team"
	"keyporter/internal/hint"
)

// fetchLimit is how long reading a profile may take.
const fetchLimit = 20 * time.Second

// A fetched is a profile as it was read at an address.
type fetched struct {
	text []byte
	etag string
}

// fetchProfile reads a profile at an https address; nil means that it is still
// the one of that ETag (RFC 9110 section 13.1.2).
func (b *Broker) fetchProfile(ctx context.Context, address, etag string) (*fetched, error) {
	if err := checkProfileURL(address); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, badProfileURL(address)
	}
	req.Header.Set("Accept", "application/json")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	client := b.httpClient()
	client.CheckRedirect = func(next *http.Request, before []*http.Request) error {
		if len(before) > 5 {
			return errors.New("too many redirects")
		}
		return checkProfileURL(next.URL.String())
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, hint.Wrap(withoutURL(err), hint.Unreachable, fmt.Sprintf("The profile cannot be read at %s.", hostOf(address)), "Check the address and the network, then try again.")
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusNotModified && etag != "":
		return nil, nil
	case res.StatusCode != http.StatusOK:
		return nil, hint.New(hint.Failed, fmt.Sprintf("%s answered %d where the profile should be.", hostOf(address), res.StatusCode), "Check the address, or get the profile as a file.")
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, team.MaxSize+1))
	if err != nil {
		return nil, hint.Wrap(err, hint.Unreachable, fmt.Sprintf("The profile from %s broke off.", hostOf(address)), "Try again.")
	}
	got := &fetched{text: text}
	if e := res.Header.Get("ETag"); len(e) <= 200 {
		got.etag = e
	}
	return got, nil
}

func checkProfileURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return badProfileURL(address)
	}
	return nil
}

func badProfileURL(address string) error {
	return hint.New(hint.Usage, fmt.Sprintf("A profile cannot be read at %q.", clip(address)), "Use an address that begins with https://, without a name or password in it, or a file.")
}
