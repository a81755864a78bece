package google

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"keyporter/broker/oauth"
	"keyporter/internal/hint"
	"keyporter/internal/lazy"
)

// An APIError is what a Google API said in place of an answer (AIP-193).
type APIError struct {
	Status   int               // of the HTTP answer
	Code     string            // PERMISSION_DENIED, say
	Message  string            // Google's words; cleaned
	Reason   string            // of the ErrorInfo; SERVICE_DISABLED, say
	Metadata map[string]string // of the ErrorInfo
}

func (e *APIError) Error() string {
	return strings.TrimSpace(fmt.Sprintf("HTTP status %d %s %s: %s", e.Status, e.Code, e.Reason, e.Message))
}

// Temporary reports whether the same request may go well later.
func (e *APIError) Temporary() bool {
	return e.Status >= 500 || e.Status == http.StatusTooManyRequests
}

func readAPIError(r *reply) *APIError { return ReadAPIError(r.status, r.body) }

// ReadAPIError reads an error answer. What is not in Google's form leaves the
// status alone.
func ReadAPIError(status int, body []byte) *APIError {
	var ans struct {
		Error struct {
			Message string
			Status  string
			Details []struct {
				Reason   string
				Metadata map[string]string
			}
		}
	}
	_ = json.Unmarshal(body, &ans)
	e := &APIError{Status: status, Code: clean(ans.Error.Status, 60), Message: clean(ans.Error.Message, 300)}
	for _, d := range ans.Error.Details {
		if d.Reason != "" {
			e.Reason, e.Metadata = clean(d.Reason, 60), d.Metadata
		}
	}
	return e
}

var (
	projectForm = lazy.Regexp(`^[a-z0-9][a-z0-9.:-]{0,99}$`)
	// Messages from before ErrorInfo name the project in words only.
	projectIn = lazy.Regexp(`project ([a-z0-9][a-z0-9.:-]{0,99}) before`)
)

// Project returns the project that a disabled API was asked for in, or "".
func (e *APIError) Project() string {
	if p := strings.TrimPrefix(e.Metadata["consumer"], "projects/"); projectForm().MatchString(p) {
		return p
	}
	if m := projectIn().FindStringSubmatch(e.Message); m != nil {
		return m[1]
	}
	return ""
}

// Disabled reports whether the API is not enabled in a project, and gives that
// words: title and service name the API.
func (e *APIError) Disabled(title, service string) error {
	said := strings.Contains(e.Message, "has not been used in project") || strings.Contains(e.Message, "it is disabled")
	switch {
	case strings.Contains(e.Message, "requires a quota project"):
		return hint.Wrap(e, hint.Refused, "The Google credentials of this computer name no project to ask on behalf of.",
			"Run: gcloud auth application-default set-quota-project PROJECT")
	case e.Reason != "SERVICE_DISABLED" && !said:
		return nil
	}
	project, option := e.Project(), "PROJECT"
	where := "the project of your sign-in"
	if project != "" {
		where, option = "the project "+project, project
	}
	return hint.Wrap(e, hint.Refused, fmt.Sprintf("The %s (%s) is not enabled in %s.", title, service, where),
		fmt.Sprintf("Ask an administrator of that project to run: gcloud services enable %s --project=%s", service, option))
}

// refused gives words to an error answer of the IAM Credentials API.
func (i *Impersonation) refused(method string, c *Caller, e *APIError, ahead time.Duration) error {
	if err := e.Disabled("IAM Service Account Credentials API", "iamcredentials.googleapis.com"); err != nil {
		return err
	}
	switch {
	case e.Temporary():
		return hint.Wrap(e, hint.Unreachable, "Google's IAM service has a problem at the moment.", "Try again later.")
	case e.Status == http.StatusUnauthorized && ahead.Abs() > tolerance:
		return hint.Wrap(e, hint.Refused, clockWords(ahead), oauth.SetClock)
	case e.Status == http.StatusUnauthorized:
		return hint.Wrap(e, hint.Refused, fmt.Sprintf("Google does not accept the token of %s.", c.Who()), "Sign in there again.")
	case e.Reason == "ACCESS_TOKEN_SCOPE_INSUFFICIENT", strings.Contains(e.Message, "insufficient authentication scopes"):
		return hint.Wrap(e, hint.Refused, fmt.Sprintf("The token of %s may not be used to impersonate: it lacks the scope cloud-platform.", c.Who()),
			"Sign in again and allow all that is asked for; on a Google Cloud machine, its administrator sets the access scope cloud-platform.")
	case e.Status == http.StatusForbidden, e.Status == http.StatusNotFound:
		return i.roleMissing(c, e)
	case strings.Contains(e.Message, "lifetime"):
		return hint.Wrap(e, hint.Refused, fmt.Sprintf("Tokens of %s cannot live longer than an hour here.", i.o.Principal),
			"Leave out --lifetime, or ask an administrator of the organisation for the policy iam.allowServiceAccountCredentialLifetimeExtension.")
	case e.Status == http.StatusBadRequest:
		return hint.Wrap(e, hint.Refused, "Google does not understand the scope or audience that this account asks for.", "Check the account's --scope or --audience for typing errors.")
	}
	return hint.Wrap(e, hint.Refused, fmt.Sprintf("Google refused to give a token of %s (%s).", i.o.Principal, method), "The details have Google's own words; ask the owner of the project.")
}

// roleMissing gives words to the refusal that everybody meets: Google does not say
// whether the service account exists or the role is missing.
func (i *Impersonation) roleMissing(c *Caller, e *APIError) error {
	to, chain := i.o.Principal, ""
	if len(i.o.Delegates) > 0 {
		to = i.o.Delegates[0]
		chain = fmt.Sprintf(", and for each service account on the way to %s on the next one", i.o.Principal)
	}
	project := ProjectOf(to)
	where, option := "its project", ""
	if project != "" {
		where, option = "the project "+project, " --project="+project
	}
	return hint.Wrap(e, hint.Refused,
		fmt.Sprintf("Google does not let %s act as %s: the role Service Account Token Creator is missing there, or the service account does not exist.", c.Who(), to),
		fmt.Sprintf("Ask an administrator of %s to run this%s: gcloud iam service-accounts add-iam-policy-binding %s%s --member=%s --role=roles/iam.serviceAccountTokenCreator",
			where, chain, to, option, c.Member()))
}

// Who names the caller in a sentence.
func (c *Caller) Who() string {
	if c.Identity == "" {
		return "your account"
	}
	return clean(c.Identity, 100)
}

// Member is the caller as IAM policies name it.
func (c *Caller) Member() string {
	switch {
	case !emailForm().MatchString(c.Identity):
		return "user:YOUR-ADDRESS"
	case strings.HasSuffix(c.Identity, ".gserviceaccount.com"):
		return "serviceAccount:" + c.Identity
	}
	return "user:" + c.Identity
}

// ProjectOf returns the project (id or number) that a service account's address
// names, or "".
func ProjectOf(email string) string {
	name, domain, _ := strings.Cut(email, "@")
	switch {
	case domain == "developer.gserviceaccount.com": // NUMBER-compute
		number, _, _ := strings.Cut(name, "-")
		return number
	case domain == "appspot.gserviceaccount.com":
		return name
	}
	project, ok := strings.CutSuffix(domain, ".iam.gserviceaccount.com")
	if !ok {
		return ""
	}
	if id, org, scoped := strings.Cut(project, "."); scoped { // of a project in a domain
		return org + ":" + id
	}
	return project
}
