// Package sshsig makes and checks signatures of files with SSH keys, in the form
// of ssh-keygen -Y sign (OpenSSH, PROTOCOL.sshsig), so that either program checks
// what the other signed. Whose key it is, a list in the form of ssh-keygen's
// allowed_signers says; see Signers.
//
// Certificates are left out: neither a certificate's key nor a line with
// cert-authority is good for anything here.
package sshsig

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/ssh"
)

const (
	magic   = "SSHSIG"
	version = 1
	begin   = "-----BEGIN SSH SIGNATURE-----"
	end     = "-----END SSH SIGNATURE-----"

	maxSignature = 16 << 10 // in bytes; an RSA key of 16384 bits needs half of it
)

var (
	// ErrForm is returned for what is no whole signature: cut off, or another text.
	ErrForm = errors.New("not a whole SSH signature")
	// ErrPurpose is returned for a signature that was made for another purpose.
	ErrPurpose = errors.New("the signature was made for another purpose")
	// ErrChanged is returned when the signature is not one of this message.
	ErrChanged = errors.New("the message is not the one that was signed")
)

// A blob is a signature's binary form, after the magic (PROTOCOL.sshsig, "Blob format").
type blob struct {
	Version   uint32
	PublicKey []byte
	Namespace string
	Reserved  string
	Hash      string
	Signature []byte
}

// A tosign is what the key signs, after the magic ("Signed Data, of which the
// signature goes into the blob above").
type tosign struct {
	Namespace string
	Reserved  string
	Hash      string
	Sum       []byte
}

// Sign signs a message for a purpose, the namespace, and returns the signature
// with its frame.
func Sign(key ssh.Signer, namespace string, message []byte) (string, error) {
	data, err := signedData(namespace, "", "sha512", message)
	if err != nil {
		return "", err
	}
	sig, err := sign(key, data)
	if err != nil {
		return "", fmt.Errorf("sign with SSH key: %w", err)
	}
	raw := append([]byte(magic), ssh.Marshal(blob{version, key.PublicKey().Marshal(), namespace, "", "sha512", ssh.Marshal(sig)})...)
	return armor(raw), nil
}

// sign never makes an RSA signature with SHA-1 ("Signed Data": RSA keys use
// rsa-sha2-512 or rsa-sha2-256).
func sign(key ssh.Signer, data []byte) (*ssh.Signature, error) {
	if _, cert := key.PublicKey().(*ssh.Certificate); cert {
		return nil, errors.New("it is a certificate; name its key")
	}
	if key.PublicKey().Type() != ssh.KeyAlgoRSA {
		return key.Sign(rand.Reader, data)
	}
	rsa, ok := key.(ssh.AlgorithmSigner)
	if !ok {
		return nil, errors.New("this RSA key can only sign with SHA-1")
	}
	return rsa.SignWithAlgorithm(rand.Reader, data, ssh.KeyAlgoRSASHA512)
}

// Verify checks that the signature is one of this message, made for this
// purpose, and returns the key that made it. Whose key that is, it does not say.
func Verify(signature, namespace string, message []byte) (ssh.PublicKey, error) {
	raw, err := unarmor(signature)
	if err != nil {
		return nil, err
	}
	var b blob
	rest, ok := bytes.CutPrefix(raw, []byte(magic))
	if !ok || ssh.Unmarshal(rest, &b) != nil || b.Version != version {
		return nil, ErrForm
	}
	key, err := ssh.ParsePublicKey(b.PublicKey)
	if err != nil {
		return nil, ErrForm
	}
	var sig ssh.Signature
	if ssh.Unmarshal(b.Signature, &sig) != nil || sig.Format == ssh.KeyAlgoRSA {
		return nil, ErrForm
	}
	if b.Namespace != namespace {
		return nil, ErrPurpose
	}
	data, err := signedData(b.Namespace, b.Reserved, b.Hash, message)
	if err != nil {
		return nil, err
	}
	if key.Verify(data, &sig) != nil {
		return nil, ErrChanged
	}
	return key, nil
}

func signedData(namespace, reserved, hash string, message []byte) ([]byte, error) {
	var sum []byte
	switch hash {
	case "sha512":
		s := sha512.Sum512(message)
		sum = s[:]
	case "sha256":
		s := sha256.Sum256(message)
		sum = s[:]
	default:
		return nil, ErrForm
	}
	return append([]byte(magic), ssh.Marshal(tosign{namespace, reserved, hash, sum})...), nil
}

// armor frames a signature as ssh-keygen does, in lines of 70 characters.
func armor(raw []byte) string {
	text := base64.StdEncoding.EncodeToString(raw)
	var b strings.Builder
	b.WriteString(begin + "\n")
	for len(text) > 70 {
		b.WriteString(text[:70] + "\n")
		text = text[70:]
	}
	b.WriteString(text + "\n" + end + "\n")
	return b.String()
}

func unarmor(text string) ([]byte, error) {
	body, ok := strings.CutPrefix(strings.TrimSpace(text), begin)
	if !ok || len(text) > maxSignature {
		return nil, ErrForm
	}
	if body, ok = strings.CutSuffix(body, end); !ok {
		return nil, ErrForm
	}
	raw, err := base64.StdEncoding.DecodeString(strings.NewReplacer("\n", "", "\r", "").Replace(body))
	if err != nil {
		return nil, ErrForm
	}
	return raw, nil
}
