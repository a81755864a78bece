package google_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"keyporter/broker/secret"
	"keyporter/broker/source/google"
	"keyporter/broker/token"
	"keyporter/internal/fakegoogle"
	"keyporter/internal/hint"
)

const (
	email    = "robot@fake-project.iam.gserviceaccount.com"
	audience = "https://mcp-1234.run.app"
	scope    = "https://www.googleapis.com/auth/cloud-platform"
)

var (
	noon       = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	idRequest  = token.Request{Account: "robot", Kind: token.IDToken, Audience: audience}
	accRequest = token.Request{Account: "robot", Kind: token.AccessToken, Scopes: []string{scope}}
)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

// start starts a Google whose clock stands at noon, and returns it with a key.
func start(t *testing.T, opts fakegoogle.Options) (*fakegoogle.Server, *google.Key) {
	t.Helper()
	if opts.Now == nil {
		opts.Now = at(noon)
	}
	g, err := fakegoogle.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	file, err := g.NewKey(email)
	if err != nil {
		t.Fatal(err)
	}
	key, err := google.ParseKey(secret.New(string(file)))
	if err != nil {
		t.Fatal(err)
	}
	return g, key
}

// source returns a Source for the key whose clock stands at now.
func source(t *testing.T, key *google.Key, now time.Time) *google.Source {
	t.Helper()
	src, err := google.New(google.Options{Key: key, Client: &http.Client{}, AllowTokenURI: key.TokenURI, Now: at(now)})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// certs returns Google's certificates as a verifier of ID tokens gets them.
func certs(t *testing.T, g *fakegoogle.Server) jwt.Keyfunc {
	t.Helper()
	res, err := http.Get(g.CertsURL())
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var set struct {
		Keys []struct{ Kid, N, E string }
	}
	if err := json.NewDecoder(res.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	return func(tok *jwt.Token) (any, error) {
		for _, k := range set.Keys {
			if k.Kid != tok.Header["kid"] {
				continue
			}
			n, _ := base64.RawURLEncoding.DecodeString(k.N)
			e, _ := base64.RawURLEncoding.DecodeString(k.E)
			return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}, nil
		}
		return nil, errors.New("kid is not in the set")
	}
}

func TestIDTokenIsGooglesAndForTheAudience(t *testing.T) {
	g, key := start(t, fakegoogle.Options{Life: 40 * time.Minute})
	tok, err := source(t, key, noon).Token(t.Context(), idRequest)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct {
		jwt.RegisteredClaims
		Email string `json:"email"`
	}
	_, err = jwt.ParseWithClaims(tok.Value.Reveal(), &claims, certs(t, g), jwt.WithTimeFunc(at(noon)),
		jwt.WithAudience(audience), jwt.WithIssuer(fakegoogle.Issuer), jwt.WithExpirationRequired())
	if err != nil || claims.Email != email {
		t.Errorf("verify ID token: %v, e-mail %q", err, claims.Email)
	}
	if want := noon.Add(40 * time.Minute); !tok.Expiry.Equal(want) || !tok.Issued.Equal(noon) {
		t.Errorf("issued %v, expiry %v; want %v, %v (the exp claim)", tok.Issued, tok.Expiry, noon, want)
	}
	if got := tok.HeaderName() + ": " + tok.Scheme; got != "Authorization: Bearer" {
		t.Errorf("travels as %q", got)
	}
}

func TestIDTokenLivesItsWholeLifeByAClockThatIsABitOff(t *testing.T) {
	_, key := start(t, fakegoogle.Options{})
	for _, off := range []time.Duration{-4 * time.Minute, 4 * time.Minute} {
		now := noon.Add(off)
		tok, err := source(t, key, now).Token(t.Context(), idRequest)
		if err != nil {
			t.Fatal(err)
		}
		if want := now.Add(time.Hour); !tok.Expiry.Equal(want) {
			t.Errorf("clock off by %v: expiry %v, want %v", off, tok.Expiry, want)
		}
	}
}

func TestAccessTokenHasTheScopes(t *testing.T) {
	g, key := start(t, fakegoogle.Options{})
	req := accRequest
	req.Scopes = []string{scope, "openid"}
	tok, err := source(t, key, noon).Token(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	access, ok := g.Access(tok.Value.Reveal())
	if !ok || access.Email != email || !slices.Equal(access.Scopes, req.Scopes) {
		t.Errorf("token is good for %+v, %v", access, ok)
	}
	if want := noon.Add(time.Hour); !tok.Expiry.Equal(want) || !slices.Equal(tok.Scopes, req.Scopes) {
		t.Errorf("expiry %v, scopes %q; want %v, %q", tok.Expiry, tok.Scopes, want, req.Scopes)
	}
}

func TestSelfSignedTokenIsTheKeysOwn(t *testing.T) {
	g, key := start(t, fakegoogle.Options{})
	for name, req := range map[string]token.Request{
		"for the audience": {Kind: token.SelfSignedJWT, Audience: audience, Resource: "https://other.example.com"},
		"for the server":   {Kind: token.SelfSignedJWT, Resource: audience},
	} {
		tok, err := source(t, key, noon).Token(t.Context(), req)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var claims jwt.MapClaims
		parsed, _, err := jwt.NewParser().ParseUnverified(tok.Value.Reveal(), &claims)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := jwt.MapClaims{"iss": email, "sub": email, "aud": audience,
			"iat": float64(noon.Unix()), "exp": float64(noon.Add(time.Hour).Unix())}
		if fmt.Sprint(claims) != fmt.Sprint(want) {
			t.Errorf("%s: claims %v, want %v", name, claims, want)
		}
		if parsed.Header["kid"] != key.KeyID || parsed.Header["alg"] != "RS256" {
			t.Errorf("%s: header %v", name, parsed.Header)
		}
		if !tok.Expiry.Equal(noon.Add(time.Hour)) {
			t.Errorf("%s: expiry %v", name, tok.Expiry)
		}
	}
	if n := g.Counts().Token; n != 0 {
		t.Errorf("a self-signed token asked the token endpoint %d times", n)
	}
}

func TestRequestsThatMakeNoSenseAreWrongUsage(t *testing.T) {
	_, key := start(t, fakegoogle.Options{})
	for _, req := range []token.Request{{Kind: token.IDToken}, {Kind: token.AccessToken}, {Kind: token.SelfSignedJWT}, {Kind: token.StaticHeader}} {
		if _, err := source(t, key, noon).Token(t.Context(), req); hint.CodeOf(err) != hint.Usage {
			t.Errorf("kind %s: err = %v, want usage", req.Kind, err)
		}
	}
}

func TestExpiresInIsReadLenientlyAndWithinBounds(t *testing.T) {
	g, key := start(t, fakegoogle.Options{})
	for in, want := range map[string]time.Duration{
		`60`: time.Minute, `"60"`: time.Minute, `59.9`: 59 * time.Second, `1e300`: 366 * 24 * time.Hour,
		`-5`: 0, `"soon"`: 0, `null`: 0, `[1]`: 0,
	} {
		g.FailNext(1, fakegoogle.Failure{Status: 200, Body: `{"access_token":"SECRETWORD","expires_in":` + in + `}`})
		tok, err := source(t, key, noon).Token(t.Context(), accRequest)
		if err != nil {
			t.Errorf("expires_in %s: %v", in, err)
			continue
		}
		if got := tok.Expiry; want == 0 && !got.IsZero() || want != 0 && !got.Equal(noon.Add(want)) {
			t.Errorf("expires_in %s: expiry %v, want %v after noon", in, got, want)
		}
	}
}

func TestAssertionHasTheClaimsOfItsKind(t *testing.T) {
	var form url.Values
	as := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		form = r.PostForm
		w.WriteHeader(http.StatusBadRequest)
	}))
	defer as.Close()
	_, key := start(t, fakegoogle.Options{})
	key.TokenURI = as.URL + "/t"
	for want, req := range map[string]token.Request{`"target_audience":"` + audience + `"`: idRequest, `"scope":"` + scope + `"`: accRequest} {
		source(t, key, noon).Token(t.Context(), req)
		if got := form.Get("grant_type"); got != "urn:ietf:params:oauth:grant-type:jwt-bearer" || len(form) != 2 {
			t.Errorf("form has grant_type %q and %d fields", got, len(form))
		}
		header, claims := decode(t, form.Get("assertion"))
		exact := fmt.Sprintf(`{"aud":%q,"exp":%d,"iat":%d,"iss":%q,%s}`, key.TokenURI, noon.Unix()+3600, noon.Unix(), email, want)
		if claims != exact {
			t.Errorf("claims %s, want %s", claims, exact)
		}
		if want := fmt.Sprintf(`{"alg":"RS256","kid":%q,"typ":"JWT"}`, key.KeyID); header != want {
			t.Errorf("header %s, want %s", header, want)
		}
	}
}

func decode(t *testing.T, token string) (header, claims string) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("assertion has %d parts", len(parts))
	}
	h, err1 := base64.RawURLEncoding.DecodeString(parts[0])
	c, err2 := base64.RawURLEncoding.DecodeString(parts[1])
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return string(h), string(c)
}

func TestKeyDoesNotPrintItsPrivateKey(t *testing.T) {
	_, key := start(t, fakegoogle.Options{})
	src := source(t, key, noon)
	b, err := json.Marshal(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprintf("%v %+v %#v", key, key, key), fmt.Sprintf("%v %+v %#v", *key, src, src), string(b)} {
		if len(s) > 1000 {
			t.Errorf("printed form of %d characters", len(s))
		}
	}
}
