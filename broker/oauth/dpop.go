package oauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"keyporter/broker/secret"
)

// A DPoPKey is the key that a grant's tokens are bound to (RFC 9449): P-256,
// used with ES256, which every server that knows DPoP has to know. It is safe
// for concurrent use.
type DPoPKey struct {
	key *ecdsa.PrivateKey
	jwk map[string]any // the public half (RFC 7517), for the proof's header
	jkt string
}

// NewDPoPKey makes a key.
func NewDPoPKey() (*DPoPKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make DPoP key: %w", err)
	}
	return newDPoPKey(key)
}

// ParseDPoPKey reads what Marshal wrote. Its error quotes nothing.
func ParseDPoPKey(v secret.Value) (*DPoPKey, error) {
	der, err := base64.RawStdEncoding.DecodeString(v.Reveal())
	if err != nil {
		return nil, errors.New("read DPoP key: it is not base64")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("read DPoP key: it is not a P-256 key in PKCS #8 form")
	}
	return newDPoPKey(key)
}

func newDPoPKey(key *ecdsa.PrivateKey) (*DPoPKey, error) {
	jwk, jkt, err := publicJWK(&key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("DPoP key: %w", err)
	}
	return &DPoPKey{key: key, jwk: jwk, jkt: jkt}, nil
}

// publicJWK returns the public half of a P-256 key (RFC 7518 section 6.2) and its
// thumbprint.
func publicJWK(pub *ecdsa.PublicKey) (jwk map[string]any, jkt string, err error) {
	point, err := pub.Bytes() // 4, X, Y
	if err != nil {
		return nil, "", err
	}
	x, y := base64.RawURLEncoding.EncodeToString(point[1:33]), base64.RawURLEncoding.EncodeToString(point[33:])
	// RFC 7638 section 3.2: the required members in this order and nothing else.
	canonical := fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":%q,"y":%q}`, x, y)
	return map[string]any{"kty": "EC", "crv": "P-256", "x": x, "y": y}, digest(canonical), nil
}

// digest is SHA-256 in unpadded base64url.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Marshal returns the key for the vault's record: PKCS #8 in base64.
func (k *DPoPKey) Marshal() (secret.Value, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.key)
	if err != nil {
		return secret.Value{}, fmt.Errorf("write DPoP key: %w", err)
	}
	return secret.New(base64.RawStdEncoding.EncodeToString(der)), nil
}

// Thumbprint returns the key's JWK SHA-256 thumbprint (RFC 7638): jkt of a
// token's cnf claim and dpop_jkt of an authorization request.
func (k *DPoPKey) Thumbprint() string { return k.jkt }

// Format keeps a key from being printed.
func (k *DPoPKey) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "DPoPKey(%s)", k.jkt) }

// A Proof is what a DPoP proof says about one request (RFC 9449 section 4.2).
type Proof struct {
	Method      string       // Required. htm.
	URL         string       // Required. Of the request; htu is this without query and fragment.
	AccessToken secret.Value // Optional. The token sent beside the proof, at a resource; ath is its hash.
	Nonce       string       // Optional. The last that the server gave; see DPoPNonce.
	Now         time.Time    // Required. iat.
}

// Sign returns the value of a DPoP header field for one request. Each call makes
// a proof of its own (jti): servers refuse one that comes twice.
func (k *DPoPKey) Sign(p Proof) (string, error) {
	u, err := url.Parse(p.URL)
	if err != nil || u.Host == "" {
		return "", errors.New("sign DPoP proof: the request's address has no host")
	}
	u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment, u.User = "", false, "", "", nil
	claims := jwt.MapClaims{"jti": rand.Text(), "htm": p.Method, "htu": u.String(), "iat": p.Now.Unix()}
	if !p.AccessToken.IsZero() {
		claims["ath"] = digest(p.AccessToken.Reveal())
	}
	if p.Nonce != "" {
		claims["nonce"] = p.Nonce
	}
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	t.Header["typ"], t.Header["jwk"] = "dpop+jwt", k.jwk
	proof, err := t.SignedString(k.key)
	if err != nil {
		return "", fmt.Errorf("sign DPoP proof: %w", err)
	}
	return proof, nil
}

// DPoPNonce returns the nonce that a server wants in the next proof (RFC 9449
// section 8), from the header of any of its answers, or "".
func DPoPNonce(h http.Header) string {
	v := h.Values("DPoP-Nonce")
	if len(v) != 1 || len(v[0]) > 1000 {
		return ""
	}
	for _, r := range v[0] {
		if r <= 0x20 || r > 0x7e || r == '"' || r == '\\' { // NQCHAR of RFC 6749 appendix A
			return ""
		}
	}
	return v[0]
}

// proof puts the DPoP header field of a token request into header, with the
// nonce that the endpoint's origin gave last.
func (c *Client) proof(key *DPoPKey, endpoint string, header http.Header) error {
	p, err := key.Sign(Proof{Method: http.MethodPost, URL: endpoint, Nonce: c.nonce(endpoint), Now: c.now()})
	if err != nil {
		return err
	}
	header["DPoP"] = []string{p} // as RFC 9449 writes it
	return nil
}

// nonce returns the nonce for requests to the origin of addr.
func (c *Client) nonce(addr string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nonces[originOf(addr)]
}

// keepNonce remembers the nonce of an answer and reports whether it is a new one.
func (c *Client) keepNonce(addr string, h http.Header) bool {
	nonce := DPoPNonce(h)
	if nonce == "" {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.nonces[originOf(addr)]
	c.nonces[originOf(addr)] = nonce
	return old != nonce
}

// originOf returns scheme and host of an address.
func originOf(addr string) string {
	u, err := url.Parse(addr)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

// UsesDPoP reports whether the tokens of a sign-in have to be bound to a key,
// as far as a server says so: its metadata (RFC 9728 section 2), or a challenge
// of that scheme alone (RFC 9449 section 7.1).
func (d *Discovery) UsesDPoP(c *Challenge) bool {
	return d.Resource != nil && d.Resource.DPoPBoundAccessTokensRequired || c.DPoP()
}
