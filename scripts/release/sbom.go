package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

const bomName = "sbom.cdx.json"

// ours is the licence of this project's own programs and files.
const ours = "Apache-2.0"

// bom returns the list of what is in the programs of a target, as CycloneDX 1.6
// has it: the modules that each program itself names, and the files embedded in it.
func (r *release) bom(ctx context.Context, t target, programs []string) ([]byte, error) {
	root := component(cdx.ComponentTypeApplication, "keyporter", r.version, ours)
	root.BOMRef = "keyporter"
	l := list{components: map[string]cdx.Component{}, uses: map[string][]string{}}
	serial := sha256.New()
	fmt.Fprintln(serial, t, r.version, r.commit)
	for _, program := range programs {
		ref, err := l.addProgram(ctx, t, program, r.version)
		if err != nil {
			return nil, err
		}
		l.uses[root.BOMRef] = append(l.uses[root.BOMRef], ref)
		fmt.Fprintln(serial, (*l.components[ref].Hashes)[0].Value)
	}
	bom := cdx.NewBOM()
	id := serial.Sum(nil)
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8, RFC 9562 §5.8
	bom.SerialNumber = fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16])
	bom.Metadata = &cdx.Metadata{
		Timestamp:  r.date.Format(time.RFC3339),
		Component:  &root,
		Properties: properties("commit", r.commit, "target", t.String()),
	}
	bom.Components, bom.Dependencies = l.sorted()
	var out bytes.Buffer
	err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6)
	return out.Bytes(), err
}

// A list collects components by their references, and which uses which.
type list struct {
	components map[string]cdx.Component
	uses       map[string][]string
}

func (l list) add(user string, c cdx.Component) {
	l.components[c.BOMRef] = c
	l.uses[user] = append(l.uses[user], c.BOMRef)
}

// addProgram adds a program with all that is in it, and returns its reference.
func (l list) addProgram(ctx context.Context, t target, program, version string) (string, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return "", err
	}
	sum, err := sumOf(program)
	if err != nil {
		return "", err
	}
	name := path.Base(info.Path)
	self := component(cdx.ComponentTypeApplication, name, version, ours)
	self.BOMRef, self.Hashes = "program:"+name, sum
	settings := []string{"file", t.program(name), "go", info.GoVersion}
	for _, s := range info.Settings {
		settings = append(settings, s.Key, s.Value)
	}
	self.Properties = properties(settings...)
	l.components[self.BOMRef] = self

	goVersion, _, _ := strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), " ")
	std := component(cdx.ComponentTypeLibrary, "std", goVersion, "BSD-3-Clause")
	std.BOMRef = "pkg:golang/std@" + goVersion
	std.PackageURL = std.BOMRef
	l.add(self.BOMRef, std)
	if err := l.addModules(ctx, self.BOMRef, info); err != nil {
		return "", err
	}
	cgo := slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "CGO_ENABLED" && s.Value == "1" })
	if t.os == "windows" && cgo {
		if err := l.addMingw(ctx, self.BOMRef); err != nil {
			return "", err
		}
	}
	return self.BOMRef, l.addEmbedded(ctx, self.BOMRef, t, info.Path, cgo)
}

func (l list) addModules(ctx context.Context, user string, info *buildinfo.BuildInfo) error {
	var names []string
	sums := map[string]string{}
	for _, dep := range info.Deps {
		if dep.Replace != nil {
			return fmt.Errorf("%s is replaced, which this list does not speak of", dep.Path)
		}
		names = append(names, dep.Path+"@"+dep.Version)
		sums[dep.Path] = dep.Sum
	}
	linked, err := modules(ctx, names)
	if err != nil {
		return err
	}
	for _, m := range linked {
		licence, err := m.licence()
		if err != nil {
			return err
		}
		c := component(cdx.ComponentTypeLibrary, m.Path, m.Version, licence)
		c.BOMRef = "pkg:golang/" + m.Path + "@" + m.Version
		c.PackageURL = c.BOMRef
		c.Properties = properties("go.sum", sums[m.Path])
		l.add(user, c)
	}
	return nil
}

// addMingw adds the C runtime that the linker put into a Windows program.
func (l list) addMingw(ctx context.Context, user string) error {
	version, err := output(ctx, "dpkg-query", "--show", "--showformat=${Version}", "mingw-w64-x86-64-dev")
	if err != nil {
		return err
	}
	c := component(cdx.ComponentTypeLibrary, "mingw-w64", version, "ZPL-2.1")
	c.BOMRef = "pkg:deb/debian/mingw-w64-x86-64-dev@" + version
	c.PackageURL = c.BOMRef
	l.add(user, c)
	return nil
}

// addEmbedded adds the files that this project's packages embed in a program:
// fonts, icons, pages, schemas.
func (l list) addEmbedded(ctx context.Context, user string, t target, importPath string, cgo bool) error {
	enabled := "0"
	if cgo {
		enabled = "1"
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=ImportPath,EmbedFiles", importPath)
	cmd.Env = append(plainEnv(), "GOOS="+t.os, "GOARCH="+t.arch, "CGO_ENABLED="+enabled)
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var pkg struct {
			ImportPath string
			EmbedFiles []string
		}
		if err := d.Decode(&pkg); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		folder, own := strings.CutPrefix(pkg.ImportPath, "keyporter/")
		if !own {
			continue
		}
		for _, file := range pkg.EmbedFiles {
			if err := l.addFile(user, path.Join(folder, file)); err != nil {
				return err
			}
		}
	}
}

func (l list) addFile(user, file string) error {
	licence := ours
	if path.Dir(file) == "assets/fonts" {
		licence = "OFL-1.1" // M+ FONTS
	}
	sum, err := sumOf(filepath.FromSlash(file))
	if err != nil {
		return err
	}
	c := component(cdx.ComponentTypeFile, file, "", licence)
	c.BOMRef, c.Hashes = "file:"+file, sum
	l.add(user, c)
	return nil
}

// sorted returns the components and their dependencies in the order of the references.
func (l list) sorted() (*[]cdx.Component, *[]cdx.Dependency) {
	var components []cdx.Component
	for _, c := range l.components {
		components = append(components, c)
	}
	slices.SortFunc(components, func(a, b cdx.Component) int { return cmp.Compare(a.BOMRef, b.BOMRef) })
	var dependencies []cdx.Dependency
	for user, used := range l.uses {
		slices.Sort(used)
		used = slices.Compact(used)
		dependencies = append(dependencies, cdx.Dependency{Ref: user, Dependencies: &used})
	}
	slices.SortFunc(dependencies, func(a, b cdx.Dependency) int { return cmp.Compare(a.Ref, b.Ref) })
	return &components, &dependencies
}

func component(kind cdx.ComponentType, name, version, licence string) cdx.Component {
	return cdx.Component{Type: kind, Name: name, Version: version, Licenses: &cdx.Licenses{{Expression: licence}}}
}

// properties takes names and values in turns.
func properties(pairs ...string) *[]cdx.Property {
	var all []cdx.Property
	for pair := range slices.Chunk(pairs, 2) {
		all = append(all, cdx.Property{Name: "keyporter:" + pair[0], Value: pair[1]})
	}
	return &all
}

func sumOf(file string) (*[]cdx.Hash, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: fmt.Sprintf("%x", sha256.Sum256(content))}}, nil
}
