package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A program of the user puts pipes in the places of files that the agent and the
// commands open by their names. Nobody writes to them or reads them, so whoever waited
// for that would hang, and no command ends with it.
func TestAPipeInThePlaceOfAFileHangsNoProgram(t *testing.T) {
	t.Parallel()
	h := newHome(t).quick()
	h.keyed()
	h.do("call", "acme", "get_time")
	kp := h.paths().State
	h.do("stop")
	names := []string{"config.json", "config.schema.json", "state.json", "vault.age", "vault.age.prev", "identity.age",
		"audit.jsonl", "audit.jsonl.1", "audit.head", "agent.log", "agent.lock", "agent.starting", "allowed_signers", "paused"}
	answers, err := filepath.Glob(filepath.Join(kp, "answers", "*"))
	check(t, err)
	if len(answers) == 0 {
		t.Error("nothing is kept of what the server said")
	}
	for _, path := range answers {
		names = append(names, strings.TrimPrefix(path, kp+"/"))
	}
	check(t, os.MkdirAll(filepath.Join(h.dir, ".config"), 0o700))
	names = append(names, "../.config/kioslaverc") // of KDE, which knows of proxies
	for _, name := range names {
		for _, runs := range []bool{false, true} {
			was := "before the agent starts"
			if runs {
				was = "while the agent runs"
				h.do("start")
			}
			path := filepath.Join(kp, name)
			had := os.Rename(path, path+".x") == nil
			check(t, syscall.Mkfifo(path, 0o600))
			for _, args := range [][]string{{"call", "acme", "get_time"}, {"log", "--verify"}, {"set", "acme", "scope=read"}, {"stop"}} {
				if r := h.run(args...); r.code != 0 && r.code != 1 && r.code != 4 {
					t.Errorf("%s, %s: keyporter %s: exit code %d\n%s", name, was, strings.Join(args, " "), r.code, h.said(r.err))
				}
			}
			check(t, os.RemoveAll(path))
			if had {
				check(t, os.Rename(path+".x", path))
			}
		}
	}
	h.do("call", "acme", "get_time")
}
