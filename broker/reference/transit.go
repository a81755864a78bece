package reference

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"keyporter/broker/account"
	"keyporter/internal/hint"
)

func (r *Ref) signs() bool { return r.Scheme == account.RefTransit }

// A signer signs with a Transit key (RSA, ECDSA or Ed25519), under the context of
// the request that it was made for.
type signer struct {
	ctx     context.Context // of the one token request that it signs for
	store   *Store
	ref     *Ref
	version int
	public  crypto.PublicKey
}

var _ crypto.Signer = (*signer)(nil)

// Signer returns a signer with the key, which is asked for its public half. It
// signs until ctx ends.
func (s *Store) Signer(ctx context.Context, r *Ref) (crypto.Signer, error) {
	if !r.signs() {
		return nil, hint.New(hint.Usage, "Only a Transit key can sign where it rests.", transitDo)
	}
	var key struct {
		Type   string `json:"type"`
		Latest int    `json:"latest_version"`
		Keys   map[string]struct {
			Public string `json:"public_key"`
		} `json:"keys"`
		Signs bool `json:"supports_signing"`
	}
	if err := s.vault(ctx, r, http.MethodGet, r.Mount+"/keys/"+r.Path, nil, &key); err != nil {
		return nil, err
	}
	g := &signer{ctx: ctx, store: s, ref: r, version: key.Latest}
	if r.Version != "" {
		g.version, _ = strconv.Atoi(r.Version)
	}
	g.public = publicKey(key.Keys[strconv.Itoa(g.version)].Public)
	if g.public == nil || !key.Signs {
		return nil, hint.New(hint.Refused, fmt.Sprintf("The key %s/%s cannot sign tokens.", r.Mount, r.Path), "Use a key of the type rsa-2048, ecdsa-p256 or ed25519, and a version that exists.")
	}
	return g, nil
}

// publicKey reads a public key in PEM, or an Ed25519 key in Base64.
func publicKey(text string) crypto.PublicKey {
	if block, _ := pem.Decode([]byte(text)); block != nil {
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil
		}
		return key
	}
	if raw, err := base64.StdEncoding.DecodeString(text); err == nil && len(raw) == ed25519.PublicKeySize {
		return ed25519.PublicKey(raw)
	}
	return nil
}

func (g *signer) Public() crypto.PublicKey { return g.public }

// hashes are Transit's names.
var hashes = map[crypto.Hash]string{crypto.SHA256: "sha2-256", crypto.SHA384: "sha2-384", crypto.SHA512: "sha2-512"}

// Sign implements crypto.Signer: digest is hashed with opts.HashFunc, or is the
// text itself for Ed25519.
func (g *signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	ask := map[string]any{"input": base64.StdEncoding.EncodeToString(digest), "key_version": g.version}
	path := g.ref.Mount + "/sign/" + g.ref.Path
	switch g.public.(type) {
	case ed25519.PublicKey:
	case *rsa.PublicKey, *ecdsa.PublicKey:
		name := hashes[opts.HashFunc()]
		if name == "" {
			return nil, errors.New("sign with Transit: the hash is not supported")
		}
		path += "/" + name
		ask["prehashed"] = true
		if _, ok := g.public.(*rsa.PublicKey); ok {
			ask["signature_algorithm"] = "pkcs1v15"
			if _, pss := opts.(*rsa.PSSOptions); pss {
				ask["signature_algorithm"], ask["salt_length"] = "pss", "hash"
			}
		} else {
			ask["marshaling_algorithm"] = "asn1"
		}
	}
	var ans struct {
		Signature string `json:"signature"`
	}
	if err := g.store.vault(g.ctx, g.ref, http.MethodPost, path, ask, &ans); err != nil {
		return nil, err
	}
	parts := strings.Split(ans.Signature, ":") // vault:v1:BASE64
	sig, err := base64.StdEncoding.DecodeString(parts[len(parts)-1])
	if len(parts) != 3 || err != nil {
		return nil, hint.New(hint.Failed, fmt.Sprintf("%s answered something that is no signature.", g.ref.host()), "Check that the mount is Transit.")
	}
	return sig, nil
}
