package claims_test

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"keyporter/broker/claims"
	"keyporter/broker/secret"
)

const word = "SECRETWORD"

func part(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// jwt returns a token with these claims.
func jwt(payload string) claims.Token {
	return claims.Read(secret.New(part(`{"alg":"RS256"}`) + "." + part(payload) + "." + word))
}

func TestFormsAreToldApart(t *testing.T) {
	header := `{"alg":"RS256","typ":"at+jwt"}`
	for _, c := range []struct {
		name, token    string
		form           claims.Form
		header, claims string
	}{
		{"JWT", part(header) + "." + part(`{"sub":"alice","n":9007199254740993}`) + "." + word, claims.JWT, header, `{"sub":"alice","n":9007199254740993}`},
		{"unsigned JWT", part(header) + "." + part(`{}`) + ".", claims.JWT, header, `{}`},
		{"JWE", part(header) + "." + word + ".iv.text.tag", claims.JWE, header, ""},
		{"opaque", word, claims.Opaque, "", ""},
		{"three parts of something else", "a.b." + word, claims.Opaque, "", ""},
		{"header that is a list", part(`[1]`) + "." + part(`{}`) + "." + word, claims.Opaque, "", ""},
		{"claims that are null", part(header) + "." + part(`null`) + "." + word, claims.Opaque, "", ""},
		{"four parts", part(header) + "." + part(`{}`) + ".c." + word, claims.Opaque, "", ""},
		{"nothing", "", claims.Opaque, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := claims.Read(secret.New(c.token))
			if got.Form != c.form || string(got.Header) != c.header || string(got.Claims) != c.claims {
				t.Errorf("Read = %s, %s, %s; want %s, %s, %s", got.Form, got.Header, got.Claims, c.form, c.header, c.claims)
			}
		})
	}
}

func TestExpiryIsRead(t *testing.T) {
	for payload, want := range map[string]int64{
		`{"exp":1800000000}`: 1800000000, `{"exp":1.8e9}`: 1800000000,
		`{"exp":"soon"}`: 0, `{"exp":-1}`: 0, `{"exp":1e300}`: 0, `{}`: 0,
	} {
		got := jwt(payload).Expiry
		if want == 0 && !got.IsZero() || want != 0 && got.Unix() != want {
			t.Errorf("%s expires at %v, want %v", payload, got, want)
		}
	}
}

// Whatever the token: what is printed is JSON and does not hold what makes the
// token valid, and judging it neither fails nor shows it.
func FuzzWhatIsSaidHidesTheSignature(f *testing.F) {
	f.Add(part(`{"alg":"RS256"}`), part(`{"sub":"alice","exp":1e300,"aud":["a",1]}`), "")
	f.Add(part(`{"alg":"dir","enc":"A256GCM"}`), "key", ".iv.text")
	f.Add("", "..", ".")
	f.Add(part(`{"a":1,"a":2}`), part("{\"\xff\":1}"), "")
	f.Add(part(`{}`), part(`{"iss":"https://accounts.google.com","aud":"https://a.run.app","scope":{}}`), "")
	f.Fuzz(func(t *testing.T, header, payload, rest string) {
		const signature = word + "-signature"
		if strings.Contains(header+payload, part(signature)[:16]) || strings.Contains(decoded(header)+decoded(payload), word) {
			return
		}
		tok := claims.Read(secret.New(header + "." + payload + rest + "." + signature))
		out, err := json.Marshal(struct {
			claims.Token
			Found []claims.Finding
		}{tok, claims.Judge(tok, claims.Expected{
			Server: "https://mcp.example.com/mcp", Issuers: []string{"https://as.example.com"}, Scopes: []string{"read"},
			Refused: true, Error: "invalid_token", Issuer: "https://acme.auth0.com/", Now: time.Unix(1700000000, 0),
		})})
		if err != nil {
			t.Fatalf("write: %v", err)
		}
		if strings.Contains(string(out), word) {
			t.Errorf("the output holds the signature: %s", out)
		}
		if tok.Form != claims.JWT && tok.Claims != nil || tok.Form == claims.Opaque && tok.Header != nil {
			t.Errorf("claims of a token of the form %s: %s", tok.Form, out)
		}
	})
}

func decoded(s string) string {
	b, _ := base64.RawURLEncoding.DecodeString(s) // what is before the mistake counts too
	return string(b)
}
