package app

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The desktop joins window, icon, notification and menu entry by one name.
func TestPackagesNameTheApplicationAsItNamesItself(t *testing.T) {
	for file, want := range map[string][]string{
		"FyneApp.toml":                         {`ID = "` + ID + `"`, `Icon = "assets/icon.png"`},
		"assets/linux/" + ID + ".desktop":      {"\nIcon=" + ID + "\n", "\nExec=keyporter-tray --window %u\nMimeType=x-scheme-handler/keyporter;\n"},
		"assets/linux/" + ID + ".metainfo.xml": {"<id>" + ID + "</id>", ID + ".desktop</launchable>", `version="@VERSION@" date="@DATE@"`},
		"scripts/release/tree.go":              {`const appID = "` + ID + `"`},
		"assets/darwin/Info.plist":             {"<string>" + ID + "</string>", "<string>@VERSION@</string>"},
	} {
		b, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(string(b), w) {
				t.Errorf("%s lacks %q", file, w)
			}
		}
	}
	for checker, args := range map[string][]string{
		"desktop-file-validate": {"../assets/linux/" + ID + ".desktop"},
		"xmllint":               {"--noout", "--nonet", "../assets/linux/" + ID + ".metainfo.xml", "../assets/darwin/Info.plist"},
	} {
		if _, err := exec.LookPath(checker); err != nil {
			continue // scripts/setup installs the first one on Debian
		}
		if out, err := exec.Command(checker, args...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", checker, err, out)
		}
	}
}
