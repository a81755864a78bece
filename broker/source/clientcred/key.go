package clientcred

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

const (
	maxKeyFile = 64 << 10
	minRSABits = 2048 // RFC 7518 section 3.3
	maxRSABits = 8192 // more would keep the CPU busy
)

// ParsePrivateKey reads the PEM of a private key for private_key_jwt: PKCS #8,
// PKCS #1 or SEC 1; RSA, P-256, P-384, P-521 or Ed25519. Blocks before the key
// (EC parameters, certificates) are passed over. Errors quote nothing.
func ParsePrivateKey(file secret.Value) (crypto.Signer, error) {
	const do = "Give an unencrypted private key in PEM form (BEGIN PRIVATE KEY): RSA of 2048 bits or more, P-256 or Ed25519."
	bad := func(what string) error { return hint.New(hint.Usage, what, do) }
	rest := []byte(file.Reveal())
	if len(rest) > maxKeyFile {
		return nil, bad("The file is too big to be a private key.")
	}
	var public bool
	for block := (*pem.Block)(nil); ; {
		if block, rest = pem.Decode(rest); block == nil {
			if public {
				return nil, bad("The file holds a public key or a certificate, not a private key.")
			}
			return nil, bad("The file is not a private key in PEM form, or it is cut off.")
		}
		switch {
		case block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "":
			return nil, bad("The private key is protected by a passphrase.")
		case block.Type == "OPENSSH PRIVATE KEY":
			return nil, bad("The file is an SSH key.")
		case block.Type == "PUBLIC KEY" || block.Type == "CERTIFICATE" || block.Type == "RSA PUBLIC KEY":
			public = true
			continue
		case block.Type == "EC PARAMETERS":
			continue
		}
		key, err := parseDER(block.Bytes)
		if err != nil {
			return nil, bad("The private key cannot be read.")
		}
		if !usable(key) {
			return nil, bad("The private key is of a kind that cannot sign here.")
		}
		return key, nil
	}
}

// parseDER tries the forms of a private key.
func parseDER(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if s, ok := key.(crypto.Signer); ok {
			return s, nil
		}
		return nil, errors.ErrUnsupported
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	return x509.ParseECPrivateKey(der)
}

// usable reports whether oauth knows an algorithm for the key.
func usable(key crypto.Signer) bool {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return k.N.BitLen() >= minRSABits && k.N.BitLen() <= maxRSABits
	case *ecdsa.PrivateKey:
		return k.Curve == elliptic.P256() || k.Curve == elliptic.P384() || k.Curve == elliptic.P521()
	case ed25519.PrivateKey:
		return true
	}
	return false
}
