package fakeas

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Browse plays the person in front of the browser: it opens an authorization URL
// and, if the server shows its page, signs in as user, or says no if user is
// empty. It follows the redirect to the waiting program and returns the text of
// the page that is shown in the end.
func Browse(ctx context.Context, authorizationURL, user string) (page string, err error) {
	transport := &http.Transport{DisableKeepAlives: true, Proxy: http.ProxyFromEnvironment}
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	return BrowseWith(ctx, client, authorizationURL, user)
}

// BrowseWith is Browse with a client that knows how to reach the server.
func BrowseWith(ctx context.Context, client *http.Client, authorizationURL, user string) (page string, err error) {
	res, body, err := fetch(ctx, client, http.MethodGet, authorizationURL, nil)
	if err != nil || !strings.Contains(body, `name="decision"`) {
		return body, err
	}
	answer := url.Values{"user": {user}, "decision": {"sign-in"}}
	if user == "" {
		answer.Set("decision", "deny")
	}
	_, body, err = fetch(ctx, client, http.MethodPost, res.Request.URL.String(), answer)
	return body, err
}

func fetch(ctx context.Context, c *http.Client, method, address string, form url.Values) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Accept", "text/html")
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, "", err
	}
	if res.StatusCode >= 400 {
		return nil, "", fmt.Errorf("the page at %s answered HTTP %d", res.Request.URL.Host+res.Request.URL.Path, res.StatusCode)
	}
	return res, string(b), nil
}
