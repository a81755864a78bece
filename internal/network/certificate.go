package network

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	"keyporter/broker/secret"
	"keyporter/internal/hint"
)

// Pair reads a client certificate with its chain and its private key, both PEM.
func Pair(chain string, key secret.Value) (*tls.Certificate, error) {
	if strings.Contains(key.Reveal(), "ENCRYPTED") {
		return nil, hint.New(hint.Usage, "The private key of the client certificate is encrypted.",
			"Give it without a passphrase; Keyporter keeps it in its vault (openssl pkey -in key.pem -out plain.pem takes the passphrase off).")
	}
	c, err := tls.X509KeyPair([]byte(chain), []byte(key.Reveal()))
	if err != nil {
		// The cause could quote the files.
		return nil, hint.New(hint.Usage, "The client certificate and its private key do not belong together, or one of them cannot be read.",
			"Give both in PEM form: --client-cert FILE --client-key FILE")
	}
	return &c, nil
}

// Fingerprint names a certificate: the SHA-256 of its first, in hex.
func Fingerprint(c *tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return hex.EncodeToString(sum[:])
}

// Remote makes a client certificate whose key is elsewhere: sign gets what is to
// be signed.
func Remote(chain string, sign func(Signing) ([]byte, error)) (*tls.Certificate, error) {
	c := &tls.Certificate{}
	for rest := []byte(chain); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type == "CERTIFICATE" {
			c.Certificate = append(c.Certificate, block.Bytes)
		}
	}
	if len(c.Certificate) == 0 {
		return nil, errors.New("client certificate: there is none")
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("client certificate: %w", err)
	}
	c.Leaf, c.PrivateKey = leaf, remote{leaf.PublicKey, sign}
	return c, nil
}

// A Signing is what a handshake wants to have signed (RFC 8446 section 4.4.3).
type Signing struct {
	Digest []byte `json:"digest"`         // or, for Ed25519, the message
	Hash   string `json:"hash,omitempty"` // SHA-256, SHA-384, SHA-512; empty for Ed25519
	PSS    bool   `json:"pss,omitempty"`  // RSASSA-PSS with a salt as long as the hash
}

// A remote is a crypto.Signer.
type remote struct {
	public crypto.PublicKey
	sign   func(Signing) ([]byte, error)
}

func (r remote) Public() crypto.PublicKey { return r.public }

func (r remote) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	s := Signing{Digest: digest}
	if h := opts.HashFunc(); h != 0 {
		s.Hash = h.String()
	}
	_, s.PSS = opts.(*rsa.PSSOptions)
	return r.sign(s)
}

// Sign signs with a certificate's own key.
func (s Signing) Sign(c *tls.Certificate) ([]byte, error) {
	key, ok := c.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("sign handshake: the key cannot sign")
	}
	var hash crypto.Hash
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		if s.Hash == h.String() {
			hash = h
		}
	}
	if hash == 0 && s.Hash != "" || hash != 0 && len(s.Digest) != hash.Size() {
		return nil, errors.New("sign handshake: no such hash")
	}
	var opts crypto.SignerOpts = hash
	if s.PSS {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
	}
	return key.Sign(rand.Reader, s.Digest, opts)
}
