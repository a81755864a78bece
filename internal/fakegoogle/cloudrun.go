package fakegoogle

import (
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// A CloudRun is the gate in front of a Cloud Run service that asks for IAM: it
// lets ID tokens of Google through whose audience is the service and whose account
// may invoke it. A token in X-Serverless-Authorization goes before one in
// Authorization, which the service then has for itself.
type CloudRun struct {
	server    *Server
	next      http.Handler
	audiences []string
	invokers  []string

	mu       sync.Mutex
	refused  int
	admitted []string // who was let through
	ended    map[string]bool
}

// NewCloudRun puts a gate before next. Invokers are e-mail addresses.
func (s *Server) NewCloudRun(next http.Handler, audiences, invokers []string) *CloudRun {
	return &CloudRun{server: s, next: next, audiences: audiences, invokers: invokers, ended: map[string]bool{}}
}

// Admitted returns who was let through, in order, and how many requests were not.
func (c *CloudRun) Admitted() (who []string, refused int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.admitted), c.refused
}

// End makes the gate refuse all tokens that it has let through so far.
func (c *CloudRun) End() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for t := range c.ended {
		c.ended[t] = true
	}
}

// ServeHTTP implements http.Handler.
func (c *CloudRun) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Server", "Google Frontend") // of the service's own answers too
	field := "X-Serverless-Authorization"
	if r.Header.Get(field) == "" {
		field = "Authorization"
	}
	scheme, token, _ := strings.Cut(r.Header.Get(field), " ")
	switch email, good := c.account(token); {
	case token == "" || !strings.EqualFold(scheme, "Bearer"):
		c.refuse(w, http.StatusForbidden, "")
	case !good:
		c.refuse(w, http.StatusUnauthorized, `Bearer error="invalid_token" error_description="The access token could not be verified"`)
	case !slices.Contains(c.invokers, email):
		c.refuse(w, http.StatusForbidden, `Bearer error="insufficient_scope"`)
	default:
		c.mu.Lock()
		c.admitted = append(c.admitted, email)
		c.ended[token] = false
		c.mu.Unlock()
		if field != "Authorization" { // the service sees it without its signature
			r.Header.Set(field, "Bearer "+token[:strings.LastIndexByte(token, '.')]+".SIGNATURE_REMOVED_BY_GOOGLE")
		}
		c.next.ServeHTTP(w, r)
	}
}

// account verifies an ID token and returns whose it is.
func (c *CloudRun) account(text string) (string, bool) {
	c.mu.Lock()
	ended := c.ended[text]
	c.mu.Unlock()
	var claims jwt.MapClaims
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(c.server.opts.Now), jwt.WithIssuer(Issuer), jwt.WithExpirationRequired()).
		ParseWithClaims(text, &claims, func(t *jwt.Token) (any, error) {
			for _, k := range c.server.keys {
				if k.id == t.Header["kid"] {
					return &k.private.PublicKey, nil
				}
			}
			return nil, jwt.ErrTokenUnverifiable
		})
	audience, _ := claims.GetAudience()
	if err != nil || ended || !slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(c.audiences, a) }) {
		return "", false
	}
	email, _ := claims["email"].(string)
	return email, true
}

func (c *CloudRun) refuse(w http.ResponseWriter, status int, challenge string) {
	c.mu.Lock()
	c.refused++
	c.mu.Unlock()
	if challenge != "" {
		w.Header().Set("WWW-Authenticate", challenge)
	}
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	text := http.StatusText(status)
	w.WriteHeader(status)
	w.Write([]byte("\n<html><head>\n<title>" + map[int]string{401: "401", 403: "403"}[status] + " " + text + "</title>\n</head>\n<body>\n<h1>Error: " + text +
		"</h1>\n<h2>Your client does not have permission to get URL <code>/</code> from this server.</h2>\n<h2></h2>\n</body></html>\n"))
}
