package team

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/crypto/ssh"

	"keyporter/broker/local"
	"keyporter/internal/atomicfile"
	"keyporter/internal/hint"
	"keyporter/internal/sshsig"
)

// Namespace is the purpose of signatures of profiles (ssh-keygen -n).
const Namespace = "keyporter-profile"

// SignedText returns what a profile's signature is of: the profile's text without
// the member signature, in the canonical form of JSON (RFC 8785). So a profile
// that was only laid out anew stays signed.
func SignedText(profile []byte) ([]byte, error) {
	var m map[string]jsontext.Value
	if err := json.Unmarshal(bytes.TrimPrefix(profile, []byte("\xef\xbb\xbf")), &m); err != nil {
		return nil, fmt.Errorf("read profile: %w", err)
	}
	delete(m, "signature")
	b, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write profile: %w", err)
	}
	text := jsontext.Value(b)
	if err := text.Canonicalize(); err != nil {
		return nil, fmt.Errorf("write profile: %w", err)
	}
	return text, nil
}

// Sign returns the profile with a signature of the key.
func Sign(profile []byte, key ssh.Signer) ([]byte, error) {
	p, err := Parse(profile)
	if err != nil {
		return nil, err
	}
	p.Signature = ""
	plain, err := p.Encode()
	if err != nil {
		return nil, err
	}
	text, err := SignedText(plain)
	if err != nil {
		return nil, err
	}
	if p.Signature, err = sshsig.Sign(key, Namespace, text); err != nil {
		return nil, err
	}
	return p.Encode()
}

// SignerOf checks a profile's signature. signers is the list of those who are
// known. A signature that is not one of this profile is an error with words.
func SignerOf(profile []byte, signature string, signers sshsig.Signers, now time.Time) (*local.Signer, error) {
	if signature == "" {
		return &local.Signer{Standing: local.Unsigned}, nil
	}
	text, err := SignedText(profile)
	if err != nil {
		return nil, err
	}
	key, err := sshsig.Verify(signature, Namespace, text)
	const do = "Get it once more from whoever made it; nothing was changed."
	switch {
	case errors.Is(err, sshsig.ErrChanged):
		return nil, hint.Wrap(err, hint.Refused, "The profile was changed after it was signed.", do)
	case errors.Is(err, sshsig.ErrPurpose):
		return nil, hint.Wrap(err, hint.Refused, "The profile's signature was made for something else.", do)
	case err != nil:
		return nil, hint.Wrap(err, hint.Refused, "The profile's signature is cut off or damaged.", do)
	}
	s := &local.Signer{Standing: local.SignedKnown, Fingerprint: ssh.FingerprintSHA256(key), Key: string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(key)))}
	switch s.Name, err = signers.Name(key, Namespace, now); {
	case errors.Is(err, sshsig.ErrExpired):
		s.Standing = local.SignedExpired
	case err != nil:
		s.Standing = local.SignedUnknown
	}
	return s, nil
}

// ReadSigners reads the list of signers. One that is not there is empty.
func ReadSigners(path string) (sshsig.Signers, error) {
	text, err := atomicfile.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var list sshsig.Signers
	if err == nil {
		list, err = sshsig.ParseSigners(text)
	}
	if err != nil {
		return nil, hint.Wrap(err, hint.Failed, fmt.Sprintf("The list of signers, %s, cannot be read: %v.", path, err), "Mend the line, or remove it.")
	}
	return list, nil
}
