package fakeas

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// checkDPoP checks the proof of a token request (RFC 9449 section 4.3) and
// returns the thumbprint of its key, or the code of an error. No proof is an
// error only where one is required.
func (s *Server) checkDPoP(w http.ResponseWriter, r *http.Request) (jkt, code, description string) {
	fields := r.Header.Values("DPoP")
	if len(fields) == 0 && !s.o.RequireDPoP {
		return "", "", ""
	}
	if len(fields) != 1 {
		return "", "invalid_dpop_proof", "exactly one proof is required"
	}
	jkt, claims, err := parseProof(fields[0])
	if err != nil {
		return "", "invalid_dpop_proof", err.Error()
	}
	iat, _ := claims.GetIssuedAt()
	jti, _ := claims["jti"].(string)
	now := s.o.Now()
	switch {
	case claims["htm"] != r.Method || claims["htu"] != s.URL()+r.URL.EscapedPath():
		return "", "invalid_dpop_proof", "the proof is for another request"
	case iat == nil || now.Sub(iat.Time).Abs() > 5*time.Minute || jti == "":
		return "", "invalid_dpop_proof", "the proof is old or has no jti"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.usedJTI["dpop "+jti] {
		return "", "invalid_dpop_proof", "the proof was used before"
	}
	s.usedJTI["dpop "+jti] = true
	if s.o.DPoPNonce != nil {
		nonce := s.o.DPoPNonce()
		w.Header().Set("DPoP-Nonce", nonce)
		if claims["nonce"] != nonce {
			return "", "use_dpop_nonce", "the proof needs a nonce"
		}
	}
	return jkt, "", ""
}

// parseProof checks a proof's form and signature. It takes ES256 only.
func parseProof(proof string) (jkt string, claims jwt.MapClaims, err error) {
	claims = jwt.MapClaims{}
	_, err = jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithoutClaimsValidation()).ParseWithClaims(proof, claims, func(t *jwt.Token) (any, error) {
		jwk, _ := t.Header["jwk"].(map[string]any)
		if t.Header["typ"] != "dpop+jwt" || len(jwk) != 4 || jwk["kty"] != "EC" || jwk["crv"] != "P-256" {
			return nil, errors.New("the header is not that of a proof with a public P-256 key")
		}
		x, _ := jwk["x"].(string)
		y, _ := jwk["y"].(string)
		sum := sha256.Sum256(fmt.Appendf(nil, `{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, x, y)) // RFC 7638 section 3.1
		jkt = base64.RawURLEncoding.EncodeToString(sum[:])
		bx, errX := base64.RawURLEncoding.DecodeString(x)
		by, errY := base64.RawURLEncoding.DecodeString(y)
		if errX != nil || errY != nil {
			return nil, errors.New("the key is malformed")
		}
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, bx...), by...))
	})
	return jkt, claims, err
}

// VerifyDPoP is Verify for a token bound to a key: it checks the proof of a
// request too (RFC 9449 section 7.1).
func (s *Server) VerifyDPoP(token, resource, method, url, proof string) (map[string]any, error) {
	claims, err := s.Verify(token, resource)
	if err != nil {
		return nil, err
	}
	jkt, p, err := parseProof(proof)
	if err != nil {
		return nil, err
	}
	cnf, _ := claims["cnf"].(map[string]any)
	sum := sha256.Sum256([]byte(token))
	if cnf["jkt"] != jkt || p["htm"] != method || p["htu"] != url || p["ath"] != base64.RawURLEncoding.EncodeToString(sum[:]) {
		return nil, errors.New("the proof is not of this token, key or request")
	}
	return claims, nil
}
