package paths

import (
	"fmt"
	"os"
	"path/filepath"
)

// platform follows the XDG base directory specification, but for the runtime
// folder: it is in /run/user/UID if that is there, else the state folder.
func platform(home string, getenv func(string) string) (Paths, error) {
	dir := func(env string, otherwise ...string) string {
		if d := getenv(env); filepath.IsAbs(d) {
			return filepath.Join(d, "keyporter")
		}
		return filepath.Join(append(append([]string{home}, otherwise...), "keyporter")...)
	}
	p := Paths{Config: dir("XDG_CONFIG_HOME", ".config"), State: dir("XDG_STATE_HOME", ".local", "state")}
	// The runtime folder must not depend on the environment: a host that passes
	// no XDG_RUNTIME_DIR has to find the agent that a terminal started.
	// It does depend on the state folder, so that two homes have two agents.
	if run := fmt.Sprintf("/run/user/%d", os.Getuid()); isDir(run) {
		p.Runtime = filepath.Join(run, "keyporter-"+short(p.State))
	} else {
		p.Runtime = runtimeIn(p.State)
	}
	return p, nil
}

func isDir(p string) bool {
	fi, err := os.Stat(p)
	return err == nil && fi.IsDir()
}
