package frame

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestScanReadsTheEnvelope(t *testing.T) {
	for _, test := range []struct {
		in      string
		kind    Kind
		id      string
		method  string
		name    string
		version string
	}{
		{`{"jsonrpc":"2.0","id":1,"method":"ping"}`, Request, "1", "ping", "", ""},
		{`{"params":{"name":"add","arguments":{"name":"x","id":9}},"method":"tools/call","id":"a"}`, Request, `"a"`, "tools/call", `"add"`, ""},
		{` { "id" : 12345678901234567890 , "method" : "x" } `, Request, "12345678901234567890", "x", "", ""},
		{`{"id":1,"method":"m","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}`, Request, "1", "m", "", `"2026-07-28"`},
		{`{"method":"notifications/initialized"}`, Notification, "", "notifications/initialized", "", ""},
		{`{"id":1,"result":{}}`, Response, "1", "", "", ""},
		{`{"id":null,"error":{"code":-32700,"message":""}}`, Response, "null", "", "", ""},
		{`{"error":{"code":-32700,"message":""}}`, Response, "", "", "", ""},
		{`{"id":null,"method":"m"}`, Invalid, "null", "m", "", ""},
		{`{"id":{},"method":"m"}`, Invalid, "{}", "m", "", ""},
		{`{"id":true,"result":1}`, Invalid, "true", "", "", ""},
		{`{"id":1,"method":5}`, Invalid, "1", "", "", ""},
		{`{}`, Invalid, "", "", "", ""},
		{`"text"`, Invalid, "", "", "", ""},
		{`[{"id":1,"method":"m"}]`, Batch, "", "", "", ""},
		{`{"\u0069d":7,"m\u0065thod":"\u0070ing"}`, Request, "7", "ping", "", ""},
		{`{"id":1,"id":2,"method":"a","method":"b"}`, Request, "2", "b", "", ""},
		{`{"id":1,"method":"m","params":{"name":"a"},"params":[]}`, Request, "1", "m", "", ""},
	} {
		f, err := Scan([]byte(test.in))
		if err != nil {
			t.Errorf("Scan(%s): %v", test.in, err)
			continue
		}
		if f.Kind != test.kind || string(f.ID) != test.id || f.Method != test.method || string(f.Name) != test.name || string(f.Version) != test.version {
			t.Errorf("Scan(%s) = kind %d, id %s, method %q, name %s, version %s", test.in, f.Kind, f.ID, f.Method, f.Name, f.Version)
		}
	}
}

func TestScanRefusesDeepNesting(t *testing.T) {
	deep := func(n int) []byte {
		return []byte(`{"id":1,"result":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`)
	}
	if _, err := Scan(deep(MaxDepth - 1)); err != nil {
		t.Errorf("depth %d: %v", MaxDepth, err)
	}
	if _, err := Scan(deep(MaxDepth + 1)); !errors.Is(err, ErrDepth) {
		t.Errorf("depth %d: %v, want ErrDepth", MaxDepth+2, err)
	}
	if _, err := Scan([]byte(strings.Repeat("[", 10_000_000))); !errors.Is(err, ErrDepth) {
		t.Errorf("ten million brackets: %v, want ErrDepth", err)
	}
}

func TestKeysOfEqualIDsAreEqual(t *testing.T) {
	for _, test := range []struct {
		a, b  string
		equal bool
	}{
		{`1`, `1.0`, true}, {`1`, `1e0`, true}, {`10`, `1E1`, true}, {`0`, `-0`, true},
		{`1`, `"1"`, false}, {`"a"`, `"\u0061"`, true}, {`"a/b"`, `"a\/b"`, true}, {`"\""`, `"\u0022"`, true},
		{`9007199254740993`, `9007199254740992`, false}, {`1e400`, `1e401`, false}, {`1.5`, `1.5`, true},
		{`"a\"b"`, `"a"`, false},
	} {
		if got := Key([]byte(test.a)) == Key([]byte(test.b)); got != test.equal {
			t.Errorf("Key(%s) == Key(%s) is %v", test.a, test.b, got)
		}
	}
}

func TestOneLineKeepsTheMeaning(t *testing.T) {
	in := "{\r\n\t\"id\": 1,\n \"result\": {\"a\": \"x\\ny\"}\n}"
	f, err := Scan([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	got := f.OneLine()
	if strings.ContainsAny(string(got), "\r\n") || len(got) != len(in) || !strings.Contains(string(got), `x\ny`) {
		t.Errorf("OneLine = %q", got)
	}
}

// A server that ends its JSON with a line end, as many do, was of no use to hosts
// made with the Go SDK.
func TestOneLineEndsWithTheMessage(t *testing.T) {
	f, err := Scan([]byte("{\"id\":1,\"result\":{}} \r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(f.OneLine()); got != `{"id":1,"result":{}}` {
		t.Errorf("OneLine = %q", got)
	}
}

func TestOneLineIsUTF8(t *testing.T) {
	for in, want := range map[string]string{
		"{\"id\":1,\"result\":\"a\xff\xfeb\"}":                  `{"id":1,"result":"a�b"}`,
		"{\"id\":1,\"result\":\"0123456789abcdef\xc3\"}":        `{"id":1,"result":"0123456789abcdef�"}`,
		"{\"id\":1,\"re\xffsult\":\"0123456789\",\"result\":1}": `{"id":1,"re�sult":"0123456789","result":1}`,
		`{"id":1,"result":"größe 😀"}`:                           `{"id":1,"result":"größe 😀"}`,
	} {
		f, err := Scan([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(f.OneLine()); got != strings.ReplaceAll(want, `\ufffd`, "\ufffd") {
			t.Errorf("OneLine(%q) = %q", in, got)
		}
	}
}

func TestSetAndDropTouchOneMember(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{string(Set([]byte(`{"a":1, "b" : [1,2],"c":3}`), "b", []byte(`"x"`))), `{"a":1, "b" : "x","c":3}`},
		{string(Set([]byte(`{"a":1}`), "b", []byte(`2`))), `{"a":1,"b":2}`},
		{string(Set([]byte(`{ } `), "b", []byte(`2`))), `{ "b":2} `},
		{string(Drop([]byte(`{"a":1,"b":2,"c":3}`), "b")), `{"a":1,"c":3}`},
		{string(Drop([]byte(`{"a":1}`), "a")), `{}`},
		{string(Drop([]byte(`{}`), "a")), `{}`},
		{string(Drop([]byte(` { "a" : 1 , "<\u0062>":2,"c": 3 } `), "a")), ` {"<\u0062>":2,"c": 3 } `},
		{string(Drop([]byte(`{"a":1, "b" :2 ,"c":3,"a":4 }`), "c")), `{"a":1, "b" :2,"a":4 }`},
		{string(Drop([]byte(`{"a":1,"a":4}`), "a")), `{}`},
		{string(NewError(nil, ErrorObject(-32700, `no "x"`, nil))), `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no \"x\""}}`},
	} {
		if test.got != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
	}
}

func TestGuessIDFindsOnlyTheMessagesOwnID(t *testing.T) {
	for _, test := range []struct{ head, tail, want string }{
		{`{"jsonrpc":"2.0","id":7,"method":"x","params":{"a":"`, `"}}`, `7`},
		{`{"id":"q","params":{"a":"`, `"}}`, `"q"`},
		{`{"method":"x","params":{"id":3,"a":"`, `aaa"},"jsonrpc":"2.0","id":8}`, `8`},
		{`{"method":"x","params":{"a":"`, `aaa","id":8}}`, ``},
		{`{"method":"x","params":{"a":"`, `aaa\"id\":8}"}`, ``},
		{`{"method":"x","params":{"a":"`, `aaa"}, "id" : "z" } `, `"z"`},
		{`{"method":"x","params":{"a":"`, `aaa"},"id":12`, ``},
		{`{"method":"x","id":12`, `34}`, ``},
		{``, ``, ``},
	} {
		if got := string(GuessID([]byte(test.head), []byte(test.tail))); got != test.want {
			t.Errorf("GuessID(%s … %s) = %s, want %s", test.head, test.tail, got, test.want)
		}
	}
}

// FuzzScan holds Scan against encoding/json: the same texts are valid, and the
// envelope has the same members.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","_meta":{"progressToken":5}}}`,
		`{"id":"\u00e9\ud83d\ude00","result":{"a":[1,2.5e-3,true,null,"x\\"]}}`, `[1,{"a":"b"},[]]`, `{"a":01}`, `{"a":1,}`,
		"{\"a\":\"\x01\"}", `{"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"v"},"_meta":3}}`, `"12345678"`, `-0.0e+1`, "\ufeff{}", `{"id":1}{}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := Scan(in)
		if errors.Is(err, ErrDepth) {
			return
		}
		if valid := json.Valid(in); valid != (err == nil) {
			t.Fatalf("Scan(%q): %v, but json.Valid says %v", in, err, valid)
		}
		if err != nil {
			return
		}
		var top map[string]json.RawMessage
		if json.Unmarshal(in, &top) != nil {
			return // an array or a single value
		}
		same(t, "id", got.ID, top)
		same(t, "result", got.Result, top)
		same(t, "error", got.Error, top)
		same(t, "params", got.Params, top)
		var params, meta map[string]json.RawMessage
		if json.Unmarshal(top["params"], &params) == nil {
			same(t, "name", got.Name, params)
			same(t, "uri", got.URI, params)
			same(t, "requestId", got.RequestID, params)
			same(t, "cursor", got.Cursor, params)
			same(t, "_meta", got.Meta, params)
			if json.Unmarshal(params["_meta"], &meta) == nil {
				same(t, "progressToken", got.ProgressToken, meta)
				same(t, MetaVersion, got.Version, meta)
			}
		}
		var method string
		if got.Method != "" && (json.Unmarshal(top["method"], &method) != nil || method != got.Method) {
			t.Fatalf("method %q, want %q", got.Method, method)
		}
		for name := range top {
			if json.Valid([]byte(name)) && Get(in, name) == nil && !strings.ContainsRune(name, '\ufffd') {
				t.Fatalf("Get(%q, %q) finds nothing", in, name)
			}
		}
	})
}

func same(t *testing.T, name string, got []byte, in map[string]json.RawMessage) {
	t.Helper()
	if string(got) != string(in[name]) {
		t.Fatalf("%s is %q, want %q", name, got, in[name])
	}
}

func BenchmarkScan(b *testing.B) {
	msg := []byte(`{"result":{"content":[{"type":"text","text":"` + strings.Repeat("lorem ipsum dolor ", 60_000) + `"}]},"jsonrpc":"2.0","id":1}`)
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Scan(msg); err != nil {
			b.Fatal(err)
		}
	}
}
