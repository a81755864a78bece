// Package fakevault is a real HTTP server that answers as HashiCorp Vault and
// OpenBao do at the endpoints that Keyporter uses: a K/V engine of version 2 at
// secret/, Transit keys at transit/, and a token's look-up of itself. It is strict
// about paths, headers and bodies, and refuses in Vault's words. It imports
// nothing of testing; its handler is all that there is.
package fakevault

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A Server is a Vault. The zero value is not usable; see New. It is safe for
// concurrent use.
type Server struct {
	mu       sync.Mutex
	policies map[string][]string         // what a login may use: paths as Vault has them, a * at the end
	secrets  map[string][]map[string]any // versions by path, the first one is 1
	keys     map[string]crypto.Signer
	sealed   bool
	reads    int
	signs    int
}

// New returns an empty Vault.
func New() *Server {
	return &Server{policies: map[string][]string{}, secrets: map[string][]map[string]any{}, keys: map[string]crypto.Signer{}}
}

func (s *Server) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Allow lets a login use paths ("secret/data/team/*"). The login is made by it.
func (s *Server) Allow(login string, paths ...string) {
	s.change(func() { s.policies[login] = append(s.policies[login], paths...) })
}

// End ends a login.
func (s *Server) End(login string) { s.change(func() { delete(s.policies, login) }) }

// Put writes a new version of a secret of secret/.
func (s *Server) Put(path string, fields map[string]any) {
	s.change(func() { s.secrets[path] = append(s.secrets[path], fields) })
}

// SetKey makes a Transit key.
func (s *Server) SetKey(name string, key crypto.Signer) { s.change(func() { s.keys[name] = key }) }

// Seal seals the Vault.
func (s *Server) Seal() { s.change(func() { s.sealed = true }) }

// Counts returns how many secrets were read and signatures made.
func (s *Server) Counts() (reads, signs int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads, s.signs
}

// refuse answers as Vault does.
func refuse(w http.ResponseWriter, status int, errors ...string) {
	if errors == nil {
		errors = []string{}
	}
	answer(w, status, map[string]any{"errors": errors})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client has left
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	login := r.Header.Get("X-Vault-Token")
	allowed, known := s.policies[login]
	switch {
	case s.sealed:
		refuse(w, http.StatusServiceUnavailable, "Vault is sealed")
	case !ok || r.Header.Get("X-Vault-Request") != "true" || r.Header.Get("Authorization") != "":
		refuse(w, http.StatusBadRequest, "unexpected request")
	case login == "":
		refuse(w, http.StatusBadRequest, "missing client token")
	case !known, path != "auth/token/lookup-self" && !slices.ContainsFunc(allowed, func(p string) bool { return covers(p, path) }):
		refuse(w, http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")
	case path == "auth/token/lookup-self" && r.Method == http.MethodGet:
		answer(w, http.StatusOK, map[string]any{"data": map[string]any{"display_name": "token"}})
	case strings.HasPrefix(path, "secret/data/") && r.Method == http.MethodGet:
		s.read(w, strings.TrimPrefix(path, "secret/data/"), r.URL.Query().Get("version"))
	case strings.HasPrefix(path, "transit/keys/") && r.Method == http.MethodGet:
		s.public(w, strings.TrimPrefix(path, "transit/keys/"))
	case strings.HasPrefix(path, "transit/sign/") && r.Method == http.MethodPost:
		s.sign(w, r, strings.TrimPrefix(path, "transit/sign/"))
	default:
		refuse(w, http.StatusNotFound)
	}
}

func covers(policy, path string) bool {
	prefix, all := strings.CutSuffix(policy, "*")
	return policy == path || all && strings.HasPrefix(path, prefix)
}

func (s *Server) read(w http.ResponseWriter, path, version string) {
	versions := s.secrets[path]
	n := len(versions)
	if version != "" {
		n, _ = strconv.Atoi(version)
	}
	if n < 1 || n > len(versions) {
		refuse(w, http.StatusNotFound)
		return
	}
	s.reads++
	answer(w, http.StatusOK, map[string]any{"data": map[string]any{"data": versions[n-1], "metadata": map[string]any{"version": n}}})
}

func (s *Server) public(w http.ResponseWriter, name string) {
	key := s.keys[name]
	if key == nil {
		refuse(w, http.StatusNotFound)
		return
	}
	text, kind := "", ""
	switch k := key.Public().(type) {
	case ed25519.PublicKey:
		text, kind = base64.StdEncoding.EncodeToString(k), "ed25519"
	default:
		der, err := x509.MarshalPKIXPublicKey(k)
		if err != nil {
			refuse(w, http.StatusInternalServerError, "internal error")
			return
		}
		text, kind = string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), "rsa-2048"
	}
	answer(w, http.StatusOK, map[string]any{"data": map[string]any{
		"type": kind, "latest_version": 1, "supports_signing": true, "exportable": false, "keys": map[string]any{"1": map[string]any{"public_key": text}},
	}})
}

// signRequest is the body of transit/sign; which fields may be there follows from
// the kind of key.
type signRequest struct {
	Input     []byte `json:"input"`
	Version   int    `json:"key_version"`
	Prehashed bool   `json:"prehashed"`
	Algorithm string `json:"signature_algorithm"`
	Salt      string `json:"salt_length"`
	Marshal   string `json:"marshaling_algorithm"`
}

func (s *Server) sign(w http.ResponseWriter, r *http.Request, path string) {
	name, hash, _ := strings.Cut(path, "/")
	key := s.keys[name]
	var ask signRequest
	var body bytes.Buffer
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, 1<<20))
	d := json.NewDecoder(&body)
	d.DisallowUnknownFields()
	if err != nil || d.Decode(&ask) != nil || key == nil || ask.Version != 1 || r.Header.Get("Content-Type") != "application/json" {
		refuse(w, http.StatusBadRequest, "signing key not found or request not understood")
		return
	}
	hashes := map[string]crypto.Hash{"sha2-256": crypto.SHA256, "sha2-384": crypto.SHA384, "sha2-512": crypto.SHA512}
	opts := crypto.SignerOpts(hashes[hash])
	switch key.Public().(type) {
	case ed25519.PublicKey:
		opts = crypto.Hash(0)
		ok := hash == "" && !ask.Prehashed && ask.Algorithm == "" && ask.Marshal == ""
		err = unless(ok)
	case *ecdsa.PublicKey:
		err = unless(ask.Prehashed && ask.Marshal == "asn1" && hash != "" && len(ask.Input) == hashes[hash].Size())
	case *rsa.PublicKey:
		if ask.Algorithm == "pss" {
			opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hashes[hash]}
		}
		err = unless(ask.Prehashed && (ask.Algorithm == "pkcs1v15" || ask.Algorithm == "pss" && ask.Salt == "hash") && hash != "" && len(ask.Input) == hashes[hash].Size())
	}
	if err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	sig, err := key.Sign(rand.Reader, ask.Input, opts)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "internal error")
		return
	}
	s.signs++
	answer(w, http.StatusOK, map[string]any{"data": map[string]any{"signature": "vault:v1:" + base64.StdEncoding.EncodeToString(sig), "key_version": 1}})
}

func unless(ok bool) error {
	if ok {
		return nil
	}
	return fmt.Errorf("invalid request for this type of key")
}
