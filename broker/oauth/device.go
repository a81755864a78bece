package oauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// DeviceCodeGrant is the grant type of RFC 8628 section 3.4.
const DeviceCodeGrant = "urn:ietf:params:oauth:grant-type:device_code"

const (
	pollInterval = 5 * time.Second  // RFC 8628 section 3.2, if the server names none
	slowDown     = 5 * time.Second  // section 3.5, added for good
	pollLimit    = 30 * time.Second // longest interval that a server may name
	deviceLife   = 15 * time.Minute // for servers that leave expires_in out, though they must not
)

// A DeviceAuthorization is RFC 8628 section 3.2: what the person types and where.
type DeviceAuthorization struct {
	DeviceCode              secret.Value
	UserCode                string // cleaned
	VerificationURI         string // safe to open; short enough to type
	VerificationURIComplete string // with the code in it; empty if not offered
	Expiry                  time.Time
	Interval                time.Duration
}

// AuthorizeDevice asks the device authorization endpoint for a code. form has
// everything but the client's authentication: scope, resource.
func (c *Client) AuthorizeDevice(ctx context.Context, endpoint string, auth ClientAuth, form url.Values) (*DeviceAuthorization, error) {
	res, err := c.post(ctx, endpoint, auth, form)
	if err != nil {
		return nil, fmt.Errorf("request device code: %w", err)
	}
	f, err := readFields(res)
	if err != nil {
		return nil, fmt.Errorf("request device code: %w", err)
	}
	d := &DeviceAuthorization{
		DeviceCode: secret.New(f.str("device_code")), UserCode: clean(f.str("user_code"), 60),
		VerificationURI: f.str("verification_uri"), VerificationURIComplete: f.str("verification_uri_complete"),
		Interval: pollInterval, Expiry: c.now().Add(deviceLife),
	}
	if d.VerificationURI == "" {
		d.VerificationURI = f.str("verification_url") // Google
	}
	if d.DeviceCode.IsZero() || d.UserCode == "" {
		return nil, fmt.Errorf("request device code: %w", res.unusable(errors.New("the answer has no code")))
	}
	if err := c.checkPage(d.VerificationURI); err != nil {
		return nil, fmt.Errorf("request device code: %w", err)
	}
	if c.checkPage(d.VerificationURIComplete) != nil {
		d.VerificationURIComplete = ""
	}
	if i, ok := f.seconds("interval"); ok {
		d.Interval = min(max(i, time.Second), pollLimit)
	}
	if life, ok := f.seconds("expires_in"); ok {
		d.Expiry = c.now().Add(life)
	}
	return d, nil
}

// checkPage refuses a page that is not safe to open, and one by which a server
// elsewhere would send the browser into this computer or its network.
func (c *Client) checkPage(rawURL string) error {
	if err := CheckBrowserURL(rawURL); err != nil {
		return err
	}
	return c.CheckEndpoint(rawURL)
}

// PollDevice waits until the person has agreed, and returns the tokens. form has
// further parameters, such as resource; it may be nil. It ends with an *Error when
// the person said no (AccessDenied) or was too slow (ExpiredToken), or when ctx
// ends. Network errors and 5xx only make it slower (RFC 8628 section 3.5).
func (c *Client) PollDevice(ctx context.Context, tokenEndpoint string, auth ClientAuth, d *DeviceAuthorization, form url.Values) (*TokenResponse, error) {
	request := url.Values{"grant_type": {DeviceCodeGrant}, "device_code": {d.DeviceCode.Reveal()}}
	for name, values := range form {
		request[name] = values
	}
	for interval := d.Interval; ; {
		if err := wait(ctx, interval); err != nil {
			return nil, fmt.Errorf("wait for the device code: %w", err)
		}
		if !c.now().Before(d.Expiry) {
			return nil, fmt.Errorf("wait for the device code: %w", NewError(ExpiredToken, ""))
		}
		tok, err := c.Token(ctx, tokenEndpoint, auth, request)
		var refusal *Error
		switch {
		case err == nil:
			return tok, nil
		case ctx.Err() != nil:
			return nil, err
		case errors.As(err, &refusal) && refusal.Code == AuthorizationPending:
		case errors.As(err, &refusal) && (refusal.Code == SlowDown || refusal.Status == http.StatusTooManyRequests):
			interval += slowDown
		case errors.As(err, &refusal) && !refusal.Temporary(), refusal == nil && hint.CodeOf(err) != hint.Unreachable:
			return nil, err
		default: // a problem on the way
			interval = min(2*interval, pollLimit)
		}
	}
}

// wait returns after d, or with ctx's error.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
