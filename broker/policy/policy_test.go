package policy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"keyporter/broker/account"
	"keyporter/internal/hint"
	"keyporter/internal/sshsig"
)

func set(texts ...string) Set {
	var s Set
	for _, t := range texts {
		s = append(s, System([]byte(t), "policy.json"))
	}
	return s
}

func at(url string) *account.Server { return &account.Server{Name: "s", URL: url} }

func TestOrigins(t *testing.T) {
	s := set(`{"version":1,"allowed_origins":["https://mcp.example.com","https://*.corp.example","https://odd.example:8443","http://127.0.0.1:9"]}`)
	for url, want := range map[string]bool{
		"https://mcp.example.com/any/path": true, "https://MCP.example.com:443": true, "https://a.corp.example": true, "https://a.b.corp.example/x": true,
		"https://odd.example:8443/mcp": true, "http://127.0.0.1:9/mcp": true,
		"http://mcp.example.com": false, "https://mcp.example.com:8443": false, "https://corp.example": false, "https://evilcorp.example": false,
		"https://a.corp.example.evil.org": false, "https://evil.org/.corp.example": false, "https://odd.example": false, "https://evil.org?x=.corp.example": false,
		"https://a.corp.example:444": false, "http://a.corp.example": false, "::": false,
	} {
		if err := s.Server(at(url)); (err == nil) != want {
			t.Errorf("%s: %v, want allowed %v", url, err, want)
		}
	}
}

// What an administrator can get wrong shuts everything, and says where it stands.
func TestMistakesAllowNothing(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": "hello", "empty": "", "future": `{"version":2}`, "no version": `{}`, "typing mistake": `{"version":1,"allowed_origin":[]}`,
		"twice": `{"version":1,"allowed_kinds":["oauth"],"allowed_kinds":[]}`, "path": `{"version":1,"allowed_origins":["https://x.example/mcp"]}`,
		"any": `{"version":1,"allowed_origins":["*"]}`, "star inside": `{"version":1,"allowed_origins":["https://a*.example"]}`, "slash": `{"version":1,"allowed_origins":["https://x.example/"]}`,
		"value": `{"version":1,"settings":{"language":"tlh"}}`, "signer": `{"version":1,"signers":["lead"]}`,
		"profile": `{"version":1,"profile":"team.json"}`, "http": `{"version":1,"profile":"http://x.example/t","signers":[]}`, "unsigned": `{"version":1,"profile":"https://x.example/t"}`,
	} {
		s := set(text)
		err := s.Server(at("https://x.example"))
		if err == nil || s.Kind(account.OAuth) == nil || s.Signed(func(sshsig.Signers) bool { return true }) == nil {
			t.Errorf("%s: allows something", name)
			continue
		}
		if h := hint.Of(err); !strings.Contains(h.What, "policy.json") || h.Do == "" || h.Code != hint.Refused {
			t.Errorf("%s: words = %q", name, h.Text())
		}
	}
}

func TestNothingIsFixedWithoutAPolicy(t *testing.T) {
	for _, s := range []Set{nil, set(`{"version":1}`)} {
		if s.Server(at("http://x.example")) != nil || s.Kind(account.Static) != nil || s.Setting("language") != nil || s.Profile() != "" {
			t.Errorf("%+v fixes something", s)
		}
		if s.Signed(func(sshsig.Signers) bool { return false }) != nil {
			t.Error("a profile has to be signed")
		}
	}
}

// A file that the environment names can only take away, whatever it says.
func TestEnvironmentCannotWidenThePolicy(t *testing.T) {
	file := filepath.Join(t.TempDir(), "own.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	system := System([]byte(`{"version":1,"allowed_origins":["https://a.example"],"allowed_kinds":["oauth"],"settings":{"language":"ja"}}`), "system")
	write(`{"version":1,"allowed_origins":["https://a.example","https://b.example"],"allowed_kinds":["static","oauth"],"settings":{"language":"en","notifications":"off"}}`)
	s := Set{system, additional(file)}
	if s.Server(at("https://b.example")) == nil || s.Kind(account.Static) == nil {
		t.Error("the second policy allows what the system's does not")
	}
	if s.Server(at("https://a.example")) != nil || s.Kind(account.OAuth) != nil {
		t.Error("what both allow is refused")
	}
	if c := s.Choices(account.Choices{}); c.Language != account.Japanese || c.Notifications != account.NotificationsOff {
		t.Errorf("choices = %+v", c)
	}
	write(`{"version":1,"profile":"` + file + `"}`)
	if s := (Set{system, additional(file)}); s.Profile() != "" || s.Server(at("https://a.example")) == nil {
		t.Error("the second policy names a profile")
	}
	loaded := Load(func(name string) string {
		return map[string]string{"KEYPORTER_POLICY": filepath.Join(t.TempDir(), "missing")}[name]
	})
	if len(loaded) == 0 || loaded.Kind(account.OAuth) == nil {
		t.Error("a policy that is named and not there allows something")
	}
}
