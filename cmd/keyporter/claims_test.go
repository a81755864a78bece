package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"keyporter/broker/local"
	"keyporter/broker/secret"
)

func part(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func tokenOf(s string) *local.Token { return &local.Token{Value: secret.Plain{Value: secret.New(s)}} }

func TestClaimsTellTokensApart(t *testing.T) {
	header := `{"alg":"RS256","typ":"at+jwt"}`
	for _, c := range []struct{ name, token, kind, header, claims string }{
		{"JWT", part(header) + "." + part(`{"sub":"alice","n":9007199254740993}`) + "." + word, "jwt", header, `{"sub":"alice","n":9007199254740993}`},
		{"unsigned JWT", part(header) + "." + part(`{}`) + ".", "jwt", header, `{}`},
		{"JWE", part(header) + "." + word + ".iv.text.tag", "jwe", header, ""},
		{"opaque", word, "opaque", "", ""},
		{"three parts of something else", "a.b." + word, "opaque", "", ""},
		{"header that is a list", part(`[1]`) + "." + part(`{}`) + "." + word, "opaque", "", ""},
		{"claims that are null", part(header) + "." + part(`null`) + "." + word, "opaque", "", ""},
		{"four parts", part(header) + "." + part(`{}`) + ".c." + word, "opaque", "", ""},
		{"nothing", "", "opaque", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := claimsOf(tokenOf(c.token))
			if got.Kind != c.kind || string(got.Header) != c.header || string(got.Claims) != c.claims {
				t.Errorf("claimsOf = %s, %s, %s; want %s, %s, %s", got.Kind, got.Header, got.Claims, c.kind, c.header, c.claims)
			}
		})
	}
}

func TestExpiryComesFromTheTokenWhereNobodySaidIt(t *testing.T) {
	tok := tokenOf(part(`{"alg":"RS256"}`) + "." + part(`{"exp":1800000000}`) + "." + word)
	if got, want := claimsOf(tok).ExpiresAt, time.Unix(1800000000, 0); !got.Equal(want) {
		t.Errorf("expires at %v, want %v", got, want)
	}
	tok.Expiry = time.Unix(1700000000, 0)
	if got := claimsOf(tok).ExpiresAt; !got.Equal(tok.Expiry) {
		t.Errorf("expires at %v, want what the authorization server said, %v", got, tok.Expiry)
	}
	tok = tokenOf(part(`{"alg":"RS256"}`) + "." + part(`{"exp":"soon"}`) + "." + word)
	if got := claimsOf(tok).ExpiresAt; !got.IsZero() {
		t.Errorf("expires at %v, want nothing", got)
	}
}

// Whatever the token: what is printed is JSON and does not hold what makes the
// token valid.
func FuzzClaimsHideTheSignature(f *testing.F) {
	f.Add(part(`{"alg":"RS256"}`), part(`{"sub":"alice","exp":1e300}`), "")
	f.Add(part(`{"alg":"dir","enc":"A256GCM"}`), "key", ".iv.text")
	f.Add("", "..", ".")
	f.Add(part(`{"a":1,"a":2}`), part("{\"\xff\":1}"), "")
	f.Fuzz(func(t *testing.T, header, payload, rest string) {
		const signature = word + "-signature"
		if strings.Contains(header+payload, part(signature)[:16]) || strings.Contains(decoded(header)+decoded(payload), word) {
			return
		}
		var out bytes.Buffer
		p := &program{stdout: &out}
		if err := p.printJSON(claimsOf(tokenOf(header + "." + payload + rest + "." + signature))); err != nil {
			t.Fatalf("print: %v", err)
		}
		var back tokenClaims
		if err := json.Unmarshal(out.Bytes(), &back); err != nil {
			t.Fatalf("the output is not JSON: %v", err)
		}
		if strings.Contains(out.String(), word) {
			t.Errorf("the output holds the signature: %s", out.String())
		}
		if back.Kind != "jwt" && back.Claims != nil || back.Kind == "opaque" && back.Header != nil {
			t.Errorf("claims of a token of kind %s: %s", back.Kind, out.String())
		}
	})
}

func decoded(s string) string {
	b, _ := base64.RawURLEncoding.DecodeString(s) // what is before the mistake counts too
	return string(b)
}
