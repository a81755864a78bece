package broker

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/claims"
	"keyporter/broker/local"
	"keyporter/broker/secret"
	"keyporter/internal/fakeas"
	"keyporter/internal/hint"
)

func TestATokenIsInspectedWithoutGivingItOut(t *testing.T) {
	w := newWorld(t)
	_, mcp := oauthServer(t, fakeas.Options{})
	w.add("notes", mcp.URL(), nil)
	if err := w.signIn("notes", "alice"); err != nil {
		t.Fatal(err)
	}
	got, err := w.Inspect(t.Context(), local.InspectRequest{Name: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	tok, err := w.Token(t.Context(), local.TokenRequest{Name: "notes"})
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	signature := tok.Value.Reveal()[strings.LastIndexByte(tok.Value.Reveal(), '.')+1:]
	if strings.Contains(string(out), signature) {
		t.Errorf("the token's signature is in %s", out)
	}
	if got.Form != claims.JWT || !strings.Contains(string(got.Claims), `"alice"`) || !got.Expiry.Equal(tok.Expiry) || len(got.Findings) != 0 {
		t.Errorf("inspection = %s", out)
	}
	_, err = w.Inspect(t.Context(), local.InspectRequest{Name: "nobody"})
	wantCode(t, err, hint.NotFound)
}

// A fixed token that a server refuses is compared with what its metadata say.
func TestWhyAServerRefusesATokenIsSaid(t *testing.T) {
	w := newWorld(t)
	as, mcp := oauthServer(t, fakeas.Options{})
	payload := `{"iss":"https://elsewhere.example","aud":"` + mcp.Resource() + `","exp":` + strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10) + `}`
	part := base64.RawURLEncoding.EncodeToString
	value := part([]byte(`{"alg":"RS256"}`)) + "." + part([]byte(payload)) + "." + word
	_, err := w.AddAccount(t.Context(), local.PutAccount{Name: "fixed", Account: account.Account{Kind: account.Static}, Secret: plain(value)})
	if err != nil {
		t.Fatal(err)
	}
	w.add("notes", mcp.URL(), func(p *local.PutServer) { p.Server.Account, p.Bind = "fixed", true })
	before, err := w.Inspect(t.Context(), local.InspectRequest{Name: "notes"})
	if err != nil || len(before.Findings) != 0 {
		t.Errorf("found %v, %v of a token that nobody refused", before, err)
	}

	r := local.TokenRequest{Name: "notes", Refused: secret.New(value).Hash(), Challenge: []string{`Bearer error="invalid_token", resource_metadata="` + mcp.Origin() + `/.well-known/oauth-protected-resource/mcp"`}}
	if _, err = w.Token(t.Context(), r); err == nil { // a young token is tried once more
		_, err = w.Token(t.Context(), r)
	}
	wantCode(t, err, hint.Refused)
	if h := hint.Of(err); !strings.Contains(h.What, "elsewhere.example") || !strings.Contains(h.What, as.Issuer()) || !strings.Contains(h.Do, "account of that issuer") {
		t.Errorf("words = %q", h.Text())
	}
	after, err := w.Inspect(t.Context(), local.InspectRequest{Name: "notes", Refused: r.Refused, Challenge: r.Challenge})
	if err != nil || len(after.Findings) == 0 || after.Findings[0].Code != claims.WrongIssuer || !after.Findings[0].Certain {
		t.Errorf("found %+v, %v", after, err)
	}
	// It stays known for the command line, and asks the server no second time.
	asked := len(mcp.Requests())
	again, err := w.Inspect(t.Context(), local.InspectRequest{Name: "notes"})
	if err != nil || len(again.Findings) == 0 {
		t.Errorf("found %+v, %v", again, err)
	}
	if n := len(mcp.Requests()); n != asked {
		t.Errorf("the server was asked for its metadata %d times more", n-asked)
	}
}
