package install

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"strings"
	"testing"
)

// contents reads a bundle.
func contents(t *testing.T, b *Bundle) (files map[string]string, modes map[string]os.FileMode) {
	t.Helper()
	var out, again bytes.Buffer
	if err := b.Write(&out); err != nil {
		t.Fatal(err)
	}
	if err := b.Write(&again); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Errorf("written twice it differs (%v)", err)
	}
	z, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	files, modes = map[string]string{}, map[string]os.FileMode{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name], modes[f.Name] = string(text), f.Mode()
	}
	return files, modes
}

func TestBundleLaunchesTheBridge(t *testing.T) {
	for system, entry := range map[string]string{"linux": "server/keyporter", "darwin": "server/keyporter", "windows": "server/keyporter.cmd"} {
		files, _ := contents(t, &Bundle{Server: "Sales data", Host: "sales.example.com", Command: `C:\100%\keyporter.exe`, Version: "v1.2.3-4-gabc", System: system,
			Tools: []string{"add", "greet"}, Icon: []byte("png")})
		var m manifest
		if err := json.Unmarshal([]byte(files["manifest.json"]), &m); err != nil {
			t.Fatal(err)
		}
		if m.Server.Config.Command != `C:\100%\keyporter.exe` || strings.Join(m.Server.Config.Args, "|") != "bridge|Sales data" ||
			m.Server.EntryPoint != entry || files[entry] == "" || files[m.Icon] != "png" ||
			m.Name != "keyporter-sales-data" || m.DisplayName != "Sales data" || m.Version != "1.2.3-4-gabc" || len(m.Tools) != 2 {
			t.Errorf("on %s: %s", system, files["manifest.json"])
		}
		if system == "windows" && files[entry] != "@\"C:\\100%%\\keyporter.exe\" bridge \"Sales data\"\r\n" {
			t.Errorf("the launcher is %q", files[entry])
		}
	}
	if got := semver("dev"); got != "0.0.0" {
		t.Errorf("a build without a version has %s", got)
	}
}
