package oauth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha256" // crypto.SHA256
	_ "crypto/sha512" // crypto.SHA384, crypto.SHA512
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"keyporter/broker/secret"
)

// assertionLife is how long a client assertion is good for. It is used at once.
const assertionLife = time.Minute

// clientAssertion returns the JWT of RFC 7523 section 2.2 and OpenID Connect
// Core section 9.
func clientAssertion(auth ClientAuth, now time.Time) (secret.Value, error) {
	if auth.Key == nil || auth.AssertionAudience == "" {
		return secret.Value{}, errors.New("private_key_jwt: Key and AssertionAudience are required")
	}
	method, err := SigningMethod(auth.Key, auth.Alg)
	if err != nil {
		return secret.Value{}, err
	}
	t := jwt.NewWithClaims(method, jwt.MapClaims{
		"iss": auth.ClientID,
		"sub": auth.ClientID,
		"aud": auth.AssertionAudience,
		"jti": rand.Text(),
		"iat": now.Unix(),
		"exp": now.Add(assertionLife).Unix(),
	})
	if auth.KeyID != "" {
		t.Header["kid"] = auth.KeyID
	}
	signed, err := t.SignedString(auth.Key)
	if err != nil {
		return secret.Value{}, fmt.Errorf("sign client assertion: %w", err)
	}
	return secret.New(signed), nil
}

// A signer is a jwt.SigningMethod for any crypto.Signer, so that a key may
// live in hardware. It verifies nothing.
type signer struct {
	alg  string
	hash crypto.Hash
	opts crypto.SignerOpts
	size int // of each half of an ECDSA signature in bytes (RFC 7518 section 3.4); 0 for the others
}

var algorithms = map[string]signer{
	"RS256": {hash: crypto.SHA256}, "RS384": {hash: crypto.SHA384}, "RS512": {hash: crypto.SHA512},
	"PS256": {hash: crypto.SHA256, opts: &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}},
	"PS384": {hash: crypto.SHA384, opts: &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA384}},
	"PS512": {hash: crypto.SHA512, opts: &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA512}},
	"ES256": {hash: crypto.SHA256, size: 32}, "ES384": {hash: crypto.SHA384, size: 48}, "ES512": {hash: crypto.SHA512, size: 66},
	"EdDSA": {},
}

// SigningMethod returns the method for a key; alg empty follows the key. It
// refuses an algorithm that does not fit the key. The method signs and verifies
// nothing.
func SigningMethod(key crypto.Signer, alg string) (jwt.SigningMethod, error) {
	var fits []string // the default first
	switch pub := key.Public().(type) {
	case *rsa.PublicKey:
		fits = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PublicKey:
		switch pub.Curve.Params().BitSize {
		case 256:
			fits = []string{"ES256"}
		case 384:
			fits = []string{"ES384"}
		case 521:
			fits = []string{"ES512"}
		}
	case ed25519.PublicKey:
		fits = []string{"EdDSA"}
	}
	for _, f := range fits {
		if alg == f || alg == "" {
			m := algorithms[f]
			m.alg = f
			if m.opts == nil {
				m.opts = m.hash
			}
			return &m, nil
		}
	}
	if alg == "" {
		return nil, fmt.Errorf("a key of type %T cannot sign", key)
	}
	return nil, fmt.Errorf("algorithm %q does not fit the key", clean(alg, 20))
}

func (s *signer) Alg() string { return s.alg }

// Sign implements jwt.SigningMethod.
func (s *signer) Sign(text string, key any) ([]byte, error) {
	digest := []byte(text) // EdDSA signs the text itself
	if s.hash != 0 {
		h := s.hash.New()
		h.Write(digest)
		digest = h.Sum(nil)
	}
	sig, err := key.(crypto.Signer).Sign(rand.Reader, digest, s.opts)
	if err != nil || s.size == 0 {
		return sig, err
	}
	var halves struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(sig, &halves); err != nil {
		return nil, fmt.Errorf("read ECDSA signature: %w", err)
	}
	raw := make([]byte, 2*s.size)
	halves.R.FillBytes(raw[:s.size])
	halves.S.FillBytes(raw[s.size:])
	return raw, nil
}

// Verify implements jwt.SigningMethod; nothing here verifies.
func (s *signer) Verify(string, []byte, any) error { return errors.ErrUnsupported }
