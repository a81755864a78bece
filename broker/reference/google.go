package reference

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"

	"keyporter/broker/secret"
	"keyporter/broker/source/google"
	"keyporter/internal/hint"
)

// readGoogle is AccessSecretVersion of Secret Manager.
func (s *Store) readGoogle(ctx context.Context, r *Ref) (secret.Value, error) {
	refused := ""
	for tries := 1; ; tries++ { // a young token may be handed out twice, see token.Cache
		c, err := s.Google(ctx, refused)
		if err != nil {
			return secret.Value{}, err
		}
		h := http.Header{"Authorization": {c.Token.HeaderValue()}, "Accept": {"application/json"}}
		if c.QuotaProject != "" {
			h.Set("X-Goog-User-Project", c.QuotaProject)
		}
		status, text, err := s.ask(ctx, http.MethodGet, r.googleAddress(), h, nil)
		switch {
		case err != nil:
			return secret.Value{}, err
		case status == http.StatusOK:
			return r.payload(text)
		case status == http.StatusUnauthorized && tries <= 2 && (refused == "" || refused == c.Token.Hash()):
			refused = c.Token.Hash()
			continue
		}
		return secret.Value{}, r.googleRefused(c, google.ReadAPIError(status, text))
	}
}

func (r *Ref) googleAddress() string {
	version, host, location := r.Version, "secretmanager.googleapis.com", ""
	if version == "" {
		version = "latest"
	}
	if r.Location != "" {
		host, location = "secretmanager."+r.Location+".rep.googleapis.com", "/locations/"+r.Location
	}
	return fmt.Sprintf("https://%s/v1/projects/%s%s/secrets/%s/versions/%s:access", host, r.Project, location, r.Secret, version)
}

// payload takes the secret out of the answer, and checks its checksum.
func (r *Ref) payload(text []byte) (secret.Value, error) {
	var ans struct {
		Payload struct {
			Data string
			CRC  string `json:"dataCrc32c"`
		}
	}
	data, where := []byte(nil), r.Project+"/"+r.Secret
	err := json.Unmarshal(text, &ans)
	if err == nil {
		data, err = base64.StdEncoding.DecodeString(ans.Payload.Data)
	}
	sum := strconv.FormatUint(uint64(crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))), 10)
	switch {
	case err != nil, ans.Payload.CRC != "" && ans.Payload.CRC != sum:
		return secret.Value{}, hint.New(hint.Unreachable, "The answer of Secret Manager is damaged.", "Try again.")
	case len(strings.TrimSpace(string(data))) == 0:
		return secret.Value{}, hint.New(hint.Refused, fmt.Sprintf("The secret %s is empty.", where), "Ask whoever looks after it.")
	case r.Field == "":
		return secret.New(string(data)), nil
	}
	var document map[string]json.RawMessage
	if json.Unmarshal(data, &document) != nil {
		return secret.Value{}, hint.New(hint.Refused, fmt.Sprintf("The secret %s is no JSON document, so it has no field %q.", where, clip(r.Field)), "Leave out what stands behind #.")
	}
	return r.field(document, where)
}

func (r *Ref) googleRefused(c *google.Caller, e *google.APIError) error {
	if err := e.Disabled("Secret Manager API", "secretmanager.googleapis.com"); err != nil {
		return err
	}
	where := r.Project + "/" + r.Secret
	switch {
	case e.Temporary():
		return hint.Wrap(e, hint.Unreachable, "Secret Manager has a problem at the moment.", "Try again later.")
	case e.Status == http.StatusUnauthorized:
		return hint.Wrap(e, hint.Refused, fmt.Sprintf("Google does not accept the token of %s.", c.Who()), "Sign in there again.")
	case e.Reason == "ACCESS_TOKEN_SCOPE_INSUFFICIENT":
		return hint.Wrap(e, hint.Refused, fmt.Sprintf("The token of %s may not read secrets: it lacks the scope cloud-platform.", c.Who()), "Sign in again and allow all that is asked for.")
	case e.Status == http.StatusForbidden:
		return hint.Wrap(e, hint.Refused,
			fmt.Sprintf("Google does not let %s read the secret %s: the role Secret Manager Secret Accessor is missing there, or the secret does not exist.", c.Who(), where),
			fmt.Sprintf("Ask an administrator of the project %s to run: gcloud secrets add-iam-policy-binding %s --project=%s --member=%s --role=roles/secretmanager.secretAccessor",
				r.Project, r.Secret, r.Project, c.Member()))
	case e.Status == http.StatusNotFound:
		return hint.Wrap(e, hint.Refused, fmt.Sprintf("There is no secret %s, or not that version of it.", where), "Check the reference.")
	case e.Status == http.StatusBadRequest:
		return hint.Wrap(e, hint.Refused, fmt.Sprintf("The version of the secret %s is disabled or destroyed.", where), "Ask whoever looks after it.")
	}
	return hint.Wrap(e, hint.Refused, fmt.Sprintf("Google refused to give the secret %s.", where), "The details have Google's own words.")
}
