package team

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"keyporter/broker/local"
	"keyporter/internal/hint"
	"keyporter/internal/sshsig"
)

func newSigner(t *testing.T) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signed(t *testing.T, key ssh.Signer) (string, *Profile) {
	t.Helper()
	_, _, text := build(t, Options{Config: rich(), Description: "チーム <&> é"})
	text, err := Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), p
}

func list(t *testing.T, text string) sshsig.Signers {
	t.Helper()
	l, err := sshsig.ParseSigners([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// Somebody without Keyporter checks a profile with jq and ssh-keygen.
func TestSshKeygenVerifiesAProfile(t *testing.T) {
	key := newSigner(t)
	text, p := signed(t, key)
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	jq := exec.Command("jq", "-jcS", "del(.signature)")
	jq.Stdin = strings.NewReader(text)
	plain, err := jq.Output()
	if err != nil {
		t.Fatal(err)
	}
	if want, err := SignedText([]byte(text)); err != nil || !bytes.Equal(plain, want) {
		t.Errorf("jq makes %s,\nwe make %s, %v", plain, want, err)
	}
	verify := exec.Command("ssh-keygen", "-Y", "verify", "-n", Namespace, "-I", "lead@example.com",
		"-f", file("allowed_signers", sshsig.Line("lead@example.com", Namespace, key.PublicKey())+"\n"), "-s", file("sig", p.Signature))
	verify.Stdin = bytes.NewReader(plain)
	if out, err := verify.CombinedOutput(); err != nil {
		t.Errorf("ssh-keygen: %v\n%s", err, out)
	}
	valid(t, []byte(text))
}

func TestSignerIsToldApart(t *testing.T) {
	key := newSigner(t)
	text, p := signed(t, key)
	public := string(ssh.MarshalAuthorizedKey(key.PublicKey()))
	stranger := string(ssh.MarshalAuthorizedKey(newSigner(t).PublicKey()))
	for name, c := range map[string]struct {
		list string
		want local.Standing
		who  string
	}{
		"known":   {"lead@example.com " + public, local.SignedKnown, "lead@example.com"},
		"unknown": {"lead@example.com " + stranger, local.SignedUnknown, ""},
		"nobody":  {"", local.SignedUnknown, ""},
		"expired": {`lead@example.com valid-before="20260601Z" ` + public, local.SignedExpired, ""},
	} {
		s, err := SignerOf([]byte(text), p.Signature, list(t, c.list), now)
		if err != nil || s.Standing != c.want || s.Name != c.who || s.Fingerprint != ssh.FingerprintSHA256(key.PublicKey()) {
			t.Errorf("%s: %+v, %v; want %s by %q", name, s, err, c.want, c.who)
		}
	}
	if s, err := SignerOf([]byte(text), "", nil, now); err != nil || s.Standing != local.Unsigned {
		t.Errorf("unsigned: %+v, %v", s, err)
	}
}

// Each way in which a signature can be no signature of the profile has its words.
func TestSignatureThatIsNotOfThisProfile(t *testing.T) {
	text, p := signed(t, newSigner(t))
	file, err := sshsig.Sign(newSigner(t), "file", []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ text, signature, says string }{
		"one letter":   {strings.Replace(text, "sales.run.app/mcp", "sales.run.app/mcq", 1), p.Signature, "was changed after it was signed"},
		"server gone":  {without(t, text, "sales"), p.Signature, "was changed after it was signed"},
		"cut":          {text, p.Signature[:100], "cut off or damaged"},
		"other text":   {text, "no signature", "cut off or damaged"},
		"another kind": {text, file, "made for something else"},
	} {
		_, err := SignerOf([]byte(c.text), c.signature, nil, now)
		if err == nil || !strings.Contains(hint.Of(err).Text(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
	var laid bytes.Buffer
	if err := json.Compact(&laid, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if _, err := SignerOf([]byte("\ufeff"+strings.ReplaceAll(text, "\n", "\r\n")), p.Signature, nil, now); err != nil {
		t.Errorf("other line ends: %v", err)
	}
	if _, err := SignerOf(laid.Bytes(), p.Signature, nil, now); err != nil {
		t.Errorf("laid out anew: %v", err)
	}
}

func without(t *testing.T, text, server string) string {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	delete(m["servers"].(map[string]any), server)
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestProfileKeepsItsTimes(t *testing.T) {
	_, _, text := build(t, Options{Config: rich(), ExpiresAt: now.Add(90*24*time.Hour + 5*time.Millisecond)})
	p, err := Parse(text)
	if err != nil || !p.IssuedAt.Equal(now) || !p.ExpiresAt.Equal(now.Add(90*24*time.Hour)) {
		t.Errorf("issued %v, expires %v, %v", p.IssuedAt, p.ExpiresAt, err)
	}
	valid(t, text)
}
