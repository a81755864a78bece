package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A made-up report on a package that every program has.
const report = `{"schema_version": "1.3.1", "id": "GO-2020-0001", "modified": "2020-01-01T00:00:00Z", "published": "2020-01-01T00:00:00Z",
"summary": "made up", "details": "made up", "database_specific": {"url": "https://vuln.example/GO-2020-0001"},
"affected": [{"package": {"name": "stdlib", "ecosystem": "Go"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
"ecosystem_specific": {"imports": [{"path": "fmt"}]}}]}`

// vulncheck runs scripts/vulncheck and returns what it prints and its exit status.
func vulncheck(t *testing.T, env []string, args ...string) (string, int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "scripts/vulncheck", append(args, "./internal/hint")...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	return string(out), 0
}

func TestAVulnerabilityFailsAndAnUnreachableDatabaseDoesNot(t *testing.T) {
	database := t.TempDir()
	if err := os.WriteFile(filepath.Join(database, "GO-2020-0001.json"), []byte(report), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, status := vulncheck(t, nil, "-db", "file://"+database); status != 3 || !strings.Contains(out, "GO-2020-0001") {
		t.Errorf("a vulnerability: status %d\n%s", status, out)
	}
	// Nobody listens on that port. The tool itself is in the module cache now.
	modules, err := output(t.Context(), "go", "env", "GOMODCACHE")
	if err != nil {
		t.Fatal(err)
	}
	nowhere := []string{"HTTPS_PROXY=http://127.0.0.1:1", "GOPROXY=file://" + modules + "/cache/download", "GONOSUMDB=*"}
	if out, status := vulncheck(t, nowhere); status != 0 || !strings.Contains(out, "cannot be reached") {
		t.Errorf("an unreachable database: status %d\n%s", status, out)
	}
	if out, status := vulncheck(t, nil, "-db", "file://"+database+"/none"); status == 0 {
		t.Errorf("a database that is not there passed: %s", out)
	}
}
