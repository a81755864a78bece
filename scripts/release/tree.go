package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

const appID = "dev.keyporter.Keyporter"

// plant makes the tree of files for a target: what its archive and its packages hold.
func (r *release) plant(ctx context.Context, t target, tree string) error {
	at := func(name string) string { return filepath.Join(tree, filepath.FromSlash(name)) }
	var programs []string
	for _, name := range t.programs() {
		file := at(t.program(name))
		if err := t.compile(ctx, r.version, name, file); err != nil {
			return err
		}
		programs = append(programs, file)
	}
	documents := at(t.documents())
	if err := os.MkdirAll(documents, 0o755); err != nil {
		return err
	}
	for _, name := range []string{"README.md", "README.ja.md", "CHANGELOG.md", "LICENSE"} {
		if err := copyFile(name, filepath.Join(documents, name)); err != nil {
			return err
		}
	}
	var texts bytes.Buffer
	if err := thirdParty(ctx, &texts, programs); err != nil {
		return err
	}
	bom, err := r.bom(ctx, t, programs)
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{
		"THIRD-PARTY.txt": texts.Bytes(),
		"README.txt":      []byte(t.readme(r.version)),
		bomName:           bom,
	} {
		if err := os.WriteFile(filepath.Join(documents, name), content, 0o644); err != nil {
			return err
		}
	}
	switch t.os {
	case "linux":
		return r.plantDesktop(at)
	case "windows":
		if t.triple != "" {
			return copyFile("assets/windows/register-links.ps1", at("register-links.ps1"))
		}
	}
	return nil
}

// plantDesktop adds what a Linux desktop reads. Nothing of it starts Keyporter at
// login: that is a setting of the person's own.
func (r *release) plantDesktop(at func(string) string) error {
	for from, to := range map[string]string{
		"assets/linux/" + appID + ".desktop": "share/applications/" + appID + ".desktop",
		"assets/linux/copyright":             "share/doc/keyporter/copyright",
		"assets/icon.svg":                    "share/icons/hicolor/scalable/apps/" + appID + ".svg",
		"assets/icon.png":                    "share/icons/hicolor/512x512/apps/" + appID + ".png",
	} {
		if err := copyFile(from, at(to)); err != nil {
			return err
		}
	}
	about, err := os.ReadFile("assets/linux/" + appID + ".metainfo.xml")
	if err != nil {
		return err
	}
	filled := strings.NewReplacer("@VERSION@", r.version, "@DATE@", r.date.Format("2006-01-02")).Replace(string(about))
	to := at(path.Join("share/metainfo", appID+".metainfo.xml"))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, []byte(filled), 0o644)
}

// readme is what a person reads who has unpacked an archive.
func (t target) readme(version string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Keyporter %s for %s on %s\n\nPrograms: %s.\n", version, systemNames[t.os], t.arch, strings.Join(t.programs(), ", "))
	if t.without != "" {
		fmt.Fprintf(&b, "Not in here: %s.\n", t.without)
	}
	b.WriteString("\n" + placing[t.os] + `
README.md says how to go on. THIRD-PARTY.txt has the licences of what is linked in,
` + bomName + ` the same as a CycloneDX list for programs.
`)
	return b.String()
}

var systemNames = map[string]string{"linux": "Linux", "darwin": "macOS", "windows": "Windows"}

// placing says, for each system, where the programs go.
var placing = map[string]string{
	"linux": `Unpack the archive over ~/.local or /usr/local:
    tar -xf FILE -C ~/.local --strip-components=1
`,
	"darwin": `Put the programs into one folder on your PATH. Apple has not notarized them, so macOS
refuses them once they were downloaded, until you say:
    xattr -d com.apple.quarantine keyporter keyporter-demo
`,
	"windows": `Put the programs into one folder on your Path.
`,
}
