package main

import (
	"bytes"
	"debug/buildinfo"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

func TestTheListNamesWhatTheProgramItselfNames(t *testing.T) {
	here := target{os: runtime.GOOS, arch: runtime.GOARCH}
	program := filepath.Join(t.TempDir(), "keyporter")
	if err := here.compile(t.Context(), "0.0.1", "keyporter", program); err != nil {
		t.Fatal(err)
	}
	r := release{version: "0.0.1", commit: "0123", date: time.Unix(1e9, 0).UTC()}
	written, err := r.bom(t.Context(), here, []string{program})
	if err != nil {
		t.Fatal(err)
	}
	again, err := r.bom(t.Context(), here, []string{program})
	if err != nil || !bytes.Equal(written, again) {
		t.Errorf("the list is another one the second time: %v", err)
	}

	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(written), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"pkg:golang/std@" + strings.TrimPrefix(info.GoVersion, "go")}
	for _, dep := range info.Deps {
		want = append(want, "pkg:golang/"+dep.Path+"@"+dep.Version)
	}
	var got, refs []string
	for _, c := range *bom.Components {
		refs = append(refs, c.BOMRef)
		if c.Type == cdx.ComponentTypeLibrary {
			got = append(got, c.PackageURL)
		}
		if c.Licenses == nil || (*c.Licenses)[0].Expression == "" {
			t.Errorf("%s has no licence", c.BOMRef)
		}
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the list has\n%v\nand the program\n%v", got, want)
	}
	for _, d := range *bom.Dependencies {
		for _, ref := range *d.Dependencies {
			if !slices.Contains(refs, ref) {
				t.Errorf("%s uses %s, which is not in the list", d.Ref, ref)
			}
		}
	}
	sum, err := sumOf(program)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.Index(refs, "program:keyporter")
	if i < 0 || (*(*bom.Components)[i].Hashes)[0] != (*sum)[0] {
		t.Errorf("the list has not the program's checksum: %v", refs)
	}
}

func TestTheListNamesFontsAndIconsOfTheTrayApp(t *testing.T) {
	l := list{components: map[string]cdx.Component{}, uses: map[string][]string{}}
	linux := target{os: "linux", arch: "amd64"}
	if err := l.addEmbedded(t.Context(), "tray", linux, "keyporter/cmd/keyporter-tray", true); err != nil {
		t.Fatal(err)
	}
	for file, licence := range map[string]string{
		"assets/fonts/Mplus1-Regular.otf": "OFL-1.1",
		"assets/icon.png":                 ours,
		"app/window/icons/servers.svg":    ours,
	} {
		c, ok := l.components["file:"+file]
		if !ok || (*c.Licenses)[0].Expression != licence || !slices.Contains(l.uses["tray"], c.BOMRef) {
			t.Errorf("the list has %+v for %s", c, file)
		}
	}
}
