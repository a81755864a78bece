package scan

import (
	"encoding/base64"
	"fmt"
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
	r.client(first(v, "oauth", "auth"))
	r.plan(v)
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

// command reads what is started. Older files of Zed have it as an object.
func (r *reader) command(v *install.Value) {
	c := first(v, "command", "cmd")
	args := v.Get("args")
	if c != nil && c.Kind == install.Object {
		c, args = first(c, "path", "command"), c.Get("args")
		r.environment(v.Get("command").Get("env"))
	}
	r.program.Command, r.program.Dir = text(c), text(first(v, "cwd", "working_directory"))
	if args == nil {
		return
	}
	for i := range args.Elements {
		r.program.Args = append(r.program.Args, args.Elements[i].Text)
	}
	for i := range args.Elements {
		r.argument(args.Elements, i)
	}
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
// key.
func inQuery(name, value string) (Kind, bool) { return inValue(name, value) }

// client looks at the OAuth client of a remote server.
func (r *reader) client(v *install.Value) {
	for _, name := range []string{"clientSecret", "client_secret", "CLIENT_SECRET"} {
		if s := v.Get(name); text(s) != "" && literal(s.Text) {
			r.found(s.Start, APIKey, "client secret", s.Text)
		}
	}
}

// flag names that take a header field, and those that take NAME=VALUE.
var (
	headerFlags   = []string{"--header", "-H", "--headers"}
	variableFlags = []string{"-e", "--env", "--environment"}
)

// argument looks at the i-th argument of a program.
func (r *reader) argument(args []install.Value, i int) {
	v := &args[i]
	if v.Kind != install.String {
		return
	}
	before := ""
	if i > 0 {
		before = args[i-1].Text
	}
	name, value, joined := strings.Cut(v.Text, "=")
	switch {
	case slices.Contains(headerFlags, before):
		r.headerArgument(v, v.Text, args, i)
	case joined && slices.Contains(headerFlags, name):
		r.headerArgument(v, value, args, i)
	case slices.Contains(variableFlags, before):
		if joined {
			r.variable(v.Start, "argument "+before+" "+name, name, value)
		}
	case strings.Contains(v.Text, "://"):
		r.addressArgument(v, joined)
	case joined && strings.HasPrefix(name, "-"):
		r.variable(v.Start, "argument "+name, strings.TrimLeft(name, "-"), value)
	case strings.HasPrefix(before, "--") && !strings.Contains(before, "=") && !strings.HasPrefix(v.Text, "-"):
		if before == "--static-oauth-client-info" {
			r.clientArgument(v)
			return
		}
		r.variable(v.Start, "argument "+before, strings.TrimLeft(before, "-"), v.Text)
	default:
		if kind, ok := inValue("", v.Text); ok {
			r.found(v.Start, kind, fmt.Sprintf("argument %d", i+1), v.Text)
		}
	}
}

// headerArgument looks at "Name: value", and at "Name" "value" in two arguments as
// mcp-proxy has it.
func (r *reader) headerArgument(v *install.Value, field string, args []install.Value, i int) {
	name, value, ok := strings.Cut(field, ":")
	if !ok && i+1 < len(args) && args[i+1].Kind == install.String && !strings.Contains(field, " ") {
		if kind, ok := inHeader(field, args[i+1].Text); ok {
			r.found(args[i+1].Start, kind, "argument --header "+field, credential(args[i+1].Text))
		}
		return
	}
	if kind, secret := inHeader(strings.TrimSpace(name), value); ok && secret {
		r.found(v.Start, kind, "argument --header "+strings.TrimSpace(name), credential(value))
	}
}

func (r *reader) addressArgument(v *install.Value, joined bool) {
	at := *v
	if before, rest, ok := strings.Cut(v.Text, "="); joined && ok && strings.HasPrefix(before, "-") && !strings.Contains(before, "://") {
		at.Text = rest
	}
	n := len(r.e.Findings)
	r.location(&at)
	for i := range r.e.Findings[n:] {
		r.e.Findings[n+i].Place = "argument, " + r.e.Findings[n+i].Place
	}
}

// clientArgument looks at the JSON of a registered client.
func (r *reader) clientArgument(v *install.Value) {
	if strings.HasPrefix(v.Text, "@") {
		return // the plan reads it
	}
	if s := clientInfo(v.Text).Secret; literal(s) {
		r.found(v.Start, APIKey, "client secret", s)
	}
}

// plan says what the entry would be without secrets.
func (r *reader) plan(v *install.Value) {
	if r.program.Command != "" {
		remote, name := r.bridged()
		if r.e.Bridge = name; remote != nil {
			r.e.Remote = remote
			return
		}
		p := r.program
		r.e.Program = &p
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
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || reference.MatchString(address) {
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
		if reference.MatchString(value) {
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
