package account

import "strings"

// An Era is what generations of the protocol a server is taken to speak.
type Era string

const (
	EraAuto   Era = "auto"   // the default: it is found out, and remembered
	EraLegacy Era = "legacy" // up to 2025-11-25: a session that begins with initialize
	EraModern Era = "modern" // 2026-07-28 and later: each request stands for itself
)

// A Transport is how a server is spoken to.
type Transport string

const (
	TransportAuto Transport = "auto" // the default: Streamable HTTP, and HTTP+SSE if the server has only that
	TransportHTTP Transport = "http" // Streamable HTTP
	TransportSSE  Transport = "sse"  // HTTP+SSE of 2024-11-05
)

// A ToolPolicy says which of a server's tools its clients see and may call. The
// zero value lets all through.
type ToolPolicy struct {
	AllowTools []string `json:"allow_tools,omitempty"` // globs; with some, only tools that match one
	DenyTools  []string `json:"deny_tools,omitempty"`  // globs; they win over AllowTools, and capital letters do not matter

	// ReadOnly lets only tools through whose annotations say readOnlyHint. That
	// is the server's word: a convenience, no boundary.
	ReadOnly bool `json:"read_only,omitzero"`
}

// Active reports whether the policy keeps anything back.
func (p *ToolPolicy) Active() bool {
	return len(p.AllowTools) > 0 || len(p.DenyTools) > 0 || p.ReadOnly
}

// Named reports whether the policy lets a tool of that name through, whatever
// its annotations.
func (p *ToolPolicy) Named(tool string) bool {
	return (len(p.AllowTools) == 0 || matches(p.AllowTools, tool, keep)) && !matches(p.DenyTools, tool, strings.ToLower)
}

func keep(s string) string { return s }

func matches(globs []string, name string, fold func(string) string) bool {
	for _, g := range globs {
		if glob(fold(g), fold(name)) {
			return true
		}
	}
	return false
}

// glob reports whether name matches pattern, in which * stands for any text and
// ? for one character. Everything else stands for itself.
func glob(pattern, name string) bool {
	p, n := []rune(pattern), []rune(name)
	star, tried := -1, 0 // the last * seen, and where in name the text behind it was tried
	i, j := 0, 0
	for j < len(n) {
		switch {
		case i < len(p) && p[i] == '*':
			star, tried = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == n[j]):
			i++
			j++
		case star >= 0:
			tried++
			i, j = star+1, tried
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
