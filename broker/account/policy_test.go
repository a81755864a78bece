package account

import "testing"

func TestToolPolicyDenyWinsOverAllow(t *testing.T) {
	for _, test := range []struct {
		allow, deny []string
		tool        string
		want        bool
	}{
		{nil, nil, "anything", true},
		{[]string{"get_*"}, nil, "get_time", true},
		{[]string{"get_*"}, nil, "set_time", false},
		{[]string{"get_*"}, nil, "get_", true},
		{[]string{"get_*", "list?"}, nil, "lists", true},
		{[]string{"list?"}, nil, "list", false},
		{nil, []string{"*delete*"}, "files/delete.all", false},
		{nil, []string{"*delete*"}, "files/read", true},
		{[]string{"*"}, []string{"drop"}, "drop", false},
		{[]string{"drop"}, []string{"dr*p"}, "drop", false},
		{nil, []string{"a*b*c"}, "a-b-b-c", false},
		{nil, []string{"a*b*c"}, "a-b-b", true},
		{nil, []string{"gr?ße"}, "größe", false},
		{nil, []string{"[x]"}, "x", true},
		{nil, []string{""}, "x", true},
		{nil, []string{"Drop*"}, "dROP_all", false}, // a server may not tell them apart
		{[]string{"get"}, nil, "GET", false},
	} {
		p := ToolPolicy{AllowTools: test.allow, DenyTools: test.deny}
		if got := p.Named(test.tool); got != test.want {
			t.Errorf("allow %q deny %q: Named(%q) = %v", test.allow, test.deny, test.tool, got)
		}
	}
}

func TestServerTakesPolicyAndEra(t *testing.T) {
	s := Server{Name: "x", URL: "https://x.example/mcp"}
	for _, set := range [][2]string{{"allow-tool", "get_*,list_*"}, {"deny-tool", "get_secret"}, {"read-only", "true"}, {"era", "modern"}} {
		if err := s.Set(set[0], set[1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Check(); err != nil || len(s.AllowTools) != 2 || s.DenyTools[0] != "get_secret" || !s.ReadOnly || s.Era != EraModern {
		t.Errorf("%+v, %v", s, err)
	}
	if !s.Active() {
		t.Error("policy is not active")
	}
	for _, set := range []string{"allow-tool", "deny-tool", "read-only", "era"} {
		if err := s.Set(set, ""); err != nil {
			t.Fatal(err)
		}
	}
	if s.Active() || s.Era != "" {
		t.Errorf("not cleared: %+v", s)
	}
	s.Era = "future"
	if s.Check() == nil {
		t.Error("an unknown era passed the check")
	}
}
