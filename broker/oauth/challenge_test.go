package oauth

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

type params = map[string]string

func TestChallengesAreReadAsServersWriteThem(t *testing.T) {
	tests := []struct {
		name   string
		fields []string
		want   []Challenge
	}{
		{"none", nil, nil},
		{"empty field", []string{""}, nil},
		{"scheme alone", []string{"Bearer"}, []Challenge{{"Bearer", params{}}}},
		{"quoted", []string{`Bearer realm="a b", scope="x y"`}, []Challenge{{"Bearer", params{"realm": "a b", "scope": "x y"}}}},
		{"escapes", []string{`Bearer realm="a\"b\\c"`}, []Challenge{{"Bearer", params{"realm": `a"b\c`}}}},
		{"commas inside quotes", []string{`Bearer error_description="no, thanks", error="invalid_token"`},
			[]Challenge{{"Bearer", params{"error_description": "no, thanks", "error": "invalid_token"}}}},
		{"empty quoted value", []string{`Bearer realm="", error_description="", error="invalid_token"`},
			[]Challenge{{"Bearer", params{"realm": "", "error_description": "", "error": "invalid_token"}}}},
		{"no commas between parameters", []string{`Bearer realm="a" scope="b"`}, []Challenge{{"Bearer", params{"realm": "a", "scope": "b"}}}},
		{"tab after the scheme", []string{"Bearer\trealm=\"a\""}, []Challenge{{"Bearer", params{"realm": "a"}}}},
		{"spaces around the equals sign", []string{`Bearer realm = "a" , scope= "b"`}, []Challenge{{"Bearer", params{"realm": "a", "scope": "b"}}}},
		{"stray commas", []string{`, ,Bearer ,realm="a",,scope="b",`}, []Challenge{{"Bearer", params{"realm": "a", "scope": "b"}}}},
		{"names in any case", []string{`bearer Resource_Metadata="https://h/m"`}, []Challenge{{"bearer", params{"resource_metadata": "https://h/m"}}}},
		{"address without quotes", []string{`Bearer resource_metadata=https://h/m?a=b, error=invalid_token`},
			[]Challenge{{"Bearer", params{"resource_metadata": "https://h/m?a=b", "error": "invalid_token"}}}},
		{"several in one field", []string{`Basic realm="x", Bearer realm="y", scope="s", DPoP algs="ES256"`},
			[]Challenge{{"Basic", params{"realm": "x"}}, {"Bearer", params{"realm": "y", "scope": "s"}}, {"DPoP", params{"algs": "ES256"}}}},
		{"several fields", []string{`Negotiate`, `Bearer scope="s"`}, []Challenge{{"Negotiate", params{}}, {"Bearer", params{"scope": "s"}}}},
		{"schemes alone in a list", []string{`Negotiate, Basic, Bearer`},
			[]Challenge{{"Negotiate", params{}}, {"Basic", params{}}, {"Bearer", params{}}}},
		{"token68", []string{`Negotiate YII/+abc==, Bearer scope="s"`}, []Challenge{{"Negotiate", params{}}, {"Bearer", params{"scope": "s"}}}},
		{"no closing quote", []string{`Bearer scope="a b`}, []Challenge{{"Bearer", params{"scope": "a b"}}}},
		{"garbage first", []string{`"x" =y (z) Bearer scope="s"`}, []Challenge{{"Bearer", params{"scope": "s"}}}},
		{"the first of a repeated name counts", []string{`Bearer scope="a", scope="b"`}, []Challenge{{"Bearer", params{"scope": "a"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ParseChallenges(http.Header{"Www-Authenticate": tt.fields})
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("ParseChallenges(%q)\n got %q\nwant %q", tt.fields, got, tt.want)
			}
		})
	}
}

func TestBearerChallengeHelpers(t *testing.T) {
	c := Bearer(ParseChallenges(http.Header{"Www-Authenticate": {
		`Basic realm="x"`, `Bearer realm="old"`,
		`BEARER error="insufficient_scope", error_description="need` + "\x07" + ` more", scope="a  b", resource_metadata="https://h/m"`,
	}}))
	if c == nil {
		t.Fatal("no Bearer challenge found")
	}
	if got := c.Scope(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("Scope() = %q", got)
	}
	if c.ErrorCode() != "insufficient_scope" || c.ErrorDescription() != "need more" || c.ResourceMetadata() != "https://h/m" {
		t.Errorf("got %q, %q, %q", c.ErrorCode(), c.ErrorDescription(), c.ResourceMetadata())
	}
	var none *Challenge
	if Bearer(nil) != nil || none.Scope() != nil || none.ErrorCode() != "" || none.ResourceMetadata() != "" {
		t.Error("an absent challenge says something")
	}
}

// A second implementation has to agree on challenges that keep to the grammar.
func TestTheChallengeForATokenIsPickedAmongOthers(t *testing.T) {
	for _, tt := range []struct {
		fields []string
		want   string // scheme and realm; empty: none
	}{
		{[]string{`Negotiate`, `Basic realm="b"`}, ""},
		{[]string{`Negotiate abc==`, `Bearer realm="1"`}, "Bearer 1"},
		{[]string{`DPoP realm="1", Bearer realm="2"`}, "Bearer 2"},
		{[]string{`DPoP realm="1", resource_metadata="https://h/m"`, `Bearer realm="2"`}, "DPoP 1"},
		{[]string{`Bearer realm="1"`, `Basic realm="x", bearer realm="2", resource_metadata="https://h/m"`}, "bearer 2"},
		{[]string{`Bearer realm="1"`, `Bearer realm="2"`}, "Bearer 1"},
		{[]string{`dpop realm="1", error="use_dpop_nonce"`}, "dpop 1"},
	} {
		got := ""
		if c := Bearer(ParseChallenges(http.Header{"Www-Authenticate": tt.fields})); c != nil {
			got = c.Scheme + " " + c.Params["realm"]
			if c.DPoP() != strings.EqualFold(c.Scheme, "DPoP") {
				t.Errorf("%q: DPoP %v", tt.fields, c.DPoP())
			}
		}
		if got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.fields, got, tt.want)
		}
	}
}

func TestStepUpAsksForTheUnion(t *testing.T) {
	for _, tt := range []struct {
		before []string
		scope  string
		want   string
		more   bool
	}{
		{[]string{"a"}, "b", "a b", true},
		{[]string{"a", "b"}, "b a", "a b", false},
		{[]string{"a", "a"}, "a", "a", false},
		{nil, "x y x", "x y", true},
		{[]string{"a"}, "", "a", false},
	} {
		got, more := (&Challenge{Params: map[string]string{"scope": tt.scope}}).StepUp(tt.before)
		if strings.Join(got, " ") != tt.want || more != tt.more {
			t.Errorf("%v and %q: got %v, %v", tt.before, tt.scope, got, more)
		}
	}
	if got, more := (*Challenge)(nil).StepUp([]string{"a"}); len(got) != 1 || more {
		t.Errorf("no challenge: got %v, %v", got, more)
	}
}

func TestChallengesAgreeWithGoSDK(t *testing.T) {
	for _, field := range []string{
		`Bearer`, `Bearer realm="a"`, `Bearer realm="a", scope="b c"`, `Basic realm="x", Bearer resource_metadata="https://h/m"`,
		`Bearer error="invalid_token", error_description="a, \"b\""`, `DPoP algs="ES256 PS256", Bearer scope="s"`,
	} {
		theirs, err := oauthex.ParseWWWAuthenticate([]string{field})
		if err != nil {
			t.Fatalf("oauthex: %q: %v", field, err)
		}
		ours := ParseChallenges(http.Header{"Www-Authenticate": {field}})
		if len(ours) != len(theirs) {
			t.Fatalf("%q: got %d challenges, oauthex %d", field, len(ours), len(theirs))
		}
		for i := range ours {
			if !strings.EqualFold(ours[i].Scheme, theirs[i].Scheme) || len(ours[i].Params)+len(theirs[i].Params) > 0 && !maps.Equal(ours[i].Params, theirs[i].Params) {
				t.Errorf("%q: got %q, oauthex %q", field, ours[i], theirs[i])
			}
		}
	}
}

// Whatever stands before it, and whatever is quoted in it, a well-formed
// challenge in a field of its own is found with its value.
func FuzzParseChallenges(f *testing.F) {
	for _, s := range []string{"", "Bearer", `Bearer realm="`, `a=b, c`, `Negotiate a==`, `"\`, "=,=,", `Bearer a = "b\"c" d`} {
		f.Add(s, "value")
	}
	f.Add("x", `a "b" \c, d=e`)
	f.Fuzz(func(t *testing.T, before, value string) {
		quoted := `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(value) + `"`
		list := ParseChallenges(http.Header{"Www-Authenticate": {before, `Probe first=token, second=` + quoted + `, third="x"`}})
		if len(list) == 0 {
			t.Fatal("the challenge was not found")
		}
		last := list[len(list)-1]
		want := params{"first": "token", "second": value, "third": "x"}
		if last.Scheme != "Probe" || !maps.Equal(last.Params, want) {
			t.Errorf("after %q: got %q, want %q", before, last, want)
		}
		for _, c := range list {
			if c.Scheme == "" || strings.ContainsAny(c.Scheme, " \t,=\"") {
				t.Errorf("scheme %q is not a token", c.Scheme)
			}
		}
	})
}
