package streamable

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// cloudRun is how Cloud Run's gate refuses a token.
const cloudRun = `Bearer error="invalid_token" error_description="The access token could not be verified"`

func refusal(status int, header ...string) *http.Response {
	r := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(""))}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

func TestWhichOfTwoTokensWasRefused(t *testing.T) {
	const gated = "X-Serverless-Authorization"
	two := &Credentials{Hash: "own", In: "Authorization", Further: []Key{{gated, "gate"}}}
	swapped := &Credentials{Hash: "gate", In: gated, Further: []Key{{"Authorization", "own"}}}
	proxied := &Credentials{Hash: "own", In: "Authorization", Further: []Key{{"Proxy-Authorization", "gate"}}}
	one := &Credentials{Hash: "own", In: "Authorization"}
	for name, test := range map[string]struct {
		cred *Credentials
		resp *http.Response
		want []string // hashes in the order in which others are asked for
	}{
		"cloud run":          {two, refusal(401, "Www-Authenticate", cloudRun, "Content-Type", "text/html"), []string{"gate"}},
		"cloud run, swapped": {swapped, refusal(401, "Www-Authenticate", cloudRun), []string{"gate"}},
		"iap":                {proxied, refusal(401, "X-Goog-Iap-Generated-Response", "true"), []string{"gate"}},
		"proxy":              {proxied, refusal(407, "Proxy-Authenticate", "Bearer"), []string{"gate"}},
		"metadata":           {two, refusal(401, "Www-Authenticate", `Bearer resource_metadata="https://a.example/x"`), []string{"own"}},
		"metadata, swapped":  {swapped, refusal(401, "Www-Authenticate", `Bearer error="invalid_token", resource_metadata="https://a.example/x"`), []string{"own"}},
		"json":               {two, refusal(401, "Content-Type", "application/json; charset=utf-8"), []string{"own"}},
		"a page":             {two, refusal(401, "Content-Type", "text/html"), []string{"gate", "own"}},
		"nothing said":       {two, refusal(401), []string{"own", "gate"}},
		"no token to change": {two, refusal(403, "Www-Authenticate", cloudRun), nil},
		"one":                {one, refusal(401, "Www-Authenticate", cloudRun), []string{"own"}},
		"a proxy, one token": {one, refusal(407), nil},
	} {
		var got []string
		spent := map[string]bool{}
		for {
			header, ok := test.cred.blame(test.resp, func(h string) bool { return spent[h] })
			if !ok {
				break
			}
			spent[header] = true
			got = append(got, test.cred.hash(header))
		}
		if strings.Join(got, " ") != strings.Join(test.want, " ") {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestAGatesPageIsNoAnswerOfTheServer(t *testing.T) {
	page := []byte("<html><head><title>403 Forbidden</title></head><body><h1>Error: Forbidden</h1><h2>Your client does not have permission to get URL <code>/mcp</code> from this server.</h2></body></html>")
	if !byGate(refusal(403, "Content-Type", "text/html; charset=UTF-8"), page) {
		t.Error("the gate's page was taken for the server's")
	}
	if byGate(refusal(403, "Content-Type", "application/json"), page) || byGate(refusal(403), []byte(`{"error":"no"}`)) {
		t.Error("the server's answer was taken for the gate's")
	}
}
