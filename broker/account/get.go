package account

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// A Form is how the value of a setting is written.
type Form string

const (
	FormText  Form = "text"
	FormFlag  Form = "flag"  // "true", or "" for false
	FormList  Form = "list"  // separated by spaces
	FormPairs Form = "pairs" // NAME=VALUE, one a line
)

// Get returns the field that the command line calls key, as Set takes it (pairs
// line by line); an unknown key is an empty text.
func (s *Server) Get(key string) (value string, form Form) {
	switch key {
	case "sign-in":
		return string(s.SignIn), FormText
	case "preset":
		var name string
		if json.Unmarshal(s.Preset, &name) == nil {
			return name, FormText
		}
		return string(s.Preset), FormText
	}
	switch f := settings[key]; {
	case f.text != nil:
		return *f.text(s), FormText
	case f.flag != nil:
		if *f.flag(s) {
			value = "true"
		}
		return value, FormFlag
	case f.list != nil:
		return strings.Join(*f.list(s), " "), FormList
	case f.pairs != nil:
		var lines []string
		for _, k := range slices.Sorted(maps.Keys(*f.pairs(s))) {
			lines = append(lines, k+"="+(*f.pairs(s))[k])
		}
		return strings.Join(lines, "\n"), FormPairs
	}
	return "", FormText
}
