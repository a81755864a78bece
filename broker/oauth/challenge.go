package oauth

import (
	"net/http"
	"strings"
)

// A Challenge is one challenge of a WWW-Authenticate field (RFC 9110 section
// 11.6.1).
type Challenge struct {
	Scheme string            // as sent; compare without case
	Params map[string]string // names in lower case; of a repeated name the first counts
}

// ParseChallenges reads all challenges of all WWW-Authenticate fields in h, in
// their order. It takes what servers really send: parameters without commas,
// empty and unterminated quotes, spaces around "=", stray commas. What cannot be
// part of a challenge is skipped. It never fails.
func ParseChallenges(h http.Header) []Challenge {
	var all []Challenge
	for _, field := range h.Values("WWW-Authenticate") {
		p := challengeParser{rest: field}
		all = append(all, p.parse()...)
	}
	return all
}

// Bearer returns the challenge in list that asks for an OAuth access token:
// Bearer (RFC 6750 section 3) or DPoP (RFC 9449 section 7.1), nil if there is
// none. Other schemes do not matter. Of several, one that names resource metadata
// counts before one that does not, then one of Bearer before one of DPoP.
func Bearer(list []Challenge) *Challenge {
	var best *Challenge
	rank := 0
	for i := range list {
		c, r := &list[i], 0
		switch {
		case strings.EqualFold(c.Scheme, "Bearer"):
			r = 2
		case strings.EqualFold(c.Scheme, "DPoP"):
			r = 1
		default:
			continue
		}
		if c.ResourceMetadata() != "" {
			r += 2
		}
		if r > rank {
			best, rank = c, r
		}
	}
	return best
}

// DPoP reports whether the challenge wants a token bound to a key.
func (c *Challenge) DPoP() bool { return c != nil && strings.EqualFold(c.Scheme, "DPoP") }

// StepUp returns the scopes to ask for when a server wants more than a token
// has: those that were asked for or granted before and those of the challenge,
// each once, in that order (MCP authorization, scope challenge handling). more is
// false if the challenge wants nothing beyond them, so that another sign-in would
// not help.
func (c *Challenge) StepUp(before []string) (scopes []string, more bool) {
	scopes = Union(before, c.Scope())
	return scopes, len(scopes) > len(Union(before, nil))
}

// Scope returns the scopes that the server wants, in their order. Nil means that
// it said nothing that can be asked for.
func (c *Challenge) Scope() []string {
	if c == nil {
		return nil
	}
	return validScopes(c.Params["scope"])
}

// ErrorCode returns the error code of RFC 6750 section 3.1, cleaned, or "".
func (c *Challenge) ErrorCode() string { return c.param("error", 100) }

// ErrorDescription returns error_description, cleaned, or "".
func (c *Challenge) ErrorDescription() string { return c.param("error_description", 200) }

// ResourceMetadata returns the address of RFC 9728 section 5.1, or "".
func (c *Challenge) ResourceMetadata() string {
	if c == nil {
		return ""
	}
	return c.Params["resource_metadata"]
}

func (c *Challenge) param(name string, limit int) string {
	if c == nil {
		return ""
	}
	return clean(c.Params[name], limit)
}

// maxParams bounds the work for one field.
const maxParams = 200

// A challengeParser reads one field from left to right.
type challengeParser struct{ rest string }

func (p *challengeParser) parse() []Challenge {
	var list []Challenge
	for range maxParams {
		p.skip(" \t,")
		if p.rest == "" {
			break
		}
		word := p.token()
		switch {
		case word == "": // no token can begin here
			p.garbage()
		case p.assigns():
			value := p.value()
			if len(list) == 0 { // a parameter of no scheme
				continue
			}
			params := list[len(list)-1].Params
			name := strings.ToLower(word)
			if _, known := params[name]; !known {
				params[name] = value
			}
		default:
			list = append(list, Challenge{Scheme: word, Params: map[string]string{}})
			p.token68()
		}
	}
	return list
}

// skip drops the leading characters that are in set.
func (p *challengeParser) skip(set string) { p.rest = strings.TrimLeft(p.rest, set) }

// token takes a token (RFC 9110 section 5.6.2), which may be empty.
func (p *challengeParser) token() string {
	n := strings.IndexFunc(p.rest, func(r rune) bool { return !isTokenChar(r) })
	if n < 0 {
		n = len(p.rest)
	}
	word := p.rest[:n]
	p.rest = p.rest[n:]
	return word
}

// assigns takes "=" with the spaces around it, if a value follows.
func (p *challengeParser) assigns() bool {
	after, ok := strings.CutPrefix(strings.TrimLeft(p.rest, " \t"), "=")
	if ok {
		p.rest = strings.TrimLeft(after, " \t")
	}
	return ok
}

// value takes a quoted string or whatever stands up to the next space or comma;
// servers send addresses without quotes.
func (p *challengeParser) value() string {
	if !strings.HasPrefix(p.rest, `"`) {
		n := strings.IndexAny(p.rest, " \t,")
		if n < 0 {
			n = len(p.rest)
		}
		v := p.rest[:n]
		p.rest = p.rest[n:]
		return v
	}
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String()
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		default:
			b.WriteByte(c)
		}
	}
	p.rest = "" // no closing quote
	return b.String()
}

// token68 drops the token68 form of credentials after a scheme ("Negotiate
// abc=="), which says nothing to us.
func (p *challengeParser) token68() {
	rest := strings.TrimLeft(p.rest, " \t")
	if rest == p.rest {
		return
	}
	n := strings.IndexAny(rest, " \t,")
	if n < 0 {
		n = len(rest)
	}
	word := rest[:n]
	body := strings.TrimRight(word, "=")
	next := strings.TrimLeft(rest[n:], " \t")
	alone := next == "" || next[0] == ','
	if body == "" || !alone || strings.ContainsFunc(body, func(r rune) bool { return !isTokenChar(r) && r != '/' }) {
		return
	}
	// "Basic, Bearer": a word alone after a comma was skipped before; here the
	// word stands right behind the scheme.
	p.rest = rest[n:]
}

// garbage drops what no rule covers, up to the next comma or space.
func (p *challengeParser) garbage() {
	if strings.HasPrefix(p.rest, `"`) {
		p.value()
		return
	}
	if n := strings.IndexAny(p.rest[1:], " \t,"); n >= 0 {
		p.rest = p.rest[1+n:]
		return
	}
	p.rest = ""
}

func isTokenChar(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}
