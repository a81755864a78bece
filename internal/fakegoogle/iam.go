package fakegoogle

import (
	"bytes"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var iamPath = regexp.MustCompile(`^/v1/projects/([^/]+)/serviceAccounts/([^/:]+):([A-Za-z]+)$`)

// A iamRequest is the body of a call; which fields may stand in it follows from
// the method.
type iamRequest struct {
	Delegates    []string `json:"delegates"`
	Scope        []string `json:"scope"`
	Lifetime     *string  `json:"lifetime"`
	Audience     string   `json:"audience"`
	IncludeEmail *bool    `json:"includeEmail"`
}

func invalid(message string) *apiError {
	return &apiError{status: 400, code: "INVALID_ARGUMENT", message: message}
}

// serveIAM is generateIdToken and generateAccessToken of IAM Credentials.
func (s *Server) serveIAM(w http.ResponseWriter, r *http.Request) {
	answer, no := s.iam(r)
	if no != nil {
		s.count(func(c *Counts) { c.Refused++ })
		no.send(w)
		return
	}
	writeJSON(w, http.StatusOK, answer)
}

func (s *Server) iam(r *http.Request) (any, *apiError) {
	m := iamPath.FindStringSubmatch(r.URL.Path)
	switch {
	case m == nil || r.Method != http.MethodPost || r.URL.RawQuery != "":
		return nil, &apiError{status: 404, code: "NOT_FOUND", message: "Method not found."}
	case m[1] != "-":
		return nil, invalid("Invalid resource name: the project has to be -.")
	}
	email, method := m[2], m[3]
	caller, consumer, no := s.authorize(r, iamAPI, "IAM Service Account Credentials API")
	if no != nil {
		return nil, no
	}
	ask, no := readIAM(r, method)
	if no != nil {
		return nil, no
	}
	if no := s.mayAct(caller, email, method, ask.Delegates); no != nil {
		return nil, no
	}
	s.called(Call{Method: method, Caller: caller, On: email, Project: consumer}, func(c *Counts) { c.Impersonated++ })
	if method == "generateIdToken" {
		signed, no := s.idToken(email, ask.Audience, ask.IncludeEmail != nil && *ask.IncludeEmail)
		if no != nil {
			return nil, &apiError{status: 500, code: "INTERNAL", message: "Internal error encountered."}
		}
		return map[string]string{"token": signed}, nil
	}
	life, no := s.lifetime(email, ask.Lifetime)
	if no != nil {
		return nil, no
	}
	value, bad := s.accessToken(Access{Email: email, Scopes: ask.Scope, Consumer: projectOf(email)}, life)
	if bad != nil {
		return nil, invalid("Invalid OAuth scope or ID token audience provided.")
	}
	return map[string]string{"accessToken": value, "expireTime": s.opts.Now().Add(life).UTC().Format(time.RFC3339)}, nil
}

// readIAM reads a body with exactly the fields of the method.
func readIAM(r *http.Request, method string) (*iamRequest, *apiError) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return nil, invalid("Invalid content type.")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, 64<<10))
	if err != nil {
		return nil, invalid("Request payload size exceeds the limit.")
	}
	var ask iamRequest
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&ask); err != nil {
		return nil, invalid("Invalid JSON payload received. Unknown name: Cannot find field.")
	}
	switch method {
	case "generateIdToken":
		if ask.Audience == "" || ask.Scope != nil || ask.Lifetime != nil {
			return nil, invalid("Request contains an invalid argument: audience.")
		}
	case "generateAccessToken":
		if len(ask.Scope) == 0 || ask.Audience != "" || ask.IncludeEmail != nil {
			return nil, invalid("Request contains an invalid argument: scope.")
		}
	default:
		return nil, &apiError{status: 404, code: "NOT_FOUND", message: "Method not found."}
	}
	return &ask, nil
}

// mayAct walks the chain of delegates: each one needs the role on the next.
func (s *Server) mayAct(caller, email, method string, delegates []string) *apiError {
	permission, last := "iam.serviceAccounts.getAccessToken", []string{TokenCreator}
	if method == "generateIdToken" {
		permission, last = "iam.serviceAccounts.getOpenIdToken", []string{TokenCreator, OpenIDCreator}
	}
	denied := &apiError{403, "PERMISSION_DENIED", "Permission '" + permission + "' denied on resource (or it may not exist).", "IAM_PERMISSION_DENIED", map[string]string{"permission": permission}}
	for _, d := range delegates {
		next, ok := strings.CutPrefix(d, "projects/-/serviceAccounts/")
		if !ok {
			return invalid("Invalid delegate: " + d)
		}
		if !s.may(next, caller, TokenCreator) {
			denied.message, denied.info = "Permission 'iam.serviceAccounts.implicitDelegation' denied on resource (or it may not exist).", map[string]string{"permission": "iam.serviceAccounts.implicitDelegation"}
			return denied
		}
		caller = next
	}
	s.mu.Lock()
	known := s.world.known[email]
	s.mu.Unlock()
	if !known || !s.may(email, caller, last...) {
		return denied
	}
	return nil
}

// lifetime reads a duration as Google's JSON has it: "3600s".
func (s *Server) lifetime(email string, text *string) (time.Duration, *apiError) {
	if text == nil {
		return hour, nil
	}
	digits, ok := strings.CutSuffix(*text, "s")
	n, err := strconv.Atoi(digits)
	s.mu.Lock()
	longest := 3600
	if s.world.extended[email] {
		longest = 43200
	}
	s.mu.Unlock()
	switch {
	case !ok || err != nil || n <= 0:
		return 0, invalid("Invalid value at 'lifetime' (type.googleapis.com/google.protobuf.Duration), Illegal duration format; duration must end with 's'")
	case n > longest:
		return 0, invalid("The access token lifetime cannot exceed 3600 seconds. If a longer token lifetime is required, use the \"constraints/iam.allowServiceAccountCredentialLifetimeExtension\" organization policy constraint.")
	}
	return time.Duration(n) * time.Second, nil
}
