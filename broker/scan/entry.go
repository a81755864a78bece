package scan

import (
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strings"

	"keyporter/broker/install"
	"keyporter/broker/secret"
)

// A reader collects what an entry says.
type reader struct {
	d *install.Document
	e *Entry

	program Program
	address string
	headers map[string]string
	sse     bool
}

// read looks at one entry of a client's file.
func read(d *install.Document, item *install.Item) *Entry {
	r := &reader{d: d, headers: map[string]string{}, e: &Entry{Client: d.Client, File: d.Path, At: item.At, Key: item.Key}}
	v := &item.Value
	r.command(v)
	r.environment(first(v, "env", "envs"))
	for _, name := range []string{"headers", "http_headers", "requestHeaders"} {
		r.fields(v.Get(name))
	}
	if nested := v.Get("requestInit"); nested != nil {
		r.fields(nested.Get("headers"))
	}
	if u := first(v, "url", "httpUrl", "serverUrl", "uri"); text(u) != "" {
		r.address = text(u)
		r.sse = strings.EqualFold(text(first(v, "type", "transport", "transportType")), "sse")
		r.location(u)
	}
	if t := v.Get("bearer_token"); literal(text(t)) { // of Codex
		r.headers["Authorization"] = "Bearer " + t.Text
		r.found(t.Start, Bearer, "bearer_token", t.Text)
	}
	r.client(first(v, "oauth", "auth"))
	r.settings(v.Get("settings"))
	if !r.outside(v) {
		r.plan(v)
	}
	return r.e
}

// first returns the first member that is there, or nil.
func first(v *install.Value, names ...string) *install.Value {
	for _, n := range names {
		if m := v.Get(n); m != nil {
			return m
		}
	}
	return nil
}

func text(v *install.Value) string {
	if v == nil || v.Kind != install.String {
		return ""
	}
	return v.Text
}

// found adds a finding.
func (r *reader) found(at int, kind Kind, place, value string) {
	r.e.Findings = append(r.e.Findings, Finding{
		File: r.d.Path, Line: r.d.Line(at), Client: r.d.Client.ID, Entry: r.e.Key, Place: place, Kind: kind, Secret: secret.New(value),
	})
}

// environment reads the variables of a program.
func (r *reader) environment(v *install.Value) {
	if v == nil {
		return
	}
	if r.program.Env == nil {
		r.program.Env = map[string]string{}
	}
	for i := range v.Members {
		m := &v.Members[i]
		if r.program.Env[m.Key] = m.Value.Text; m.Value.Kind == install.String {
			r.variable(m.Value.Start, "env "+m.Key, m.Key, m.Value.Text)
		}
	}
}

// variable looks at one variable, which may hold a whole header field's value.
func (r *reader) variable(at int, place, name, value string) {
	if strings.EqualFold(name, "GOOGLE_APPLICATION_CREDENTIALS") {
		if literal(value) {
			r.found(at, KeyFile, place, value)
		}
		return
	}
	scheme, rest, two := strings.Cut(strings.TrimSpace(value), " ")
	if two && (strings.EqualFold(scheme, "Bearer") || strings.EqualFold(scheme, "Basic")) {
		if kind, ok := inHeader("Authorization", value); ok {
			r.found(at, kind, place, strings.TrimSpace(rest))
		}
		return
	}
	if kind, ok := inValue(name, value); ok {
		if password, ok := userinfo(value); ok {
			value = password
		}
		r.found(at, kind, place, value)
	} else if kind, value, ok := inside(value); ok {
		r.found(at, kind, place, value)
	}
}

// fields reads header fields.
func (r *reader) fields(v *install.Value) {
	if v == nil {
		return
	}
	for i := range v.Members {
		m := &v.Members[i]
		r.headers[m.Key] = m.Value.Text
		if kind, ok := inHeader(m.Key, m.Value.Text); ok {
			r.found(m.Value.Start, kind, "header "+m.Key, credential(m.Value.Text))
		}
	}
}

// credential returns a field's value without its scheme.
func credential(value string) string {
	value = strings.TrimSpace(value)
	for _, scheme := range []string{"Bearer ", "Basic ", "Token "} {
		if len(value) > len(scheme) && strings.EqualFold(value[:len(scheme)], scheme) {
			return strings.TrimSpace(value[len(scheme):])
		}
	}
	return value
}

// location looks for keys in an address.
func (r *reader) location(v *install.Value) {
	u, err := url.Parse(v.Text)
	if err != nil {
		return
	}
	if password, ok := userinfo(v.Text); ok {
		r.found(v.Start, Password, "address", password)
	}
	for name, values := range u.Query() {
		for _, value := range values {
			if kind, ok := inQuery(name, value); ok {
				r.found(v.Start, kind, "query "+name, value)
			}
		}
	}
}

// inQuery says whether a parameter of an address is a secret. Many are called just
// key, which is an API's there.
func inQuery(name, value string) (Kind, bool) { return inValue("api_"+name, value) }

// client looks at the OAuth client of a remote server.
func (r *reader) client(v *install.Value) {
	for _, name := range []string{"clientSecret", "client_secret", "CLIENT_SECRET"} {
		if s := v.Get(name); text(s) != "" && literal(s.Text) {
			r.found(s.Start, APIKey, "client secret", s.Text)
		}
	}
}

// settings looks at those of an extension of Zed, which alone knows what they are for.
func (r *reader) settings(v *install.Value) {
	if v == nil {
		return
	}
	for i := range v.Members {
		if m := &v.Members[i]; m.Value.Kind == install.String {
			r.variable(m.Value.Start, "setting "+m.Key, m.Key, m.Value.Text)
		}
	}
}

// verbatim are the clients that put no values in the place of ${NAME}.
var verbatim = set("claude-desktop codex goose zed")

// outside reports whether an entry needs what only its client knows: variables, files
// and helpers that it names, which keyporter in its place would not see.
func (r *reader) outside(v *install.Value) bool {
	for _, name := range []string{"envFile", "env_vars", "bearer_token_env_var", "env_http_headers", "headersHelper"} {
		if v.Get(name) != nil {
			return true
		}
	}
	if keys := v.Get("env_keys"); keys != nil { // in Goose's own store
		for i := range keys.Elements {
			if _, ok := r.program.Env[keys.Elements[i].Text]; !ok {
				return true
			}
		}
	}
	return false
}

// filledIn reports whether the client puts values in the place of references that a
// program's entry holds.
func (r *reader) filledIn() bool {
	if verbatim[r.e.Client.ID] {
		return false
	}
	parts := slices.Concat([]string{r.program.Command, r.program.Dir}, r.program.Args, slices.Collect(maps.Values(r.program.Env)))
	return slices.ContainsFunc(parts, func(s string) bool {
		return strings.Contains(s, "${") || r.e.Client.ID == "gemini-cli" && reference().MatchString(s)
	})
}

// plan says what the entry would be without secrets.
func (r *reader) plan(v *install.Value) {
	if r.program.Command != "" {
		remote, name := r.bridged()
		if r.e.Bridge = name; remote != nil {
			r.e.Remote = remote
			return
		}
		if p := r.program; !r.filledIn() {
			r.e.Program = &p
		}
		return
	}
	if r.address == "" {
		return
	}
	r.e.Remote = remoteOf(r.address, r.headers)
	if r.e.Remote == nil {
		return
	}
	r.e.Remote.SSE = r.sse
	if o := first(v, "oauth", "auth"); o != nil {
		r.e.Remote.ClientID = text(first(o, "clientId", "client_id", "CLIENT_ID"))
		if s := text(first(o, "clientSecret", "client_secret", "CLIENT_SECRET")); s != "" && literal(s) {
			r.e.Remote.ClientSecret = secret.New(s)
		}
		if scopes := o.Get("scopes"); scopes != nil {
			for i := range scopes.Elements {
				r.e.Remote.Scopes = append(r.e.Remote.Scopes, scopes.Elements[i].Text)
			}
		}
	}
}

// remoteOf takes secrets out of an address and header fields. Nil: it is no address
// of a server, or it needs what is not in the file.
func remoteOf(address string, headers map[string]string) *Remote {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || reference().MatchString(address) {
		return nil
	}
	out := &Remote{Headers: map[string]string{}, SecretHeaders: map[string]secret.Value{}, SecretQuery: map[string]secret.Value{}}
	if p, ok := u.User.Password(); ok {
		out.SecretHeaders["Authorization"] = secret.New("Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+p)))
	}
	u.User = nil
	q := u.Query()
	for name, values := range q {
		if _, ok := inQuery(name, values[0]); ok && len(values) == 1 {
			out.SecretQuery[name] = secret.New(values[0])
			q.Del(name)
		}
	}
	if len(out.SecretQuery) > 0 {
		u.RawQuery = q.Encode()
	}
	for name, value := range headers {
		if reference().MatchString(value) {
			return nil
		}
		if _, ok := inHeader(name, value); ok {
			out.SecretHeaders[name] = secret.New(strings.TrimSpace(value))
		} else {
			out.Headers[name] = strings.TrimSpace(value)
		}
	}
	out.URL = u.String()
	return out
}
