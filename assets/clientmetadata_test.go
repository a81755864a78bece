package assets

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
)

func TestClientMetadataIsThatOfANativeClientAtItsAddress(t *testing.T) {
	b, err := ClientMetadata("https://example.com/a&b/client.json")
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		ClientID     string   `json:"client_id"`
		Type         string   `json:"application_type"`
		Method       string   `json:"token_endpoint_auth_method"`
		RedirectURIs []string `json:"redirect_uris"`
		GrantTypes   []string `json:"grant_types"`
	}
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatal(err)
	}
	if m.ClientID != "https://example.com/a&b/client.json" || m.Type != "native" || m.Method != "none" || !slices.Contains(m.GrantTypes, "refresh_token") {
		t.Errorf("got %+v", m)
	}
	want := []string{"http://127.0.0.1/callback", "http://localhost/callback"}
	for _, p := range RedirectPorts {
		want = append(want, fmt.Sprintf("http://127.0.0.1:%d/callback", p), fmt.Sprintf("http://localhost:%d/callback", p))
	}
	for _, uri := range want {
		if !slices.Contains(m.RedirectURIs, uri) {
			t.Errorf("no %s", uri)
		}
	}
	for _, bad := range []string{"", "http://example.com/x", "https://example.com", "https://example.com/", "https://example.com/x?y", "https://u@example.com/x"} {
		if _, err := ClientMetadata(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
