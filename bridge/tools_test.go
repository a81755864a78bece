package bridge

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"keyporter/bridge/frame"
)

func TestHeaderAnnotationsAreMirroredAndInvalidToolsLeftOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tools := `{"tools":[` +
			`{"name":"good","inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"},"n":{"type":"integer","x-mcp-header":"N"},` +
			`"deep":{"type":"object","properties":{"on":{"type":"boolean","x-mcp-header":"On"}}},"x-mcp-header":{"type":"string"}}}}, ` +
			`{"name":"bad","inputSchema":{"type":"object","properties":{"a":{"type":"number","x-mcp-header":"A"}}}},` +
			`{"name":"plain","inputSchema":{"type":"object"}}],"resultType":"complete"}`
		var params []http.Header
		h := start(t, newAgent(address), inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			if r.Header.Get("Mcp-Method") == "tools/list" {
				answer(w, string(body), tools)
				return
			}
			params = append(params, r.Header)
			answer(w, string(body), `{}`)
		})))
		h.send(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{` + modernMeta + `}}`)
		line := h.wantHas(`"name":"good"`, `"name":"plain"`)
		if strings.Contains(line, `"bad"`) || !strings.Contains(line, `"resultType":"complete"`) {
			t.Errorf("list %s", line)
		}
		h.send(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"good","arguments":{"region":" é","n":1e2,"deep":{"on":true}},` + modernMeta + `}}`)
		h.wantHas(`"id":2`)
		h.send(`{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"good","arguments":{"region":null,"n":1.5},` + modernMeta + `}}`)
		h.wantHas(`"id":3`)
		h.end()
		got := params[0]
		for name, want := range map[string]string{"Mcp-Param-Region": "=?base64?IMOp?=", "Mcp-Param-N": "100", "Mcp-Param-On": "true",
			"Mcp-Name": "good", "Mcp-Method": "tools/call", "Mcp-Protocol-Version": "2026-07-28", "Accept": "application/json, text/event-stream"} {
			if got.Get(name) != want {
				t.Errorf("%s: %q, want %q", name, got.Get(name), want)
			}
		}
		for name := range params[1] {
			if strings.HasPrefix(name, "Mcp-Param-") {
				t.Errorf("null and fractional arguments were mirrored: %s", name)
			}
		}
	})
}

func TestAHeaderMismatchMakesTheBridgeReadTheToolsAnew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		lists, calls := 0, 0
		h := start(t, newAgent(address), inMemory(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			switch {
			case r.Header.Get("Mcp-Method") == "tools/list":
				lists++
				answer(w, string(body), `{"tools":[{"name":"t","inputSchema":{"properties":{"r":{"type":"string","x-mcp-header":"R"}}}}]}`)
			case r.Header.Get("Mcp-Param-R") != "eu":
				calls++
				w.WriteHeader(400)
				io.WriteString(w, `{"jsonrpc":"2.0","id":1,"error":{"code":-32020,"message":"Header mismatch"}}`)
			default:
				calls++
				answer(w, string(body), `{"ok":true}`)
			}
		})))
		h.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"r":"eu"},` + modernMeta + `}}`)
		h.want(`{"jsonrpc":"2.0","id":1,"result":{"ok":true}}`)
		if lists != 1 || calls != 2 {
			t.Errorf("%d lists and %d calls, want 1 and 2", lists, calls)
		}
	})
}

func TestInvalidAnnotationsAreFound(t *testing.T) {
	for schema, valid := range map[string]bool{
		`{}`: true,
		`{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"boolean","x-mcp-header":"B"}}}`: true,
		`{"properties":{"a":{"type":["string","null"],"x-mcp-header":"A"}}}`:                                  true,
		`{"properties":{"a":{"type":"string","default":{"x-mcp-header":1}}}}`:                                 true,
		`{"properties":{"a":{"type":"string","x-mcp-header":""}}}`:                                            false,
		`{"properties":{"a":{"type":"string","x-mcp-header":"A B"}}}`:                                         false,
		`{"properties":{"a":{"type":"string","x-mcp-header":7}}}`:                                             false,
		`{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}`:                                           false,
		`{"properties":{"a":{"x-mcp-header":"A"}}}`:                                                           false,
		`{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}`:  false,
		`{"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}}`:                  false,
		`{"$defs":{"d":{"type":"string","x-mcp-header":"A"}},"properties":{"a":{"$ref":"#/$defs/d"}}}`:        false,
		`{"properties":{"a":{"oneOf":[{"type":"string","x-mcp-header":"A"}]}}}`:                               false,
		`{"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}`:                               false,
		`{"type":"string","x-mcp-header":"A"}`:                                                                false,
		`{"properties":{"o":{"type":"object","properties":{"a":{"type":"integer","x-mcp-header":"A"}}}}}`:     true,
		`{"patternProperties":{"^a":{"type":"string","x-mcp-header":"A"}}}`:                                   false,
	} {
		if _, err := annotations([]byte(schema)); (err == nil) != valid {
			t.Errorf("%s: %v, valid should be %v", schema, err, valid)
		}
	}
}

// FuzzTools holds that leaving tools out leaves valid JSON and changes no other
// member, whatever the tools look like.
func FuzzTools(f *testing.F) {
	f.Add([]byte(`{"tools":[{"name":"a","inputSchema":{"properties":{"p":{"type":"string","x-mcp-header":"P"}}}},{"name":"b","inputSchema":{"x-mcp-header":1}}],"nextCursor":"n"}`))
	f.Add([]byte(`{"tools":[1,null,[]],"tools":[{"inputSchema":{"items":{"x-mcp-header":""}}}]}`))
	f.Add([]byte(`{"tools":{}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if _, err := frame.Scan(in); err != nil || in[0] != '{' {
			return
		}
		var table toolTable
		out := table.read(in, slog.New(slog.DiscardHandler))
		if !json.Valid(out) {
			t.Fatalf("%s became %s", in, out)
		}
		var before, after map[string]json.RawMessage
		if json.Unmarshal(in, &before) != nil || json.Unmarshal(out, &after) != nil || len(before) != len(after) {
			t.Fatalf("%s became %s", in, out)
		}
		for name := range before {
			if name != "tools" && !bytes.Equal(before[name], after[name]) {
				t.Fatalf("%s of %s became %s", name, in, after[name])
			}
		}
		if again := table.read(out, slog.New(slog.DiscardHandler)); !bytes.Equal(again, out) {
			t.Fatalf("%s still has invalid tools", out)
		}
	})
}
