package sshsig

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

const purpose = "keyporter-test"

// run runs a program of OpenSSH.
func run(t *testing.T, stdin string, name string, args ...string) (string, error) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	return string(out), err
}

// newKey makes a key with ssh-keygen; the file beside it with .pub is public.
func newKey(t *testing.T, kind, passphrase string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if out, err := run(t, "", "ssh-keygen", "-q", "-a", "1", "-t", kind, "-N", passphrase, "-C", "lead@example.com", "-f", file); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	return file
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// What is signed here, ssh-keygen accepts for the signer that the list names,
// and not when a byte differs.
func TestSshKeygenVerifiesOurs(t *testing.T) {
	const message = "the message\n"
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		t.Run(kind, func(t *testing.T) {
			file := newKey(t, kind, "")
			key, err := ParseKey(read(t, file), nil)
			if err != nil {
				t.Fatal(err)
			}
			sig, err := Sign(key, purpose, []byte(message))
			if err != nil {
				t.Fatal(err)
			}
			list := write(t, "allowed_signers", Line("lead@example.com", purpose, key.PublicKey())+"\n")
			args := []string{"-Y", "verify", "-f", list, "-I", "lead@example.com", "-n", purpose, "-s", write(t, "sig", sig)}
			if out, err := run(t, message, "ssh-keygen", args...); err != nil {
				t.Errorf("ssh-keygen -Y verify: %v\n%s", err, out)
			}
			if out, err := run(t, "The message\n", "ssh-keygen", args...); err == nil {
				t.Errorf("ssh-keygen accepts a changed message: %s", out)
			}
		})
	}
}

func TestVerifiesThoseOfSshKeygen(t *testing.T) {
	for _, kind := range []string{"ed25519", "ecdsa", "rsa"} {
		for _, hash := range []string{"sha512", "sha256"} {
			t.Run(kind+" "+hash, func(t *testing.T) {
				file := newKey(t, kind, "")
				message := write(t, "message", "what was signed")
				if out, err := run(t, "", "ssh-keygen", "-Y", "sign", "-f", file, "-n", purpose, "-O", "hashalg="+hash, message); err != nil {
					t.Fatalf("ssh-keygen -Y sign: %v\n%s", err, out)
				}
				sig := string(read(t, message+".sig"))
				key, err := Verify(sig, purpose, read(t, message))
				if err != nil {
					t.Fatal(err)
				}
				want, err := ParsePublicKey(read(t, file+".pub"))
				if err != nil {
					t.Fatal(err)
				}
				if ssh.FingerprintSHA256(key) != ssh.FingerprintSHA256(want) {
					t.Errorf("key = %s, want %s", ssh.FingerprintSHA256(key), ssh.FingerprintSHA256(want))
				}
				if _, err := Verify(sig, purpose, []byte("What was signed")); !errors.Is(err, ErrChanged) {
					t.Errorf("changed message: %v, want %v", err, ErrChanged)
				}
				if _, err := Verify(sig, "git", read(t, message)); !errors.Is(err, ErrPurpose) {
					t.Errorf("another purpose: %v, want %v", err, ErrPurpose)
				}
			})
		}
	}
}

func TestSignatureThatIsNoneOrCut(t *testing.T) {
	key, err := ParseKey(read(t, newKey(t, "ed25519", "")), nil)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := Sign(key, purpose, []byte("message"))
	if err != nil {
		t.Fatal(err)
	}
	for name, sig := range map[string]string{
		"empty": "", "text": "hello", "half": whole[:len(whole)/2], "no end": strings.TrimSuffix(whole, end+"\n"),
		"no data": begin + "\n" + end, "cut inside": strings.Replace(whole, whole[60:100], "", 1), "other base64": begin + "\naGVsbG8=\n" + end,
		"long": begin + strings.Repeat("A", maxSignature) + end,
	} {
		if _, err := Verify(sig, purpose, []byte("message")); !errors.Is(err, ErrForm) {
			t.Errorf("%s: %v, want %v", name, err, ErrForm)
		}
	}
	if _, err := Verify("\r\n"+strings.ReplaceAll(whole, "\n", "\r\n"), purpose, []byte("message")); err != nil {
		t.Errorf("other line ends: %v", err)
	}
}

func TestSigners(t *testing.T) {
	line := string(read(t, newKey(t, "ed25519", "")+".pub"))
	other := string(read(t, newKey(t, "ecdsa", "")+".pub"))
	key, err := ParsePublicKey([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		list string
		want string
		err  error
	}{
		"named":         {"# the leads\n\nlead@example.com " + line, "lead@example.com", nil},
		"in quotes":     {`"Lead Person,lead@example.com" ` + line, "Lead Person,lead@example.com", nil},
		"among others":  {"a@example.com " + other + "b@example.com " + line, "b@example.com", nil},
		"nobody":        {"", "", ErrUnknown},
		"another key":   {"lead@example.com " + other, "", ErrUnknown},
		"for git only":  {`lead@example.com namespaces="git,file" ` + line, "", ErrUnknown},
		"for all but":   {`lead@example.com namespaces="*,!` + purpose + `" ` + line, "", ErrUnknown},
		"for this":      {`lead@example.com namespaces="git,keyporter-*" ` + line, "lead@example.com", nil},
		"too early":     {`lead@example.com valid-after="20260615120001Z" ` + line, "", ErrExpired},
		"early enough":  {`lead@example.com valid-after="20260615120000Z" ` + line, "lead@example.com", nil},
		"too late":      {`lead@example.com valid-before="20260615120000Z" ` + line, "", ErrExpired},
		"late":          {`lead@example.com valid-before="202606151201Z" ` + line, "lead@example.com", nil},
		"old, then new": {`lead@example.com valid-before="20260101" ` + line + "lead@example.com " + line, "lead@example.com", nil},
		"an authority":  {"lead@example.com cert-authority " + line, "", ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			list, err := ParseSigners([]byte(c.list))
			if err != nil {
				t.Fatal(err)
			}
			got, err := list.Name(key, purpose, now)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("Name = %q, %v; want %q, %v", got, err, c.want, c.err)
			}
		})
	}
	for name, list := range map[string]string{
		"no key": "lead@example.com", "no key again": "lead@example.com ssh-ed25519 AAAA", "odd option": "\nlead@example.com no-pty " + line,
		"odd time": `lead@example.com valid-before="soon" ` + line, "open quote": `"lead ` + line,
	} {
		if _, err := ParseSigners([]byte(list)); err == nil || !strings.HasPrefix(err.Error(), "line ") {
			t.Errorf("%s: %v, want the number of the line", name, err)
		}
	}
}

func TestKeyWithPassphrase(t *testing.T) {
	const word = "SECRETWORD passphrase"
	text := read(t, newKey(t, "ed25519", word))
	for _, wrong := range []string{"", "another"} {
		if _, err := ParseKey(text, []byte(wrong)); !errors.Is(err, ErrPassphrase) {
			t.Errorf("passphrase %q: %v, want %v", wrong, err, ErrPassphrase)
		}
	}
	if _, err := ParseKey(text, []byte(word)); err != nil {
		t.Error(err)
	}
	if _, err := ParseKey([]byte("no key"), nil); err == nil || errors.Is(err, ErrPassphrase) {
		t.Errorf("no key: %v", err)
	}
}
