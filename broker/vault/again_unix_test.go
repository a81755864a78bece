//go:build unix

package vault

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// childEnv is set in a process that a test started from its own binary; its value
// is what the child shall do.
const childEnv = "KEYPORTER_VAULT_TEST_ROLE"

// child prepares the test binary to run the calling test once more, as a child.
func child(t *testing.T, role string, env ...string) *exec.Cmd {
	t.Helper()
	top, _, _ := strings.Cut(t.Name(), "/")
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+top+"$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), append(env, childEnv+"="+role)...)
	return cmd
}

// runChild runs a child to its end and fails the test if the child's test failed.
func runChild(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if err != nil || !strings.Contains(out.String(), "--- PASS") {
		t.Errorf("child: %v\n%s", err, out.String())
	}
	if strings.Contains(out.String(), word) {
		t.Errorf("a secret in the child's output")
	}
}
