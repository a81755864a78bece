package google

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"keyporter/broker/oauth"
	"keyporter/broker/secret"
	"keyporter/broker/token"
	"keyporter/internal/hint"
)

// exchange gets an access token for a federated identity (AIP-4117, RFC 8693).
func (d *Default) exchange(ctx context.Context, c *Credentials, scopes []string) (*token.Token, error) {
	subject, err := d.subjectToken(ctx, &c.subject)
	if err != nil {
		return nil, err
	}
	form := url.Values{
		"grant_type":           {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"audience":             {c.audience},
		"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"},
		"subject_token":        {subject.Reveal()},
		"subject_token_type":   {c.subjectType},
		"scope":                {strings.Join(scopes, " ")},
	}
	if c.userProject != "" && c.clientID == "" {
		options, err := json.Marshal(map[string]string{"userProject": c.userProject})
		if err != nil {
			return nil, err
		}
		form.Set("options", string(options))
	}
	var client *url.Userinfo
	if c.clientID != "" {
		client = url.UserPassword(c.clientID, c.clientSecret.Reveal())
	}
	ans, no, err := d.form(ctx, stsTokenURL, client, form)
	switch {
	case err != nil:
		return nil, err
	case no != nil:
		return nil, c.exchangeRefused(no.Error)
	}
	tok, why := ans.accessToken(d.now(), scopes)
	if why != "" {
		return nil, oddAnswer(hostOf(stsTokenURL), why)
	}
	return tok, nil
}

func (c *Credentials) exchangeRefused(no *oauth.Error) error {
	pool := clean(strings.TrimPrefix(c.audience, "//iam.googleapis.com/"), 160)
	switch {
	case no.Temporary():
		return hint.Wrap(no, hint.Unreachable, "sts.googleapis.com has a problem at the moment.", "Try again later.")
	case no.Code == oauth.InvalidTarget:
		return hint.Wrap(no, hint.Refused, fmt.Sprintf("Google does not know the identity pool %s, or it is disabled.", pool), "Ask whoever gave you the file of credentials.")
	case no.Code == oauth.InvalidGrant:
		return hint.Wrap(no, hint.Refused, "Google does not accept the token of this federated identity.",
			fmt.Sprintf("Check that it is fresh and that its issuer and audience are those of %s.", pool))
	case no.Code == oauth.UnauthorizedClient:
		return hint.Wrap(no, hint.Refused, "The identity pool does not let this identity in.", fmt.Sprintf("Ask its administrator about the attribute condition of %s.", pool))
	}
	return hint.Wrap(no, hint.Refused, "Google refused to exchange the token of this federated identity.", "The details have Google's own words; ask whoever gave you the file of credentials.")
}

// subjectToken reads the federated identity's own token as it is now.
func (d *Default) subjectToken(ctx context.Context, s *subjectSource) (secret.Value, error) {
	var text []byte
	var where string
	if s.file != "" {
		where = "The file " + s.file
		f, err := os.Open(s.file)
		if err != nil {
			return secret.Value{}, hint.Wrap(err, hint.Failed, fmt.Sprintf("The token file %s of the Google credentials cannot be read.", s.file),
				"Check that the platform writes it and that you may read it.")
		}
		defer f.Close()
		if text, err = io.ReadAll(io.LimitReader(f, maxAnswer)); err != nil {
			return secret.Value{}, hint.Wrap(err, hint.Failed, fmt.Sprintf("The token file %s of the Google credentials cannot be read.", s.file), "Try again.")
		}
	} else {
		where = hostOf(s.url)
		h := http.Header{"Accept": {"*/*"}}
		for name, v := range s.headers {
			h.Set(name, v)
		}
		r, err := d.ask(ctx, http.MethodGet, s.url, h, nil)
		if err != nil {
			return secret.Value{}, err
		}
		if r.status != http.StatusOK {
			return secret.Value{}, hint.Wrap(fmt.Errorf("HTTP status %d", r.status), hint.Refused,
				fmt.Sprintf("%s gives no token for the Google credentials.", where), "Ask whoever gave you the file of credentials.")
		}
		text = r.body
	}
	tok := strings.TrimSpace(string(text))
	if s.field != "" {
		var m map[string]any
		_ = json.Unmarshal(text, &m) // what is no object has no field
		tok, _ = m[s.field].(string)
	}
	if tok == "" {
		return secret.Value{}, hint.New(hint.Failed, where+" does not hold the token that the Google credentials speak of.", "Ask whoever gave you the file of credentials.")
	}
	return secret.New(tok), nil
}
