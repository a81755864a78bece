package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var row = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.+) \\| (.+) \\|$")

// listedDependencies returns the rows of docs/dependencies.md: what for, and licence.
func listedDependencies(t *testing.T) map[string][2]string {
	t.Helper()
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string][2]string{}
	for _, r := range row.FindAllStringSubmatch(string(page), -1) {
		rows[r[1]] = [2]string{r[2], r[3]}
	}
	return rows
}

func TestDependenciesAreListedWithReasonAndLicence(t *testing.T) {
	listed := listedDependencies(t)
	out, err := output(t.Context(), "go", "mod", "edit", "-json")
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path, Version string
			Indirect      bool
		}
	}
	if err := json.Unmarshal([]byte(out), &mod); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range mod.Require {
		names = append(names, m.Path+"@"+m.Version)
		entry, ok := listed[m.Path]
		through := strings.HasPrefix(entry[0], "`")
		if !ok || through != m.Indirect {
			t.Errorf("docs/dependencies.md: %s (indirect: %v) is not listed as go.mod has it: %q", m.Path, m.Indirect, entry[0])
		}
	}
	found, err := modules(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != len(names) {
		t.Fatalf("%d of %d modules were found", len(found), len(names))
	}
	for _, m := range found {
		licence, err := m.licence()
		if err != nil {
			t.Error(err)
		} else if got := listed[m.Path][1]; got != licence {
			t.Errorf("docs/dependencies.md: the licence of %s is %q; its texts say %q", m.Path, got, licence)
		}
	}
}

func TestNodePackagesAreListedWithTheirLicence(t *testing.T) {
	listed := listedDependencies(t)
	b, err := os.ReadFile("test/node/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	var lock struct {
		Packages map[string]struct {
			License                            string
			Dependencies, OptionalDependencies map[string]string
		}
	}
	if err := json.Unmarshal(b, &lock); err != nil {
		t.Fatal(err)
	}
	top := lock.Packages[""]
	if len(top.Dependencies) == 0 {
		t.Fatal("the lock file names no dependencies")
	}
	for _, names := range []map[string]string{top.Dependencies, top.OptionalDependencies} {
		for name := range names {
			if want, got := lock.Packages["node_modules/"+name].License, listed[name][1]; got != want {
				t.Errorf("docs/dependencies.md: the licence of %s is %q; want %q", name, got, want)
			}
		}
	}
}

var runTool = regexp.MustCompile(`([\w-]+\.[a-z]+(?:/[\w.-]+)+)@v\d+\.\d+\.\d+`)

func TestProgramsThatScriptsRunAreListed(t *testing.T) {
	listed, count := listedDependencies(t), 0
	err := filepath.WalkDir("scripts", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, tool := range runTool.FindAllSubmatch(content, -1) {
			count++
			if _, ok := listed[string(tool[1])]; !ok {
				t.Errorf("docs/dependencies.md does not list %s, which %s runs", tool[1], path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if count < 4 {
		t.Errorf("only %d programs were found in scripts", count)
	}
}

func TestLicencesAreToldByTheirWords(t *testing.T) {
	apache, err := os.ReadFile("LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	font, err := os.ReadFile("assets/fonts/OFL.txt")
	if err != nil {
		t.Fatal(err)
	}
	const bsd = "Redistributions in binary form must reproduce the above copyright\n  notice, this list"
	for text, want := range map[string]string{
		string(apache): "Apache-2.0",
		string(font):   "OFL-1.1",
		bsd:            "BSD-2-Clause",
		bsd + "\nmay be used to endorse or\npromote products derived from": "BSD-3-Clause",
		"SPDX-License-Identifier: Unlicense OR BSD-3-Clause\n" + bsd:       "(Unlicense OR BSD-3-Clause)",
		"All rights reserved.": "",
	} {
		if got := strings.Join(identify(text), " AND "); got != want {
			t.Errorf("%.60q is %q; want %q", text, got, want)
		}
	}
}
