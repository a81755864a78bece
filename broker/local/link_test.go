package local

import (
	"strings"
	"testing"
)

func TestProfileLink(t *testing.T) {
	const text = `{"version":1,"name":"チーム?&="}`
	link, err := ProfileLink([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	r, ok, err := ParseProfileLink(link)
	if !ok || err != nil || string(r.Profile) != text || r.URL != "" {
		t.Errorf("read back %q, %v, %v", r.Profile, ok, err)
	}
	r, ok, err = ParseProfileLink("keyporter://join/?url=https%3A%2F%2Fexample.com%2Fteam%3Fa%3Db")
	if !ok || err != nil || r.URL != "https://example.com/team?a=b" || r.Profile != nil {
		t.Errorf("address = %+v, %v, %v", r, ok, err)
	}
	if _, err := ProfileLink(make([]byte, maxLink)); err == nil {
		t.Error("a link that is too long is made")
	}
	for _, other := range []string{"https://example.com/join?url=x", "team.keyporter.json", "", "-", "C:\\team.json"} {
		if _, ok, _ := ParseProfileLink(other); ok {
			t.Errorf("%s counts as a keyporter link", other)
		}
	}
	for _, bad := range []string{
		"keyporter://join", "keyporter://join?url=", "keyporter://join?profile=%%%", "keyporter://join?profile=***", "keyporter://run?url=https://x",
		"keyporter://join?url=https://x&url=https://y", "keyporter://join?url=https://x&yes=1", "keyporter://user@join?url=https://x",
		"keyporter://join/../run?url=https://x", "keyporter:run", link[:strings.Index(link, "=")+1],
	} {
		if r, ok, err := ParseProfileLink(bad); !ok || err == nil {
			t.Errorf("%s is read as %+v", bad, r)
		}
	}
}
