package translate

import "testing"

func TestInitializeResultOfWhateverTheServerSays(t *testing.T) {
	info := []byte(`{"name":"mine"}`)
	for discovered, want := range map[string]string{
		`{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"instructions":"i","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s"}}}`: `{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"s"},"instructions":"i"}`,
		`{"capabilities":[],"instructions":7,"_meta":{"io.modelcontextprotocol/serverInfo":"x"}}`:                                                         `{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"mine"}}`,
		`{}`: `{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"mine"}}`,
	} {
		if got := string(InitializeResult([]byte(discovered), "2025-06-18", info)); got != want {
			t.Errorf("of %s\n got %s\nwant %s", discovered, got, want)
		}
	}
}

func TestVersions(t *testing.T) {
	for list, want := range map[string]string{
		`["2026-07-28"]`: "2026-07-28", `["2031-01-01","2026-07-28","2025-11-25"]`: "2026-07-28",
		`["2025-11-25"]`: "", `["2031-01-01"]`: "", `[1,null]`: "", `{}`: "",
	} {
		if got := Choose([]byte(`{"supportedVersions":` + list + `}`)); got != want {
			t.Errorf("Choose(%s) = %q", list, got)
		}
	}
	for asked, want := range map[string]string{"2024-11-05": "2024-11-05", "2025-11-25": "2025-11-25", "": "2025-11-25", "2027-01-01": "2025-11-25"} {
		if got := Agree(asked); got != want {
			t.Errorf("Agree(%q) = %q", asked, got)
		}
	}
}
