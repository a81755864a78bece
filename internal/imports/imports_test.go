// Package imports holds a test and nothing else: which package may depend on
// which, with the reason for each rule. A package that does not exist yet is
// bound by the rules from its first day.
package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A pkg is what go list says about a package.
type pkg struct {
	ImportPath   string
	Standard     bool
	Imports      []string // its own import lines, without those of test files
	TestImports  []string
	XTestImports []string
	Deps         []string // all that it needs, without test files
	CgoFiles     []string
}

// A graph is the packages of the module and all that they need, by import path.
type graph map[string]*pkg

// list reads the graph for an operating system, with cgo allowed so that
// nothing hides behind its build tag. Nothing is compiled.
func list(t *testing.T, goos string) graph {
	t.Helper()
	noteSources(t)
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Standard,Imports,TestImports,XTestImports,Deps,CgoFiles", "./...")
	cmd.Dir = "../.." // the module's root
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=1")
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		t.Fatalf("go list: %v\n%s", err, problems.String())
	}
	g := graph{}
	for d := json.NewDecoder(&out); ; {
		p := &pkg{}
		if err := d.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("read go list: %v", err)
		}
		g[p.ImportPath] = p
	}
	if g["keyporter/internal/hint"] == nil {
		t.Fatal("go list does not know keyporter/internal/hint: it listed another module")
	}
	return g
}

// noteSources looks at every Go file of the module, so that go test runs the
// test again when one changes: its cache does not see what go list reads.
func noteSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == ".cache" || d.Name() == "node_modules"):
			return fs.SkipDir
		case filepath.Ext(path) == ".go":
			_, err = os.Stat(path)
			if errors.Is(err, fs.ErrNotExist) { // an editor's temporary file
				err = nil
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// matches reports whether path is one of patterns: an import path, or one with
// /... at its end, which stands for itself and everything below.
func matches(path string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if base, ok := strings.CutSuffix(p, "/..."); ok {
			return path == base || strings.HasPrefix(path, base+"/")
		}
		return path == p
	})
}

// check returns each breach of r.
func (r rule) check(g graph) []string {
	var breaches []string
	for path, p := range g {
		if !matches(path, r.of) || matches(path, r.except) {
			continue
		}
		reached := p.Deps
		if r.direct {
			reached = p.Imports
		}
		if r.tests {
			reached = slices.Concat(reached, p.TestImports, p.XTestImports)
		}
		for _, dep := range reached {
			if matches(dep, r.not) {
				breaches = append(breaches, fmt.Sprintf("%s depends on %s (%s): %s", path, dep, g.way(path, dep), r.reason))
			}
		}
	}
	slices.Sort(breaches)
	return breaches
}

// way returns a shortest chain of imports from one package to another.
func (g graph) way(from, to string) string {
	before := map[string]string{from: ""}
	for queue := []string{from}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at == to {
			chain := []string{at}
			for at = before[at]; at != ""; at = before[at] {
				chain = append(chain, at)
			}
			slices.Reverse(chain)
			return strings.Join(chain, " > ")
		}
		if g[at] == nil {
			continue
		}
		for _, next := range g[at].Imports {
			if _, seen := before[next]; !seen {
				before[next] = at
				queue = append(queue, next)
			}
		}
	}
	return "no chain found"
}

// check returns each import beyond a.
func (a allowlist) check(g graph) []string {
	var breaches []string
	for path, p := range g {
		if !matches(path, a.of) {
			continue
		}
		for _, dep := range p.Imports {
			if known := g[dep]; known != nil && known.Standard || matches(dep, a.only) {
				continue
			}
			breaches = append(breaches, fmt.Sprintf("%s imports %s: %s", path, dep, a.reason))
		}
	}
	slices.Sort(breaches)
	return breaches
}

// siblings returns each source that depends on another source.
func siblings(g graph) []string {
	const folder = "keyporter/broker/source/"
	kind := func(path string) string {
		below, ok := strings.CutPrefix(path, folder)
		if !ok {
			return ""
		}
		name, _, _ := strings.Cut(below, "/")
		return name
	}
	var breaches []string
	for path, p := range g {
		for _, dep := range p.Deps {
			if own, other := kind(path), kind(dep); own != "" && other != "" && own != other {
				breaches = append(breaches, fmt.Sprintf("%s depends on %s: sources do not know each other, so each can be read alone", path, dep))
			}
		}
	}
	slices.Sort(breaches)
	return breaches
}

// needC returns each package that cannot be built without a C compiler although
// it has to be. The standard library's own use of C is optional.
func needC(g graph) []string {
	var breaches []string
	for path, p := range g {
		if !matches(path, pure) {
			continue
		}
		for _, dep := range append([]string{path}, p.Deps...) {
			if d := g[dep]; d != nil && !d.Standard && len(d.CgoFiles) > 0 {
				breaches = append(breaches, fmt.Sprintf("%s needs C for %s: the command line is cross-compiled without a C compiler", path, dep))
			}
		}
	}
	slices.Sort(breaches)
	return breaches
}

// breaches returns everything that is wrong with g.
func breaches(g graph) []string {
	all := append(siblings(g), needC(g)...)
	for _, r := range rules {
		all = append(all, r.check(g)...)
	}
	for _, a := range allowlists {
		all = append(all, a.check(g)...)
	}
	return all
}

func TestImportsPointOneWay(t *testing.T) {
	for _, goos := range []string{"linux", "darwin", "windows"} {
		t.Run(goos, func(t *testing.T) {
			t.Parallel()
			for _, b := range breaches(list(t, goos)) {
				t.Error(b)
			}
		})
	}
}

// made is a graph of packages that import each other in a row, the last ones
// from the outside.
func made(chain ...string) graph {
	g := graph{}
	for i, path := range chain {
		p := &pkg{ImportPath: path, Deps: chain[i+1:]}
		p.Imports = p.Deps[:min(1, len(p.Deps))]
		g[path] = p
	}
	return g
}

func TestBreachesAreFound(t *testing.T) {
	tested := made("keyporter/broker")
	tested["keyporter/broker"].TestImports = []string{"keyporter/app/view"}
	needsC := made("keyporter/cmd/keyporter", "example.com/c")
	needsC["example.com/c"].CgoFiles = []string{"c.go"}
	for name, c := range map[string]struct {
		g    graph
		want string
	}{
		"through another package": {made("keyporter/bridge", "example.com/x", "fyne.io/fyne/v2/widget"), "keyporter/bridge > example.com/x > fyne.io/fyne/v2/widget"},
		"vault in a bridge":       {made("keyporter/bridge/stdio", "keyporter/broker/vault"), "cannot open the vault"},
		"secret in a view":        {made("keyporter/app/view", "keyporter/broker/secret"), "cannot reach a secret"},
		"fake in the agent":       {made("keyporter/broker", "keyporter/internal/fakeas"), "made for tests"},
		"one source in another":   {made("keyporter/broker/source/google", "keyporter/broker/source/static"), "do not know each other"},
		"C in the command line":   {needsC, "needs C for example.com/c"},
		"testing outside tests":   {made("keyporter/broker/token", "testing/synctest"), "stays in test files"},
		"upwards in a test":       {tested, "imports point one way"},
		"beyond an allowlist":     {made("keyporter/internal/hint", "example.com/x"), "imports example.com/x"},
	} {
		t.Run(name, func(t *testing.T) {
			got := strings.Join(breaches(c.g), "\n")
			if !strings.Contains(got, c.want) {
				t.Errorf("got %q, want it to contain %q", got, c.want)
			}
		})
	}
}

func TestAllowedImportsAreNotBreaches(t *testing.T) {
	for _, g := range []graph{
		made("keyporter/app/view", "keyporter/broker/local", "keyporter/broker/secret"),
		made("keyporter/broker/source/authcode", "keyporter/broker/loopback"),
		made("keyporter/cmd/keyporter-tray", "keyporter/app", "fyne.io/fyne/v2"),
		made("keyporter/internal/peers", "testing"),
		made("keyporter/cmd/keyporter-demo", "keyporter/internal/fakeas"),
	} {
		if got := breaches(g); len(got) > 0 {
			t.Errorf("got %q", got)
		}
	}
}
