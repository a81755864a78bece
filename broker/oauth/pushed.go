package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
)

// Push sends an authorization request to the server beforehand and returns the
// reference that stands for it in the browser (RFC 9126 section 2). A refusal is
// an *Error, in the codes of the authorization endpoint. Its life is left out: the
// browser opens at once.
func (c *Client) Push(ctx context.Context, endpoint string, auth ClientAuth, request url.Values) (requestURI string, err error) {
	res, err := c.post(ctx, endpoint, auth, request)
	if err != nil {
		return "", fmt.Errorf("push authorization request: %w", err)
	}
	f, err := readFields(res)
	if err != nil {
		return "", fmt.Errorf("push authorization request: %w", err)
	}
	uri := f.str("request_uri")
	if uri == "" {
		return "", fmt.Errorf("push authorization request: %w", res.unusable(errors.New("the answer has no request_uri")))
	}
	return uri, nil
}
