package oauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"keyporter/broker/secret"
)

// readProof verifies a proof with the key in its header.
func readProof(t *testing.T, proof string) (header map[string]any, claims jwt.MapClaims) {
	t.Helper()
	claims = jwt.MapClaims{}
	tok, err := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithoutClaimsValidation()).ParseWithClaims(proof, claims, func(tok *jwt.Token) (any, error) {
		jwk := tok.Header["jwk"].(map[string]any)
		return point(t, jwk["x"].(string), jwk["y"].(string)), nil
	})
	if err != nil {
		t.Fatalf("proof: %v", err)
	}
	return tok.Header, claims
}

// point is the public key with these coordinates of a JWK.
func point(t *testing.T, x, y string) *ecdsa.PublicKey {
	t.Helper()
	bx, errX := base64.RawURLEncoding.DecodeString(x)
	by, errY := base64.RawURLEncoding.DecodeString(y)
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, bx, by))
	if errX != nil || errY != nil || err != nil || len(bx) != 32 {
		t.Fatalf("key: %v, %v, %v", errX, errY, err)
	}
	return pub
}

func newKey(t *testing.T) *DPoPKey {
	t.Helper()
	k, err := NewDPoPKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestProofHasWhatRFC9449Wants(t *testing.T) {
	k := newKey(t)
	p := Proof{Method: "POST", URL: "https://rs.example/mcp?x=SECRETWORD#f", AccessToken: secret.New("SECRETWORD-token"), Nonce: "n1", Now: noon}
	first, err := k.Sign(p)
	if err != nil {
		t.Fatal(err)
	}
	header, claims := readProof(t, first)
	sum := sha256.Sum256([]byte("SECRETWORD-token"))
	if header["typ"] != "dpop+jwt" || header["alg"] != "ES256" || header["jwk"].(map[string]any)["d"] != nil || len(header["jwk"].(map[string]any)) != 4 {
		t.Errorf("header %v", header)
	}
	if claims["htm"] != "POST" || claims["htu"] != "https://rs.example/mcp" || claims["nonce"] != "n1" || claims["iat"] != float64(noon.Unix()) ||
		claims["ath"] != base64.RawURLEncoding.EncodeToString(sum[:]) || claims["jti"] == "" {
		t.Errorf("claims %v", claims)
	}
	second, _ := k.Sign(p)
	if _, again := readProof(t, second); again["jti"] == claims["jti"] {
		t.Error("a jti came twice")
	}
	bare, _ := k.Sign(Proof{Method: "GET", URL: "https://rs.example", Now: noon})
	if _, c := readProof(t, bare); c["ath"] != nil || c["nonce"] != nil {
		t.Errorf("claims without token and nonce: %v", c)
	}
	if _, err := k.Sign(Proof{Method: "GET", URL: "mcp", Now: noon}); err == nil {
		t.Error("a proof for an address without a host")
	}
}

func TestKeySurvivesTheVaultAndDoesNotPrint(t *testing.T) {
	k := newKey(t)
	v, err := k.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseDPoPKey(v)
	if err != nil || back.Thumbprint() != k.Thumbprint() || !back.key.Equal(k.key) {
		t.Errorf("got %v, %v", back, err)
	}
	for _, bad := range []string{"", "SECRETWORD", "U0VDUkVUV09SRA", v.Reveal()[:40]} {
		if _, err := ParseDPoPKey(secret.New(bad)); err == nil || strings.Contains(err.Error(), "SECRETWORD") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, printed := range []string{fmt.Sprintf("%v %+v %#v %s", k, k, k, k), fmt.Sprintf("%+v", ClientAuth{DPoP: k})} {
		raw, err := k.key.Bytes()
		if err != nil || strings.Contains(printed, new(big.Int).SetBytes(raw).String()) || strings.Contains(printed, v.Reveal()) {
			t.Errorf("printed: %s", printed)
		}
	}
}

// The thumbprint of RFC 9449's own example key (section 6.1).
func TestThumbprintIsThatOfTheRFC(t *testing.T) {
	_, jkt, err := publicJWK(point(t, "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"))
	if err != nil || jkt != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" {
		t.Errorf("got %s, %v", jkt, err)
	}
}

func TestTokenRequestIsRepeatedOnceForANonce(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []string // nonce the server sends, in order; the last stays
		want    []string // nonce of each proof
		ok      bool
	}{
		{"wanted once", []string{"n1", "n1"}, []string{"", "n1"}, true},
		{"never satisfied", []string{"n1", "n2", "n3"}, []string{"", "n1"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var nonces, jtis []string
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				_, claims := readProof(t, r.Header.Get("DPoP"))
				nonce, _ := claims["nonce"].(string)
				nonces, jtis = append(nonces, nonce), append(jtis, claims["jti"].(string))
				want := tt.answers[min(len(nonces), len(tt.answers))-1]
				w.Header().Set("DPoP-Nonce", want)
				if nonce != want {
					w.WriteHeader(400)
					io.WriteString(w, `{"error":"use_dpop_nonce"}`)
					return
				}
				io.WriteString(w, `{"access_token":"SECRETWORD","token_type":"DPoP"}`)
			})
			c := newClient(t, s.URL, atNoon)
			auth := ClientAuth{Method: AuthNone, ClientID: "c", DPoP: newKey(t)}
			tok, err := c.Token(t.Context(), s.URL+"/token", auth, url.Values{"code": {"SECRETWORD"}})
			if (err == nil) != tt.ok || !tt.ok && CodeOf(err) != UseDPoPNonce {
				t.Fatalf("got %v", err)
			}
			if fmt.Sprint(nonces) != fmt.Sprint(tt.want) || jtis[0] == jtis[1] {
				t.Errorf("nonces %q, jtis %q", nonces, jtis)
			}
			if !tt.ok {
				return
			}
			if scheme, ok := tok.Scheme(auth.DPoP); scheme != "DPoP" || !ok {
				t.Errorf("scheme %s", scheme)
			}
			if _, ok := tok.Scheme(nil); ok {
				t.Error("a bound token is usable without its key")
			}
			if _, err := c.Token(t.Context(), s.URL+"/token", auth, nil); err != nil || len(nonces) != 3 {
				t.Errorf("the nonce was not remembered: %v, %d requests", err, len(nonces))
			}
		})
	}
}

func TestNonceOfAnAnswer(t *testing.T) {
	for _, tt := range []struct {
		h    http.Header
		want string
	}{
		{http.Header{"Dpop-Nonce": {"eyJ7S_zG.eyJH0-Z"}}, "eyJ7S_zG.eyJH0-Z"},
		{http.Header{"Dpop-Nonce": {"a", "b"}}, ""},
		{http.Header{"Dpop-Nonce": {"a b"}}, ""},
		{http.Header{"Dpop-Nonce": {strings.Repeat("a", 2000)}}, ""},
		{http.Header{}, ""},
	} {
		if got := DPoPNonce(tt.h); got != tt.want {
			t.Errorf("%v: got %q", tt.h, got)
		}
	}
}
