package team

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"keyporter/broker/secret"
)

func TestHoldsFindsASecretInEveryEncoding(t *testing.T) {
	const s = "tök+en/of SECRETWORD?&~"
	v := secret.New(s)
	for name, form := range map[string]string{
		"as it is": s, "URL": url.QueryEscape(s), "path": url.PathEscape(s),
		"lower-case URL": strings.NewReplacer("%2F", "%2f", "%2B", "%2b", "%3F", "%3f").Replace(url.QueryEscape(s)), "each byte": "%" + strings.TrimSuffix(strings.ReplaceAll(fmt.Sprintf("% X", s), " ", "%"), "%"),
		"hex": hex.EncodeToString([]byte(s)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(s))),
	} {
		if !Holds(fmt.Appendf(nil, "{%q:%q}", "x", "before "+form+" after"), v) {
			t.Errorf("not found: %s", name)
		}
	}
	for _, around := range []string{"", "a", "ab", "abc", "user:"} {
		for name, e := range map[string]*base64.Encoding{"std": base64.StdEncoding, "url": base64.URLEncoding, "raw": base64.RawStdEncoding, "raw url": base64.RawURLEncoding} {
			if !Holds([]byte(`{"x":"`+e.EncodeToString([]byte(around+s+around))+`"}`), v) {
				t.Errorf("not found: base64 %s behind %q", name, around)
			}
		}
	}
	if !Holds([]byte(`{"x":"t\u00f6k\u002ben\/of SECRETWORD?&~"}`), v) {
		t.Error("not found: with escapes of JSON")
	}
	key := "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("SECRETWORD", 6) + "\n" + strings.Repeat("OTHERWORD", 6) + "\n-----END PRIVATE KEY-----\n"
	if !Holds([]byte(`{"x":"`+strings.Repeat("OTHERWORD", 6)+`"}`), secret.New(key)) {
		t.Error("not found: a line of a key")
	}
	for _, text := range []string{`{}`, `{"x":"token of SECRET"}`} {
		if Holds([]byte(text), v) || Holds([]byte(text), secret.New("")) || Holds([]byte(text), secret.New("x")) {
			t.Errorf("found in %s", text)
		}
	}
}
