package account

import (
	"encoding/json"
	"maps"
	"slices"
)

// Schema is what $schema says in config.json: the file beside it that the agent writes.
const Schema = "./config.schema.json"

// A Config is the content of config.json. Its zero value is an empty list.
// Reading and writing it is broker/config's work.
type Config struct {
	Schema   string              `json:"$schema"`
	Version  int                 `json:"version"` // 1
	Servers  map[string]*Server  `json:"servers"`
	Accounts map[string]*Account `json:"accounts"`
	Settings Settings            `json:"settings"`

	// Unknown keeps fields that this version does not know.
	Unknown map[string]json.RawMessage `json:",embed"`
}

// ServerNames returns the names of the servers, sorted.
func (c *Config) ServerNames() []string { return slices.Sorted(maps.Keys(c.Servers)) }

// AccountNames returns the names of the accounts, sorted.
func (c *Config) AccountNames() []string { return slices.Sorted(maps.Keys(c.Accounts)) }

// UsedBy returns the names of the servers that use the account, sorted.
func (c *Config) UsedBy(account string) []string {
	var names []string
	for n, s := range c.Servers {
		if s.Uses(account) {
			names = append(names, n)
		}
	}
	slices.Sort(names)
	return names
}

// Users is UsedBy for all accounts at once.
func (c *Config) Users() map[string][]string {
	users := make(map[string][]string, len(c.Accounts))
	for _, n := range c.ServerNames() {
		s := c.Servers[n]
		used := append(slices.Collect(maps.Values(s.AlsoAccounts)), s.Account)
		slices.Sort(used)
		for _, a := range slices.Compact(used) {
			users[a] = append(users[a], n)
		}
	}
	return users
}
