package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"debug/pe"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// thirdParty writes the licences of what is linked into programs of ours, as those
// ask for. What is linked in stands in the programs.
func thirdParty(ctx context.Context, w io.Writer, programs []string) error {
	var out bytes.Buffer
	out.WriteString(`Keyporter is licensed under the Apache License 2.0, see LICENSE. Linked into it is
the work of others, under these licences.

`)
	root, err := output(ctx, "go", "env", "GOROOT")
	if err != nil {
		return err
	}
	var names []string
	var goVersion, cRuntime string
	tray := false
	for _, program := range programs {
		info, err := buildinfo.ReadFile(program)
		if err != nil {
			return err
		}
		goVersion = info.GoVersion
		for _, dep := range info.Deps {
			names = append(names, dep.Path+"@"+dep.Version)
		}
		if path.Base(info.Path) == "keyporter-tray" {
			tray = true
			cRuntime = mingwOf(program)
		}
	}
	if goVersion == "" || len(names) == 0 {
		return errors.New("these programs name no modules")
	}
	slices.Sort(names)
	linked, err := modules(ctx, slices.Compact(names))
	if err != nil {
		return err
	}
	err = entry(&out, "Go and its standard library, "+goVersion, filepath.Join(root, "LICENSE"), filepath.Join(root, "PATENTS"))
	if tray {
		err = errors.Join(err, entry(&out, "M+ FONTS, in the tray app", "assets/fonts/OFL.txt"))
	}
	if cRuntime != "" {
		err = errors.Join(err, entry(&out, "The C runtime of mingw-w64, in the tray app", cRuntime))
	}
	for _, m := range linked {
		texts, textsErr := m.texts()
		err = errors.Join(err, textsErr, entry(&out, m.Path+" "+m.Version, texts...))
	}
	if err != nil {
		return err
	}
	_, err = w.Write(out.Bytes())
	return err
}

// entry writes what the files say.
func entry(out *bytes.Buffer, name string, files ...string) error {
	fmt.Fprintf(out, "%s\n%s\n\n", strings.Repeat("=", 80), name)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		out.Write(append(text, '\n'))
	}
	return nil
}

// mingwOf returns the file with the licences of mingw's runtime if a program has it
// linked in: a Windows program that was linked with C.
func mingwOf(program string) string {
	f, err := pe.Open(program)
	if err != nil {
		return ""
	}
	defer f.Close()
	return "/usr/share/doc/mingw-w64-x86-64-dev/copyright"
}
