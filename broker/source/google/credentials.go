package google

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// The types of application-default credentials that are used. MetadataServer
// stands for those of a Google Cloud machine, which has no file.
const (
	AuthorizedUser  = "authorized_user"
	ServiceAccount  = "service_account"
	Impersonated    = "impersonated_service_account"
	ExternalAccount = "external_account"
	MetadataServer  = "metadata_server"
)

// stsTokenURL is Google's Security Token Service, the only one that a federated
// identity's token goes to.
const stsTokenURL = "https://sts.googleapis.com/v1/token"

// Credentials are application-default credentials as they stand in their file.
// They do not print their secrets.
type Credentials struct {
	Type         string
	Email        string // of a service account, or the one that is impersonated; may be empty
	Account      string // of a person, as newer files say it; may be empty
	QuotaProject string // quota_project_id

	clientID     string       // AuthorizedUser; ExternalAccount: optional, at the Security Token Service
	clientSecret secret.Value // the same
	refreshToken secret.Value // AuthorizedUser
	key          *Key         // ServiceAccount

	source    *Credentials // Impersonated: who impersonates
	delegates []string     // Impersonated
	lifetime  int          // ExternalAccount: of impersonated tokens, in seconds

	audience    string // ExternalAccount: of the identity pool's provider
	subjectType string
	userProject string // of a workforce pool
	subject     subjectSource
}

// subjectSource is where a federated identity's own token comes from.
type subjectSource struct {
	file    string
	url     string
	headers map[string]string
	field   string // of a JSON document; empty: the text is the token
}

// credentialsFile is the file's form (AIP-4110 to AIP-4117). What is not read can
// send nothing anywhere.
type credentialsFile struct {
	Type         string          `json:"type"`
	Universe     string          `json:"universe_domain"`
	QuotaProject string          `json:"quota_project_id"`
	Account      string          `json:"account"`
	ClientID     string          `json:"client_id"`
	ClientSecret string          `json:"client_secret"`
	RefreshToken string          `json:"refresh_token"`
	Source       json.RawMessage `json:"source_credentials"`
	Delegates    []string        `json:"delegates"`
	ImpersonURL  string          `json:"service_account_impersonation_url"`
	Imperson     struct {
		Lifetime int `json:"token_lifetime_seconds"`
	} `json:"service_account_impersonation"`
	Audience    string          `json:"audience"`
	SubjectType string          `json:"subject_token_type"`
	TokenURL    string          `json:"token_url"`
	UserProject string          `json:"workforce_pool_user_project"`
	Subject     json.RawMessage `json:"credential_source"`
}

// ParseCredentials reads a file of application-default credentials. It refuses
// one that would send anything to an address that is not Google's, or run a
// program. Its errors are hints and quote no secret.
func ParseCredentials(file secret.Value) (*Credentials, error) { return parseCredentials(file, true) }

const newLogin = "Make new ones: gcloud auth application-default login"

func parseCredentials(file secret.Value, outer bool) (*Credentials, error) {
	var f credentialsFile
	b := bytes.TrimPrefix(bytes.TrimSpace([]byte(file.Reveal())), []byte("\ufeff"))
	if len(b) > maxFile || json.Unmarshal(b, &f) != nil {
		return nil, bad("The file of Google credentials cannot be read: it is not JSON, or cut off.", newLogin)
	}
	if f.Universe != "" && f.Universe != defaultUniverse {
		return nil, bad(fmt.Sprintf("The credentials belong to another cloud (%s), which Keyporter does not know.", clean(f.Universe, 60)), "Use credentials of Google Cloud.")
	}
	c := &Credentials{Type: f.Type, QuotaProject: f.QuotaProject, clientID: f.ClientID, clientSecret: secret.New(f.ClientSecret)}
	if !projectForm().MatchString(c.QuotaProject) {
		c.QuotaProject = ""
	}
	switch f.Type {
	case AuthorizedUser:
		return c, c.readUser(&f)
	case ServiceAccount:
		return c, c.readKey(file)
	case Impersonated:
		if !outer {
			return nil, bad("The credentials impersonate through credentials that impersonate.", "Use delegates instead.")
		}
		return c, c.readImpersonated(&f)
	case ExternalAccount:
		return c, c.readExternal(&f)
	case "external_account_authorized_user":
		return nil, bad("The credentials are a workforce sign-in of gcloud, which only gcloud can keep fresh.",
			"Make a credential configuration for programs instead: gcloud iam workforce-pools create-cred-config")
	case "gdch_service_account":
		return nil, bad("The credentials are for Google Distributed Cloud, which Keyporter does not know.", "Use credentials of Google Cloud.")
	}
	return nil, bad("The file does not hold Google credentials that Keyporter knows.", newLogin)
}

func (c *Credentials) readUser(f *credentialsFile) error {
	if f.ClientID == "" || f.RefreshToken == "" {
		return bad("The Google credentials lack the refresh token or the client id.", newLogin)
	}
	c.refreshToken, c.Account = secret.New(f.RefreshToken), clean(f.Account, 100)
	return nil
}

func (c *Credentials) readKey(file secret.Value) (err error) {
	if c.key, err = ParseKey(file); err != nil {
		return err
	}
	c.Email = c.key.Email
	return CheckTokenURI(c.key, "")
}

func (c *Credentials) readImpersonated(f *credentialsFile) (err error) {
	if c.Email, err = principalOf(f.ImpersonURL); err != nil {
		return err
	}
	for _, d := range f.Delegates {
		d = strings.TrimPrefix(d, "projects/-/serviceAccounts/")
		if !emailForm().MatchString(d) {
			return bad("The credentials name a delegate that is no service account.", newLogin)
		}
		c.delegates = append(c.delegates, d)
	}
	c.source, err = parseCredentials(secret.New(string(f.Source)), false)
	return err
}

// principalOf returns the service account that an impersonation URL names. Only
// Google's own address is taken.
func principalOf(address string) (string, error) {
	email, ok := strings.CutPrefix(address, iamCredentials)
	for _, method := range []string{":generateAccessToken", ":generateIdToken"} {
		email = strings.TrimSuffix(email, method)
	}
	if !ok || !emailForm().MatchString(email) {
		return "", elsewhere("impersonates", address)
	}
	return email, nil
}

// elsewhere refuses an address in a file that is not the one that Google's own
// tools write there.
func elsewhere(does, address string) error {
	where := "an address that is not Google's"
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		where = shown(u)
	}
	return hint.New(hint.Refused, fmt.Sprintf("The file of credentials %s at %s, and tokens do not go there.", does, where),
		"If you did not write that yourself, ask whoever gave you the file.")
}

func (c *Credentials) readExternal(f *credentialsFile) (err error) {
	switch {
	case f.TokenURL != stsTokenURL:
		return elsewhere("exchanges tokens", f.TokenURL)
	case !strings.HasPrefix(f.Audience, "//iam.googleapis.com/") || f.SubjectType == "":
		return bad("The credentials do not name the identity pool that they are for.", "Make them anew: gcloud iam workload-identity-pools create-cred-config")
	}
	if f.ImpersonURL != "" {
		if c.Email, err = principalOf(f.ImpersonURL); err != nil {
			return err
		}
	}
	c.audience, c.subjectType, c.userProject, c.lifetime = f.Audience, f.SubjectType, f.UserProject, f.Imperson.Lifetime
	return c.subject.read(f.Subject)
}

// read takes the source of a federated identity's token: a file or an address.
func (s *subjectSource) read(raw json.RawMessage) error {
	var f struct {
		File    string            `json:"file"`
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers"`
		Format  struct {
			Type  string `json:"type"`
			Field string `json:"subject_token_field_name"`
		} `json:"format"`
		Executable  json.RawMessage `json:"executable"`
		Certificate json.RawMessage `json:"certificate"`
		Environment string          `json:"environment_id"`
	}
	const do = "Make the credentials with --credential-source-file or --credential-source-url: gcloud iam workload-identity-pools create-cred-config"
	if json.Unmarshal(raw, &f) != nil {
		return bad("The credentials do not say where their token comes from.", do)
	}
	switch {
	case f.Executable != nil:
		return hint.New(hint.Refused, "The file of credentials wants to run a program to get a token, and Keyporter runs none.", do)
	case f.Certificate != nil:
		return bad("The credentials use a client certificate, which Keyporter does not know.", do)
	case f.Environment != "":
		return bad("The credentials are those of another cloud's machine, which Keyporter does not know.", do)
	case (f.File == "") == (f.URL == ""):
		return bad("The credentials do not say where their token comes from.", do)
	case f.File != "" && !filepath.IsAbs(f.File):
		return bad("The credentials name a file without its whole path.", do)
	case f.URL != "" && !sourceURL(f.URL):
		return hint.New(hint.Refused, "The file of credentials asks for a token at an address without encryption.", "Use an address that begins with https://, or one of this machine.")
	case f.Format.Type != "" && f.Format.Type != "text" && f.Format.Type != "json", f.Format.Type == "json" && f.Format.Field == "":
		return bad("The credentials describe their token in a form that Keyporter does not know.", do)
	}
	s.file, s.url, s.headers = f.File, f.URL, f.Headers
	if f.Format.Type == "json" {
		s.field = f.Format.Field
	}
	return nil
}

// sourceURL reports whether a federated identity's token may be asked for there:
// over https, or over http on this machine and at the address at which clouds
// give their machines an identity.
func sourceURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && (account.Loopback(u.Hostname()) || u.Hostname() == linkLocal)
}

// linkLocal is the address of a cloud's metadata server.
const linkLocal = "169.254.169.254"

// Binding says, in one written form, all of the file that decides where something
// secret is sent or read and whose tokens are made. Who adds the account agrees to
// it; a file that says something else later is not used.
func (c *Credentials) Binding() string {
	parts := []string{"type=" + c.Type}
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	if c.Type != AuthorizedUser { // who signs in on the computer may change
		add("account", c.Email)
	}
	add("delegates", strings.Join(c.delegates, " "))
	add("pool", c.audience)
	add("file", c.subject.file)
	add("url", c.subject.url)
	add("headers", strings.Join(slices.Sorted(maps.Keys(c.subject.headers)), " "))
	if c.source != nil {
		add("through", "("+c.source.Binding()+")")
	}
	return strings.Join(parts, ", ")
}

// Person reports whether the credentials are a person's sign-in, which makes no
// ID tokens for a server.
func (c *Credentials) Person() bool { return c.Type == AuthorizedUser }
