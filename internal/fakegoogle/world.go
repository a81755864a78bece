package fakegoogle

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Addresses of Google's own that stand in files and claims.
const (
	googleTokenURI = "https://oauth2.googleapis.com/token"
	stsURL         = "https://sts.googleapis.com/v1/token"
)

// Names of the APIs that have to be enabled.
const (
	iamAPI    = "iamcredentials.googleapis.com"
	secretAPI = "secretmanager.googleapis.com"
)

// Roles that let somebody act as a service account, or read a secret.
const (
	TokenCreator   = "roles/iam.serviceAccountTokenCreator"
	OpenIDCreator  = "roles/iam.serviceAccountOpenIdTokenCreator"
	SecretAccessor = "roles/secretmanager.secretAccessor"
)

// gcloudProject is the project of the client that gcloud signs people in with: its
// access tokens need a quota project.
const gcloudProject = "764086051850"

// world is what the Server knows beside keys. The Server's mutex guards it.
type world struct {
	person   string                       // who signs in
	clients  map[string]string            // secrets of desktop clients by their id
	grants   map[string]grantOf           // by refresh token
	codes    map[string]codeOf            // by authorization code
	known    map[string]bool              // service accounts that can be impersonated
	roles    map[string]map[string]string // role by resource and member
	enabled  map[string]bool              // "project api"
	extended map[string]bool              // service accounts whose tokens may live for 12 hours
	machine  string                       // service account of the metadata server
	pools    map[string]string            // the subject token that a provider takes, by its audience
	secrets  map[string][]byte            // by "project/secret/version"
	calls    []Call
}

// A Call is a request to an API that was answered, as the audit log of a project
// has it.
type Call struct {
	Method  string // generateIdToken, generateAccessToken, accessSecretVersion
	Caller  string
	On      string // the service account or secret
	Project string // that paid for it
}

func newWorld() world {
	return world{
		person: "alice@example.com", clients: map[string]string{}, grants: map[string]grantOf{}, codes: map[string]codeOf{},
		known: map[string]bool{}, roles: map[string]map[string]string{}, enabled: map[string]bool{}, extended: map[string]bool{},
		pools: map[string]string{}, secrets: map[string][]byte{},
	}
}

// change changes the world.
func (s *Server) change(f func(*world)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.world)
}

// SetPerson sets who signs in in the browser from now on.
func (s *Server) SetPerson(email string) { s.change(func(w *world) { w.person = email }) }

// NewClient registers an OAuth client of the type Desktop app. Its id begins with
// the number of its project.
func (s *Server) NewClient(id, secret string) { s.change(func(w *world) { w.clients[id] = secret }) }

// NewServiceAccount makes a service account that can be impersonated.
func (s *Server) NewServiceAccount(email string) { s.change(func(w *world) { w.known[email] = true }) }

// Grant gives a member ("user:…", "serviceAccount:…") a role on a service account
// or a secret ("project/secret").
func (s *Server) Grant(on, member, role string) {
	s.change(func(w *world) {
		if w.roles[on] == nil {
			w.roles[on] = map[string]string{}
		}
		w.roles[on][member] = role
	})
}

// Enable enables IAM Credentials and Secret Manager in projects, by id or number.
func (s *Server) Enable(projects ...string) {
	s.change(func(w *world) {
		for _, p := range projects {
			w.enabled[p+" "+iamAPI], w.enabled[p+" "+secretAPI] = true, true
		}
	})
}

// Extend lets a service account's access tokens live for 12 hours.
func (s *Server) Extend(email string) { s.change(func(w *world) { w.extended[email] = true }) }

// SetMachine makes this a Google Cloud machine with that service account.
func (s *Server) SetMachine(email string) { s.change(func(w *world) { w.machine = email }) }

// NewPool makes an identity pool's provider with that audience, which takes one
// subject token.
func (s *Server) NewPool(audience, subject string) {
	s.change(func(w *world) { w.pools[audience] = subject })
}

// SetSecret stores a version of a secret; version latest is the one that is read
// without a number.
func (s *Server) SetSecret(project, secret, version string, value []byte) {
	s.change(func(w *world) { w.secrets[project+"/"+secret+"/"+version] = slices.Clone(value) })
}

// EndSignIns ends all sign-ins: their refresh tokens and access tokens are over.
func (s *Server) EndSignIns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.grants = map[string]grantOf{}
	s.tokens = map[string]Access{}
}

// Calls returns the calls of APIs so far.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.world.calls)
}

// hosts answers for Google's own names.
func (s *Server) hosts() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("oauth2.googleapis.com"+TokenPath, s.serveToken)
	mux.HandleFunc("POST oauth2.googleapis.com/revoke", s.serveRevoke)
	mux.HandleFunc("GET accounts.google.com/o/oauth2/v2/auth", s.serveAuth)
	mux.HandleFunc("iamcredentials.googleapis.com/", s.serveIAM)
	mux.HandleFunc("sts.googleapis.com/v1/token", s.serveSTS)
	mux.HandleFunc("secretmanager.googleapis.com/", s.serveSecret)
	mux.HandleFunc("GET www.googleapis.com"+CertsPath, s.serveCerts)
	return mux
}

// memberOf is an identity as IAM policies name it.
func memberOf(email string) string {
	switch {
	case strings.Contains(email, "://"): // of a federated identity
		return email
	case strings.HasSuffix(email, ".gserviceaccount.com"):
		return "serviceAccount:" + email
	}
	return "user:" + email
}

// projectOf is the project that a service account's address names.
func projectOf(email string) string {
	_, domain, _ := strings.Cut(email, "@")
	return strings.TrimSuffix(domain, ".iam.gserviceaccount.com")
}

// apiError is an error answer of an API (AIP-193).
type apiError struct {
	status  int
	code    string
	message string
	reason  string
	info    map[string]string
}

func (e *apiError) send(w http.ResponseWriter) {
	details := []any{}
	if e.reason != "" {
		details = append(details, map[string]any{
			"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": e.reason, "domain": "googleapis.com", "metadata": e.info})
	}
	writeJSON(w, e.status, map[string]any{"error": map[string]any{"code": e.status, "message": e.message, "status": e.code, "details": details}})
}

// authorize checks what every call of an API needs: a good access token with the
// scope cloud-platform, and the API enabled in the project that pays. It returns
// who calls and that project.
func (s *Server) authorize(r *http.Request, api, title string) (string, string, *apiError) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	a, good := s.Access(token)
	if !ok || !good {
		return "", "", &apiError{401, "UNAUTHENTICATED",
			"Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
			"ACCESS_TOKEN_EXPIRED", map[string]string{"service": api}}
	}
	if !slices.Contains(a.Scopes, "https://www.googleapis.com/auth/cloud-platform") && !(api == iamAPI && slices.Contains(a.Scopes, "https://www.googleapis.com/auth/iam")) {
		return "", "", &apiError{403, "PERMISSION_DENIED", "Request had insufficient authentication scopes.", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", map[string]string{"service": api}}
	}
	consumer := a.Consumer
	if p := r.Header.Get("X-Goog-User-Project"); p != "" {
		consumer = p
	}
	s.mu.Lock()
	enabled := s.world.enabled[consumer+" "+api]
	s.mu.Unlock()
	switch {
	case consumer == gcloudProject:
		return "", "", &apiError{403, "PERMISSION_DENIED", "Your application is authenticating by using local Application Default Credentials. The " + api +
			" API requires a quota project, which is not set by default. To learn how to set your quota project, see https://cloud.google.com/docs/authentication/adc-troubleshooting/user-creds .",
			"SERVICE_DISABLED", map[string]string{"consumer": "projects/" + consumer, "service": api}}
	case !enabled:
		return "", "", &apiError{403, "PERMISSION_DENIED", title + " has not been used in project " + consumer + " before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/" + api +
			"/overview?project=" + consumer + " then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.",
			"SERVICE_DISABLED", map[string]string{"consumer": "projects/" + consumer, "service": api, "serviceTitle": title}}
	}
	return a.Email, consumer, nil
}

// may reports whether a member has one of the roles.
func (s *Server) may(on, email string, roles ...string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(roles, s.world.roles[on][memberOf(email)])
}

func (s *Server) called(c Call, change func(*Counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.calls = append(s.world.calls, c)
	change(&s.counts)
}

const hour = time.Hour
