package fakegoogle

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/url"
)

// A signingKey signs ID tokens.
type signingKey struct {
	id      string
	private *rsa.PrivateKey
}

func newSigningKey() (*signingKey, error) {
	private, err := newRSA()
	if err != nil {
		return nil, fmt.Errorf("make Google's key: %w", err)
	}
	sum := sha256.Sum256(private.N.Bytes())
	return &signingKey{id: hex.EncodeToString(sum[:20]), private: private}, nil
}

// NewKey makes a key for the service account with this e-mail address, which it
// registers, and returns the JSON key file. An account may have several keys.
func (s *Server) NewKey(email string) ([]byte, error) { return s.newKey(email, s.TokenURI()) }

// NewGoogleKey is NewKey with the token endpoint's own address, as Google writes
// it into key files.
func (s *Server) NewGoogleKey(email string) ([]byte, error) { return s.newKey(email, googleTokenURI) }

// Trust registers a public key of a service account, as an uploaded one, and
// returns its id.
func (s *Server) Trust(email string, key *rsa.PublicKey) string {
	var id [20]byte
	rand.Read(id[:])
	keyID := hex.EncodeToString(id[:])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[keyID], s.emails[keyID] = key, email
	return keyID
}

func (s *Server) newKey(email, tokenURI string) ([]byte, error) {
	private, err := newRSA()
	if err != nil {
		return nil, fmt.Errorf("make service account key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("make service account key: %w", err)
	}
	keyID := s.Trust(email, &private.PublicKey)
	return json.MarshalIndent(map[string]string{
		"type":                        "service_account",
		"project_id":                  "fake-project",
		"private_key_id":              keyID,
		"private_key":                 string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"client_email":                email,
		"client_id":                   "100000000000000000001",
		"auth_uri":                    s.url + "/o/oauth2/auth",
		"token_uri":                   tokenURI,
		"auth_provider_x509_cert_url": s.url + "/oauth2/v1/certs",
		"client_x509_cert_url":        s.url + "/robot/v1/metadata/x509/" + url.PathEscape(email),
		"universe_domain":             "googleapis.com",
	}, "", "  ")
}

// DeleteKey deletes the key with this private_key_id.
func (s *Server) DeleteKey(keyID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.accounts, keyID)
}

// Disable disables the service account with all its keys.
func (s *Server) Disable(email string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disabled[email] = true
}

// serveCerts answers with the JWK set (RFC 7517) of the ID tokens' keys.
func (s *Server) serveCerts(w http.ResponseWriter, _ *http.Request) {
	s.count(func(c *Counts) { c.Certs++ })
	type jwk struct {
		Kty string `json:"kty"`
		Use string `json:"use"`
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		N   string `json:"n"`
		E   string `json:"e"`
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	for _, k := range s.keys {
		set.Keys = append(set.Keys, jwk{
			Kty: "RSA", Use: "sig", Alg: "RS256", Kid: k.id,
			N: base64.RawURLEncoding.EncodeToString(k.private.N.Bytes()),
			E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.private.E)).Bytes()),
		})
	}
	w.Header().Set("Cache-Control", "public, max-age=3600, must-revalidate, no-transform")
	writeJSON(w, http.StatusOK, set)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v)
}
