package sshsig

import (
	"bufio"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
)

// A real ssh-agent signs with the key that it holds and the file does not.
func TestAgentSigns(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "agent")
	c := exec.Command("ssh-agent", "-D", "-a", socket)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // it says where it listens
		t.Fatal(err)
	}
	getenv := func(name string) string { return map[string]string{"SSH_AUTH_SOCK": socket}[name] }
	for _, kind := range []string{"rsa", "ed25519"} {
		file := newKey(t, kind, "")
		add := exec.Command("ssh-add", "-q", file)
		add.Env = append(add.Environ(), "SSH_AUTH_SOCK="+socket)
		if text, err := add.CombinedOutput(); err != nil {
			t.Fatalf("ssh-add: %v\n%s", err, text)
		}
		public, err := ParsePublicKey(read(t, file+".pub"))
		if err != nil {
			t.Fatal(err)
		}
		a, err := DialAgent(t.Context(), getenv)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		key, err := a.Signer(public)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := Sign(key, purpose, []byte("message"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(sig, purpose, []byte("message")); err != nil {
			t.Error(err)
		}
		stranger, err := ParsePublicKey(read(t, newKey(t, "ed25519", "")+".pub"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Signer(stranger); !errors.Is(err, ErrNotLoaded) {
			t.Errorf("key that is not there: %v, want %v", err, ErrNotLoaded)
		}
	}
	if _, err := DialAgent(t.Context(), func(string) string { return "" }); !errors.Is(err, ErrNoAgent) {
		t.Errorf("no agent: %v, want %v", err, ErrNoAgent)
	}
}
