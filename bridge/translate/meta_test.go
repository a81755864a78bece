package translate

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"keyporter/bridge/frame"
)

func TestInjectLeavesWhatHasNoPlace(t *testing.T) {
	for in, want := range map[string]string{
		`{"id":1,"method":"m"}`:                                   `{"id":1,"method":"m","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"V","io.modelcontextprotocol/clientCapabilities":{}}}}`,
		`{"id":1,"method":"m","params":null}`:                     `{"id":1,"method":"m","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"V","io.modelcontextprotocol/clientCapabilities":{}}}}`,
		`{"id":1,"method":"m","params":[1]}`:                      `{"id":1,"method":"m","params":[1]}`,
		`{"params":{"_meta":null , "a":{}},"id":1,"method":"m" }`: `{"params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"V","io.modelcontextprotocol/clientCapabilities":{}} , "a":{}},"id":1,"method":"m" }`,
		`{"id":1,"method":"m","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2025-11-25","x":1}}}`: `{"id":1,"method":"m","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"V","x":1,"io.modelcontextprotocol/clientCapabilities":{}}}}`,
	} {
		if got := inject([]byte(in), "V", nil, []byte("{}"), nil); string(got) != want {
			t.Errorf("inject(%s)\n got %s\nwant %s", in, got, want)
		}
	}
}

// Whatever a client sends: each byte of it is there, in its order, and the
// message means the same but for the metadata.
func FuzzInject(f *testing.F) {
	for _, s := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`,
		`{"jsonrpc":"2.0","id":18446744073709551615,"method":"m","params":{"a":1.50,"b":"\u00e9\/"}, "x":[] }`,
		`{"params":{"_meta":{"progressToken":"p" } ,"name":"n"},"method":"tools/call","id":"x"}`,
		`{"params":{"_meta":{},"_meta":{"a":1}},"method":"m","id":2,"params":{"_meta" : { } }}`,
		"{\"id\":1,\t\"method\":\"m\" ,\"params\":{ }\n}",
		`{"id":1,"method":"m","par\u0061ms":{"_m\u0065ta":{"io.modelcontextprotocol/logLevel":"info"}}}`,
	} {
		f.Add([]byte(s))
	}
	client, caps, level := []byte(`{"name":"c","version":"1"}`), []byte(`{"roots":{}}`), []byte(`"debug"`)
	f.Fuzz(func(t *testing.T, raw []byte) {
		in, err := frame.Scan(raw)
		if err != nil || in.Kind != frame.Request || len(in.Params) > 0 && in.Params[0] != '{' {
			return
		}
		out := inject(bytes.Clone(raw), "2026-07-28", client, caps, level)
		got, err := frame.Scan(out)
		if err != nil {
			t.Fatalf("not JSON any more: %s", out)
		}
		if v, _ := frame.Text(got.Version); v != "2026-07-28" {
			t.Fatalf("version %q in %s", got.Version, out)
		}
		for name, want := range map[string][]byte{metaClient: client, metaCapabilities: caps, metaLevel: level} {
			if have := frame.Get(got.Meta, name); !bytes.Equal(have, want) {
				t.Fatalf("%s is %s in %s", name, have, out)
			}
		}
		fresh := len(in.Meta) == 0
		if !fresh && in.Meta[0] == '{' {
			fresh = true
			for name := range frame.Members(in.Meta) {
				fresh = fresh && name != frame.MetaVersion && name != metaClient && name != metaCapabilities && name != metaLevel
			}
		}
		if fresh && !inserted(raw, out) {
			t.Fatalf("bytes changed:\n%s\n%s", raw, out)
		}
		if a, b := without(t, raw), without(t, out); !reflect.DeepEqual(a, b) {
			t.Fatalf("meaning changed:\n%s\n%s", raw, out)
		}
	})
}

// inserted reports whether out is raw with one piece put in.
func inserted(raw, out []byte) bool {
	n := 0
	for n < len(raw) && n < len(out) && raw[n] == out[n] {
		n++
	}
	rest := len(raw) - n
	return rest <= len(out)-n && bytes.Equal(raw[n:], out[len(out)-rest:])
}

// without decodes a message and takes the metadata out, and what it stood in if
// nothing else was there.
func without(t *testing.T, raw []byte) any {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	params, _ := m["params"].(map[string]any)
	meta, _ := params["_meta"].(map[string]any)
	for _, name := range []string{frame.MetaVersion, metaClient, metaCapabilities, metaLevel} {
		delete(meta, name)
	}
	if len(meta) == 0 {
		delete(params, "_meta")
	}
	if len(params) == 0 {
		delete(m, "params")
	}
	return m
}
