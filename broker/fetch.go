package broker

import (
	"cmp"
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
	// The address that the user gave may be private, those that it leads to may not.
	guarded, err := b.oauthClient(nil, address)
	if err != nil {
		return nil, err
	}
	defer guarded.CloseIdle()
	client := guarded.Follower()
	may := client.CheckRedirect
	client.CheckRedirect = func(next *http.Request, before []*http.Request) error {
		return cmp.Or(checkProfileURL(next.URL.String()), may(next, before))
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, unreadable(address, withoutURL(err))
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

// unreadable gives an error words that say where the address led, if it led
// somewhere that is not used.
func unreadable(address string, err error) error {
	what, do := fmt.Sprintf("The profile cannot be read at %s.", hostOf(address)), "Check the address and the network, then try again."
	if words := (*hint.Error)(nil); errors.As(err, &words) {
		what, do = what+" "+words.What, "Ask whoever made it for the right address, or for the profile as a file."
	}
	return hint.Wrap(err, hint.Unreachable, what, do)
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
