package google

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/golang-jwt/jwt/v5"

	"keyporter/broker/oauth"
	"keyporter/internal/hint"
)

const (
	jwtBearer    = "urn:ietf:params:oauth:grant-type:jwt-bearer" // RFC 7523 section 2.1
	maxAnswer    = 256 << 10
	maxExpiresIn = 366 * 24 * 3600 // seconds; a larger number would overflow a Duration
)

// answer is RFC 6749 section 5.1 and 5.2 as Google writes it.
type answer struct {
	AccessToken string  `json:"access_token"`
	IDToken     string  `json:"id_token"`
	TokenType   string  `json:"token_type"`
	ExpiresIn   seconds `json:"expires_in"`
	Scope       string  `json:"scope"`

	Error       errorCode `json:"error"`
	Description string    `json:"error_description"`
}

// seconds reads a number; some endpoints write it as text. What is neither counts
// as not sent.
type seconds int64

func (s *seconds) UnmarshalJSON(b []byte) error {
	var n json.Number
	var f float64
	if json.Unmarshal(b, &n) == nil {
		f, _ = n.Float64()
	}
	*s = seconds(max(0, min(f, maxExpiresIn)))
	return nil
}

// errorCode is the code of RFC 6749, or the status of the error object that
// Google's front end sends.
type errorCode string

func (c *errorCode) UnmarshalJSON(b []byte) error {
	var object struct {
		Status string `json:"status"`
	}
	if json.Unmarshal(b, (*string)(c)) != nil && json.Unmarshal(b, &object) == nil {
		*c = errorCode(object.Status)
	}
	return nil
}

// exchange signs an assertion with claims and sends it to the token endpoint.
func (s *Source) exchange(ctx context.Context, account string, claims jwt.MapClaims) (*answer, error) {
	now := s.now()
	claims["aud"] = s.key.TokenURI
	assertion, err := s.sign(now, claims)
	if err != nil {
		return nil, err
	}
	form := url.Values{"grant_type": {jwtBearer}, "assertion": {assertion.Reveal()}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.key.TokenURI, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, fmt.Errorf("request token: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return nil, s.unreachable(ctx, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, s.unreachable(ctx, err)
	}
	var ans answer
	readable := len(body) <= maxAnswer && json.Unmarshal(body, &ans) == nil
	if res.StatusCode != http.StatusOK || ans.Error != "" {
		refusal := &oauth.Error{Code: clean(string(ans.Error), 60), Description: clean(ans.Description, 200), Status: res.StatusCode}
		return nil, s.refused(account, refusal, skew(s.now(), res.Header.Get("Date")))
	}
	if !readable || !visible(ans.AccessToken) || !visible(ans.IDToken) {
		return nil, s.oddAnswer("it cannot be read")
	}
	return &ans, nil
}

// unreachable gives words to a network error, without the address that net/http
// puts into it.
func (s *Source) unreachable(ctx context.Context, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	return hint.Wrap(err, hint.Unreachable, fmt.Sprintf("Keyporter cannot reach %s.", s.host()), "Check the network connection and the proxy.")
}

// oddAnswer is for an answer of 200 that is no token.
func (s *Source) oddAnswer(why string) error {
	return hint.Wrap(errors.New("read token answer: "+why), hint.Failed,
		fmt.Sprintf("%s answered something that is not the token asked for.", s.host()),
		"If the key file is from Google, a proxy may be in the way.")
}

func (s *Source) host() string {
	u, err := url.Parse(s.key.TokenURI)
	if err != nil {
		return "the token endpoint"
	}
	return u.Hostname()
}

// skew returns how far our clock is ahead of the one that wrote an answer's Date
// field (RFC 9110 section 6.6.1); zero if there is none.
func skew(now time.Time, date string) time.Duration {
	t, err := http.ParseTime(date)
	if err != nil {
		return 0
	}
	return now.Round(0).Sub(t)
}

// visible reports whether s is visible ASCII, as a token in a header must be.
func visible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// clean makes a text from outside fit for an error: at most limit printable
// characters on one line.
func clean(s string, limit int) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || !unicode.IsPrint(r) }), " ")
	if r := []rune(s); len(r) > limit {
		s = string(r[:limit])
	}
	return s
}
