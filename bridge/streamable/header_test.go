package streamable

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestValuesTravelAsTheSpecificationSays(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "",
		"add":                "add",
		"a b":                "a b",
		" a":                 "=?base64?IGE=?=",
		"a ":                 "=?base64?YSA=?=",
		"a\tb":               "=?base64?YQli?=",
		"line\nbreak":        "=?base64?bGluZQpicmVhaw==?=",
		"grüße":              "=?base64?Z3LDvMOfZQ==?=",
		"=?base64?YQ==?=":    "=?base64?PT9iYXNlNjQ/WVE9PT89?=",
		"=?base64?not ended": "=?base64?not ended",
	} {
		if got := EncodeValue(in); got != want {
			t.Errorf("EncodeValue(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzEncodeValue holds that a value survives, and that what travels is a header
// field's value.
func FuzzEncodeValue(f *testing.F) {
	for _, s := range []string{"", "a", " a", "é", "=?base64?YQ==?=", "a\r\nX: y", "\x7f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := EncodeValue(s)
		if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r > '~' }) || strings.Trim(got, " ") != got {
			t.Fatalf("EncodeValue(%q) = %q is no field value", s, got)
		}
		back := got
		if inner, ok := strings.CutPrefix(got, sentinel); ok && strings.HasSuffix(inner, sentinelEnd) {
			b, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(inner, sentinelEnd))
			if err != nil {
				t.Fatalf("EncodeValue(%q) = %q: %v", s, got, err)
			}
			back = string(b)
		}
		if back != s {
			t.Fatalf("EncodeValue(%q) = %q, which is %q", s, got, back)
		}
	})
}

func TestHeaderFieldsOfAMessage(t *testing.T) {
	h := http.Header{}
	m := Meta{Session: "s", Version: "2026-07-28", Method: "tools/call", Name: "é", Named: true, Params: []Field{{"Region", "x y"}, {"n", "5"}}}
	m.fill(h)
	for name, want := range map[string]string{"Mcp-Session-Id": "s", "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call",
		"Mcp-Name": "=?base64?w6k=?=", "Mcp-Param-Region": "x y", "Mcp-Param-N": "5"} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !m.SentEncoded() {
		t.Error("an encoded name is not reported")
	}
	m.AsIs = true
	if m.fill(h); h.Get("Mcp-Name") != "é" {
		t.Errorf("name as it is: %q", h.Get("Mcp-Name"))
	}
	m.Name = "a\nb"
	if m.fill(h); h.Get("Mcp-Name") != "=?base64?YQpi?=" {
		t.Errorf("name with a line break: %q", h.Get("Mcp-Name"))
	}
}

func TestPathsBelowTheServersAddress(t *testing.T) {
	base := &url.URL{Scheme: "https", Host: "h", Path: "/a/mcp"}
	for path, want := range map[string]bool{"/a/mcp": true, "/a/mcp/": true, "/a/mcp/x": true, "/a/mcpx": false, "/a": false, "/b": false,
		"/a/mcp/../x": false, "/a/mcp/%2e%2e/x": false, `/a/mcp/..\x`: false} {
		u, err := url.Parse("https://h" + path)
		if err != nil {
			t.Fatal(err)
		}
		if got := within(base, u); got != want {
			t.Errorf("within(%s) = %v", path, got)
		}
	}
}

// breaking answers a POST with a stream that breaks off behind an event id, and
// counts the GETs that come for the rest.
type breaking struct {
	id   string
	gets atomic.Int32
}

func (b *breaking) RoundTrip(req *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}}, Request: req, ContentLength: -1}
	text := "id: " + b.id + "\ndata:\n\n"
	if req.Method == http.MethodGet {
		b.gets.Add(1)
		text = "data: {}\n\n"
	}
	resp.Body = io.NopCloser(strings.NewReader(text))
	return resp, nil
}

func TestNoStreamIsResumedAtAnIdThatNoRequestCanCarry(t *testing.T) {
	for id, resumed := range map[string]bool{"e1": true, "été": true, "a\x1b[31mb": false, "a\tb": false, "a\u009bb": false, strings.Repeat("a", 1<<20): false} {
		synctest.Test(t, func(t *testing.T) {
			server := &breaking{id: id}
			err := clientOf(server).Exchange(t.Context(), &Message{Body: []byte(`{}`), Resume: true}, func([]byte) (bool, error) { return true, nil })
			if got := server.gets.Load() > 0; got != resumed || (err == nil) != resumed {
				t.Errorf("%.20q: resumed is %v, %v", id, got, err)
			}
		})
	}
}
