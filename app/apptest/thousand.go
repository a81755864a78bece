// Package apptest makes states of the agent for tests of what the app shows.
package apptest

import (
	"fmt"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

// Thousand returns a state of two hundred accounts, which are ready, and a thousand
// servers, used one a minute before now.
func Thousand(servers local.Status, now time.Time) *local.State {
	s := &local.State{Vault: local.VaultState{Open: true}}
	for i := range 200 {
		s.Accounts = append(s.Accounts, local.AccountState{Name: fmt.Sprintf("account-%03d", i), Kind: account.OAuth, State: local.Ready,
			Identity: fmt.Sprintf("person-%d@example.com", i), Origins: []string{"https://a.example.com"}, AddedAt: now})
	}
	for i := range 1000 {
		a := s.Accounts[i%len(s.Accounts)]
		s.Servers = append(s.Servers, local.ServerState{Name: fmt.Sprintf("server-%04d", i), URL: fmt.Sprintf("https://s%d.example.com/mcp", i),
			Account: a.Name, Kind: a.Kind, Identity: a.Identity, State: servers, LastUsed: now.Add(-time.Duration(i) * time.Minute), ExpiresAt: now.Add(time.Hour)})
	}
	return s
}
