package scan

import (
	"encoding/json"
	"path"
	"strings"

	"keyporter/broker/secret"
	"keyporter/internal/atomicfile"
	"keyporter/internal/lazy"
)

// bridges are programs that join a client to a remote server, by the names of
// their packages and commands.
var bridges = map[string]bool{"mcp-remote": true, "mcp-remote-go": true, "fastmcp-remote": true}

// bridgeName returns the bridge that a word of a command line is: mcp-remote,
// mcp-remote@latest, the path of its script.
func bridgeName(word string) string {
	word = strings.ReplaceAll(word, `\`, "/")
	for _, part := range strings.Split(word, "/") {
		name, _, _ := strings.Cut(part, "@")
		name = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(name), ".exe"), ".cmd")
		if name, _, _ = strings.Cut(name, "=="); bridges[name] {
			return name
		}
	}
	return ""
}

// bridged reads the command line of another bridge. The name is empty if there is
// none, and the Remote nil if its arguments hold something that has no place in
// Keyporter.
func (r *reader) bridged() (*Remote, string) {
	words := append([]string{r.program.Command}, r.program.Args...)
	if path.Base(r.program.Command) == "docker" {
		return nil, ""
	}
	for i, w := range words {
		if name := bridgeName(w); name != "" {
			return r.bridgeArguments(words[i+1:]), name
		}
	}
	return nil, ""
}

// flags of the bridges: those that take a value and mean nothing here, and those
// that stand alone.
var (
	idleValues = set("--host --callback-path --auth-timeout --connect-timeout --headers-timeout --body-timeout --ping-interval --protocol --auth --lease-timeout")
	idleFlags  = set("--debug --silent --enable-proxy --keep-alive --ipv4 --device-code")
	variable   = lazy.Regexp(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)
)

// bridgeArguments reads what stands behind a bridge's name.
func (r *reader) bridgeArguments(args []string) *Remote {
	address, headers := "", map[string]string{}
	out := &Remote{AuthorizeParams: map[string]string{}}
	for i := 0; i < len(args); i++ {
		name, value, joined := strings.Cut(args[i], "=")
		if !strings.HasPrefix(args[i], "-") {
			if address == "" {
				address = r.expand(args[i])
			} // else the port of the redirect listener
			continue
		}
		alone := idleFlags[name] || name == "--allow-http" || name == "--disable-resource-parameter"
		if !joined && !alone {
			if i++; i == len(args) {
				return nil
			}
			value = args[i]
		}
		switch value = r.expand(value); {
		case name == "--allow-http":
			out.AllowHTTP = true
		case name == "--disable-resource-parameter":
			out.NoResource = true
		case alone, idleValues[name]:
		case name == "--header", name == "-H":
			h, v, ok := strings.Cut(value, ":")
			if !ok {
				return nil
			}
			headers[strings.TrimSpace(h)] = strings.TrimSpace(v)
		case name == "--header-file":
			if !r.headerFile(out, value, headers) {
				return nil
			}
		case name == "--resource":
			out.Resource = value
		case name == "--transport":
			out.SSE = strings.HasPrefix(value, "sse")
		case name == "--ignore-tool":
			out.DenyTools = append(out.DenyTools, value)
		case name == "--authorize-param":
			k, v, _ := strings.Cut(value, "=")
			out.AuthorizeParams[k] = v
		case name == "--static-oauth-client-info":
			if !r.clientInfo(out, value) {
				return nil
			}
		case name == "--static-oauth-client-metadata":
			out.scopes(value)
		default:
			return nil
		}
	}
	made := remoteOf(address, headers)
	if made == nil {
		return nil
	}
	out.URL, out.Headers, out.SecretHeaders, out.SecretQuery = made.URL, made.Headers, made.SecretHeaders, made.SecretQuery
	return out
}

// expand puts in the variables of the entry's own environment, as the bridges do.
func (r *reader) expand(s string) string {
	return variable().ReplaceAllStringFunc(s, func(ref string) string {
		if v, ok := r.program.Env[ref[2:len(ref)-1]]; ok && literal(v) {
			return v
		}
		return ref
	})
}

// headerFile reads "Name: value" lines.
func (r *reader) headerFile(out *Remote, file string, headers map[string]string) bool {
	b, err := atomicfile.ReadFile(file)
	if err != nil {
		return false
	}
	n := 0
	for line := range strings.Lines(string(b)) {
		n++
		line = strings.TrimSpace(line)
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		name, value = strings.TrimSpace(name), r.expand(strings.TrimSpace(value))
		headers[name] = value
		if kind, ok := inHeader(name, value); ok {
			r.elsewhere(file, n, kind, "header "+name, credential(value))
		}
	}
	out.Files = append(out.Files, file)
	return true
}

// elsewhere adds a finding in a file that an entry names.
func (r *reader) elsewhere(file string, line int, kind Kind, place, value string) {
	r.found(0, kind, place, value)
	f := &r.e.Findings[len(r.e.Findings)-1]
	f.File, f.Line = file, line
}

// A staticClient is what mcp-remote takes as --static-oauth-client-info.
type staticClient struct {
	ID     string `json:"client_id"`
	Secret string `json:"client_secret"`
	Scope  string `json:"scope"`
}

// clientInfo reads JSON, or the file that @ names.
func clientInfo(value string) (c staticClient) {
	b := []byte(value)
	if file, ok := strings.CutPrefix(value, "@"); ok {
		var err error
		if b, err = atomicfile.ReadFile(file); err != nil {
			return c
		}
	}
	_ = json.Unmarshal(b, &c) // what cannot be read is empty
	return c
}

func (r *reader) clientInfo(out *Remote, value string) bool {
	c := clientInfo(value)
	if c.ID == "" || reference().MatchString(c.ID+c.Secret) {
		return false
	}
	if file, ok := strings.CutPrefix(value, "@"); ok && c.Secret != "" {
		out.Files = append(out.Files, file)
		r.elsewhere(file, 1, APIKey, "client secret", c.Secret)
	}
	out.ClientID = c.ID
	if c.Secret != "" {
		out.ClientSecret = secret.New(c.Secret)
	}
	out.scopes(value)
	return true
}

// scopes takes over the scope of client information or metadata.
func (out *Remote) scopes(value string) {
	if s := strings.Fields(clientInfo(value).Scope); len(s) > 0 {
		out.Scopes = s
	}
}
