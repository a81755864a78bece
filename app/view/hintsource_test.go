package view

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A said is something that a hint may say, with holes where the source has
// values.
type said struct{ text, where string }

// hole stands for what only a running program knows.
const hole = "\x01"

// A hintSource is a package of which the hints are read.
type hintSource struct {
	t     *testing.T
	fset  *token.FileSet
	files map[string]*ast.File
	funcs map[string][]*ast.FuncDecl
	busy  map[[2]any]bool // variables that named looks for
	found []said
}

// hintsOf returns what the hints say that the files made of a folder's package.
func hintsOf(t *testing.T, folder, files string) []said {
	t.Helper()
	s := &hintSource{t: t, fset: token.NewFileSet(), files: map[string]*ast.File{}, funcs: map[string][]*ast.FuncDecl{}, busy: map[[2]any]bool{}}
	paths, err := filepath.Glob(filepath.Join("../..", folder, "*.go"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no source in %s: %v", folder, err)
	}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(s.fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		s.files[path] = f
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Body != nil {
				s.funcs[fn.Name.Name] = append(s.funcs[fn.Name.Name], fn)
			}
		}
	}
	for path, f := range s.files {
		if ok, err := filepath.Match(files, filepath.Base(path)); err != nil || !ok {
			continue
		}
		for _, d := range f.Decls {
			ast.Inspect(d, func(n ast.Node) bool { s.look(n, d); return true })
		}
	}
	return s.found
}

// look notes what n says, if it makes a hint: with New or Wrap, as one of claims'
// findings, as the results of a function that explains, or by changing one. in is
// the declaration around it.
func (s *hintSource) look(n ast.Node, in ast.Decl) {
	switch n := n.(type) {
	case *ast.CallExpr:
		switch name := called(n); {
		case name == "hint.New" && len(n.Args) == 3, name == "hint.Wrap" && len(n.Args) == 4, name == "Wrap" && len(n.Args) == 4:
			s.say(in, n.Args[len(n.Args)-2])
			s.say(in, n.Args[len(n.Args)-1])
		case (name == "say" || name == "j.always" || name == "j.against" || name == "j.perhaps") && len(n.Args) > 2 && !n.Ellipsis.IsValid():
			s.say(in, n.Args[1])
			s.sayAll(n, s.formatted(n.Args[2:], in, 0))
		}
	case *ast.ReturnStmt:
		if len(n.Results) != 3 {
			return
		}
		if code, ok := n.Results[0].(*ast.SelectorExpr); ok && nameOf(code.X) == "hint" {
			s.say(in, n.Results[1])
			s.say(in, n.Results[2])
		}
	case *ast.AssignStmt:
		if to, ok := n.Lhs[0].(*ast.SelectorExpr); ok && (to.Sel.Name == "What" || to.Sel.Name == "Do") {
			s.say(in, n.Rhs[0])
		}
	}
}

func (s *hintSource) say(in ast.Decl, e ast.Expr) { s.sayAll(e, s.texts(e, in, 0)) }

func (s *hintSource) sayAll(at ast.Node, texts []string) {
	for _, text := range texts {
		s.found = append(s.found, said{text, s.fset.Position(at.Pos()).String()})
	}
}

// texts returns what an expression may be as a text.
func (s *hintSource) texts(e ast.Expr, in ast.Decl, depth int) []string {
	if depth > 6 {
		return []string{hole}
	}
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			return []string{text}
		}
	case *ast.ParenExpr:
		return s.texts(e.X, in, depth+1)
	case *ast.BinaryExpr:
		return joined(s.texts(e.X, in, depth+1), s.texts(e.Y, in, depth+1))
	case *ast.IndexExpr:
		return s.texts(e.X, in, depth+1)
	case *ast.CompositeLit:
		var all []string
		for _, el := range e.Elts {
			if kv, ok := el.(*ast.KeyValueExpr); ok {
				all = append(all, s.texts(kv.Value, in, depth+1)...)
			}
		}
		return orHole(all)
	case *ast.Ident:
		return s.named(e.Name, in, depth+1)
	case *ast.SelectorExpr:
		if e.Sel.Name == "What" || e.Sel.Name == "Do" {
			return []string{"Try again."} // another hint's sentence
		}
	case *ast.CallExpr:
		if called(e) == "fmt.Sprintf" {
			return s.formatted(e.Args, in, depth+1)
		}
		return s.returned(nameOf(e.Fun), depth+1)
	}
	return []string{hole}
}

// formatted returns what fmt.Sprintf may make of args.
func (s *hintSource) formatted(args []ast.Expr, in ast.Decl, depth int) []string {
	var all []string
	for _, format := range s.texts(args[0], in, depth) {
		pieces := strings.Split(format, "%")
		made := []string{pieces[0]}
		for i, piece := range pieces[1:] {
			var value []string
			switch {
			case piece == "" || i+1 >= len(args):
				s.t.Fatalf("%s: %q is not understood", s.fset.Position(args[0].Pos()), format)
			case piece[0] == 'd':
				value = []string{"7"}
			case piece[0] == 'q':
				value = []string{strconv.Quote("name")}
			default:
				value = s.texts(args[i+1], in, depth)
			}
			if strings.HasPrefix(piece[1:], ".") {
				value = partsOf(value)
			}
			made = joined(joined(made, value), []string{piece[1:]})
		}
		all = append(all, made...)
	}
	return all
}

// partsOf makes holes of sentences: what a full stop follows is none.
func partsOf(values []string) []string {
	parts := slices.Clone(values)
	for i, value := range parts {
		if strings.HasSuffix(value, ".") {
			parts[i] = hole
		}
	}
	return parts
}

// named returns what a constant or variable may hold: what is put into it in the
// declaration around its use, or else where it is declared.
func (s *hintSource) named(name string, in ast.Decl, depth int) []string {
	use := [2]any{name, in}
	if s.busy[use] { // it is put together of what it held before
		return nil
	}
	s.busy[use] = true
	defer delete(s.busy, use)
	var all []string
	hold := func(in ast.Decl) {
		ast.Inspect(in, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for i, to := range n.Lhs {
					if id, ok := to.(*ast.Ident); ok && id.Name == name && len(n.Lhs) == len(n.Rhs) {
						all = append(all, s.texts(n.Rhs[i], in, depth+1)...)
					}
				}
			case *ast.ValueSpec:
				for i, id := range n.Names {
					if id.Name == name && i < len(n.Values) {
						all = append(all, s.texts(n.Values[i], in, depth+1)...)
					}
				}
			}
			return true
		})
	}
	if hold(in); len(all) == 0 {
		for _, f := range s.files {
			for _, d := range f.Decls {
				if g, ok := d.(*ast.GenDecl); ok {
					hold(g)
				}
			}
		}
	}
	return orHole(all)
}

// returned returns what the package's functions of a name may return, if that is
// one text.
func (s *hintSource) returned(name string, depth int) []string {
	var all []string
	for _, fn := range s.funcs[name] {
		if r := fn.Type.Results; r == nil || len(r.List) != 1 || nameOf(r.List[0].Type) != "string" {
			continue
		}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			if r, ok := n.(*ast.ReturnStmt); ok && len(r.Results) == 1 {
				all = append(all, s.texts(r.Results[0], fn, depth+1)...)
			}
			_, inner := n.(*ast.FuncLit)
			return !inner
		})
	}
	return orHole(slices.DeleteFunc(all, func(text string) bool { return text == "" }))
}

// called names the function of a call, with what stands before its dot.
func called(call *ast.CallExpr) string {
	if f, ok := call.Fun.(*ast.SelectorExpr); ok {
		return nameOf(f.X) + "." + f.Sel.Name
	}
	return nameOf(call.Fun)
}

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// joined returns each of a followed by each of b.
func joined(a, b []string) []string {
	var all []string
	for _, x := range a {
		for _, y := range b {
			all = append(all, x+y)
		}
	}
	return all
}

// orHole makes one hole of all texts that are a value with no words around it,
// such as one with an ellipsis.
func orHole(texts []string) []string {
	var all []string
	holes := false
	for _, text := range texts {
		if text == "" || hasWords(text) {
			all = append(all, text)
		} else {
			holes = true
		}
	}
	if holes || len(all) == 0 {
		all = append(all, hole)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func hasWords(text string) bool { return twoLetters.MatchString(text) }

var twoLetters = regexp.MustCompile(`[A-Za-z]{2}`)
