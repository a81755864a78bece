package account

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"keyporter/internal/hint"
)

// Uses reports whether the server gets tokens of the account.
func (s *Server) Uses(account string) bool {
	if s.Account == account {
		return true
	}
	for _, a := range s.AlsoAccounts {
		if a == account {
			return true
		}
	}
	return false
}

// Without takes the account away from the server.
func (s *Server) Without(account string) {
	if s.Account == account {
		s.Account = ""
	}
	s.AlsoAccounts = maps.Clone(s.AlsoAccounts)
	maps.DeleteFunc(s.AlsoAccounts, func(_, a string) bool { return a == account })
	if len(s.AlsoAccounts) == 0 {
		s.AlsoAccounts = nil
	}
}

// Layers returns the server once for each account whose token its requests
// carry, as if it had that one alone: first its own account, then the further
// ones by their header. A server without further accounts is its own one layer.
func (s *Server) Layers() []*Server {
	layers := []*Server{s}
	for _, header := range slices.Sorted(maps.Keys(s.AlsoAccounts)) {
		layer := *s
		layer.Account, layer.TokenHeader = s.AlsoAccounts[header], header
		layer.AlsoAccounts, layer.SecretHeaders, layer.SecretQuery, layer.Further = nil, nil, nil, true
		layers = append(layers, &layer)
	}
	return layers
}

// checkAlsoAccounts reports whether each token has a header of its own.
func (s *Server) checkAlsoAccounts() error {
	seen := map[string]bool{}
	for _, l := range s.Layers() {
		name := l.TokenHeader
		if name == "" {
			name = "Authorization"
		}
		if len(s.AlsoAccounts) > 0 && seen[strings.ToLower(name)] {
			return hint.New(hint.Usage, fmt.Sprintf("Two tokens cannot both go in the header %s.", name),
				"Give one of them another header: --token-header for the account, --also-account HEADER=ACCOUNT for the further one.")
		}
		seen[strings.ToLower(name)] = true
	}
	for h, a := range s.AlsoAccounts {
		if err := CheckHeader(h); err != nil {
			return err
		}
		if err := CheckName(a); err != nil {
			return err
		}
	}
	return nil
}
