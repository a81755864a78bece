package local

import "strings"

// agentEnv returns what of the environment the agent gets: all but secrets,
// which hosts put there for other programs, and what a service manager meant
// for the starter alone.
func agentEnv(environ []string) []string {
	env := make([]string, 0, len(environ))
	for _, kv := range environ {
		if name, _, _ := strings.Cut(kv, "="); !secretName(name) && !starterOnly[name] {
			env = append(env, kv)
		}
	}
	return env
}

var starterOnly = map[string]bool{
	"NOTIFY_SOCKET": true, "LISTEN_FDS": true, "LISTEN_PID": true, "LISTEN_FDNAMES": true,
	"WATCHDOG_PID": true, "WATCHDOG_USEC": true,
}

// secretWords are words of names of variables that hold secrets.
var secretWords = map[string]bool{
	"KEY": true, "KEYS": true, "APIKEY": true, "TOKEN": true, "TOKENS": true, "SECRET": true, "SECRETS": true,
	"PASSWORD": true, "PASSWD": true, "PASS": true, "PASSPHRASE": true, "PAT": true, "AUTH": true, "BEARER": true,
	"CREDENTIAL": true, "CREDENTIALS": true, "COOKIE": true, "AUTHORIZATION": true,
}

// secretName reports whether a variable's name says that it holds a secret
// itself, and not the path of one.
func secretName(name string) bool {
	name = strings.ToUpper(name)
	if name == "GOOGLE_APPLICATION_CREDENTIALS" { // a path, and what google-adc works from
		return false
	}
	words := strings.FieldsFunc(name, func(r rune) bool { return r == '_' || r == '-' || r == '.' })
	if len(words) == 0 {
		return false
	}
	switch words[len(words)-1] {
	case "FILE", "PATH", "DIR", "DIRECTORY", "SOCK", "SOCKET":
		return false
	}
	for _, w := range words {
		if secretWords[w] {
			return true
		}
	}
	return false
}
