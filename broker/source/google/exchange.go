package google

import (
	"context"
	"encoding/json"
	"net/url"

	"github.com/golang-jwt/jwt/v5"
)

const (
	jwtBearer    = "urn:ietf:params:oauth:grant-type:jwt-bearer" // RFC 7523 section 2.1
	maxExpiresIn = 366 * 24 * 3600                               // seconds; a larger number would overflow a Duration
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
	ans, no, err := s.form(ctx, s.key.TokenURI, nil, url.Values{"grant_type": {jwtBearer}, "assertion": {assertion.Reveal()}})
	if no != nil {
		return nil, s.refused(account, no.Error, no.ahead)
	}
	return ans, err
}

// oddAnswer is for an answer of 200 that is no token.
func (s *Source) oddAnswer(why string) error { return oddAnswer(s.host(), why) }

func (s *Source) host() string { return hostOf(s.key.TokenURI) }
