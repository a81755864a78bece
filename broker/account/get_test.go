package account

import "testing"

func TestGetGivesWhatSetTook(t *testing.T) {
	for _, c := range []struct {
		key, value string
		form       Form
	}{
		{"client-id", "id", FormText},
		{"no-resource", "true", FormFlag},
		{"scope", "a b", FormList},
		{"header", "X-One=1", FormPairs},
		{"sign-in", "never", FormText},
		{"preset", "google", FormText},
		{"preset", `{"no_resource":true}`, FormText},
	} {
		var s Server
		if value, form := s.Get(c.key); value != "" || form != c.form {
			t.Errorf("%s of an empty record is %q, %s", c.key, value, form)
		}
		if err := s.Set(c.key, c.value); err != nil {
			t.Fatal(err)
		}
		if value, form := s.Get(c.key); value != c.value || form != c.form {
			t.Errorf("%s is %q, %s; want %q, %s", c.key, value, form, c.value, c.form)
		}
	}
	if value, form := new(Server).Get("from-the-future"); value != "" || form != FormText {
		t.Errorf("an unknown key is %q, %s", value, form)
	}
}
