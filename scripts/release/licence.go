package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A module is one that is linked into a program.
type module struct {
	Path, Version string
	Dir           string // where its source is on this machine
	Error         string
}

// modules finds the sources of modules, PATH@VERSION each, and gets those that
// are not here yet.
func modules(ctx context.Context, names []string) ([]module, error) {
	if len(names) == 0 {
		return nil, nil
	}
	cmd := exec.CommandContext(ctx, "go", append([]string{"mod", "download", "-json"}, names...)...)
	out, runErr := cmd.Output()
	var found []module
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var m module
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("read go mod download: %w", err)
		}
		if m.Error != "" {
			return nil, fmt.Errorf("get %s: %s", m.Path, m.Error)
		}
		found = append(found, m)
	}
	if runErr != nil {
		return nil, fmt.Errorf("go mod download: %w", runErr)
	}
	return found, nil
}

var licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying|notice|patents|ofl)([._-].*)?$`)

// texts returns the files with a module's licences, and with what they ask to pass on.
func (m module) texts() ([]string, error) {
	var found []string
	err := filepath.WalkDir(m.Dir, func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != m.Dir && (name == "testdata" || name == "cmd" || name == "fuzz" || name[0] == '.'):
			return fs.SkipDir
		case d.Type().IsRegular() && licenceFile.MatchString(name):
			found = append(found, path)
		}
		return nil
	})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s has no licence", m.Path)
	}
	return found, err
}

// licence returns a module's licences as an SPDX expression, for example
// "Apache-2.0 AND MIT".
func (m module) licence() (string, error) {
	paths, err := m.texts()
	if err != nil {
		return "", err
	}
	var names []string
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		found := identify(string(text))
		if len(found) == 0 && !addition.MatchString(filepath.Base(path)) {
			return "", fmt.Errorf("%s of %s is no licence known here", filepath.Base(path), m.Path)
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 1 {
		return strings.Trim(names[0], "()"), nil
	}
	return strings.Join(names, " AND "), nil
}

// addition is a file that stands beside a licence.
var addition = regexp.MustCompile(`(?i)^(notice|patents)`)

// phrases are words that stand in a licence and, of those that modules here
// have, in no other.
var phrases = []struct{ spdx, words string }{
	{"Apache-2.0", "apache license version 2.0, january 2004"},
	{"Apache-2.0", "licensed under the apache license, version 2.0"},
	{"Bitstream-Vera", "bitstream vera is a trademark"},
	{"BSD-2-Clause", "redistributions in binary form must reproduce the above copyright notice"},
	{"BSD-3-Clause", "to endorse or promote products derived from"},
	{"ISC", "permission to use, copy, modify, and/or distribute this software for any purpose"},
	{"MIT", "to any person obtaining a copy of this software"},
	{"MPL-2.0", "mozilla public license version 2.0"},
	{"OFL-1.1", "sil open font license version 1.1"},
	{"Unlicense", "this is free and unencumbered software released into the public domain"},
	{"Zlib", "this software is provided 'as-is', without any express or implied warranty"},
}

var choice = regexp.MustCompile(`SPDX-License-Identifier: (.+ OR .+)`)

// identify returns the SPDX names of the licences in a text. A choice between some,
// where the text says so, is one name, in brackets.
func identify(text string) []string {
	if offered := choice.FindStringSubmatch(text); offered != nil {
		return []string{"(" + strings.TrimSpace(offered[1]) + ")"}
	}
	words := slices.DeleteFunc(strings.Fields(text), func(word string) bool { return word == "//" || word == "*" }) // some stand in a comment
	text = strings.ToLower(strings.Join(words, " "))
	var names []string
	for _, p := range phrases {
		if strings.Contains(text, p.words) && !slices.Contains(names, p.spdx) {
			names = append(names, p.spdx)
		}
	}
	if slices.Contains(names, "BSD-3-Clause") { // which has all the words of the other
		names = slices.DeleteFunc(names, func(name string) bool { return name == "BSD-2-Clause" })
	}
	return names
}
