package local

import (
	"go/ast"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"testing"
)

// What goes through all kinds of notice, as the tray's tests do, misses none.
func TestNoticeKindsHasEachKind(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "api.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	ast.Inspect(f, func(n ast.Node) bool {
		v, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := v.Type.(*ast.Ident); !ok || kind.Name != "NoticeKind" {
			return true
		}
		word, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil || !slices.Contains(NoticeKinds(), NoticeKind(word)) {
			t.Errorf("NoticeKinds lacks %s (%v)", v.Names[0].Name, err)
		}
		declared++
		return true
	})
	if declared != len(NoticeKinds()) {
		t.Errorf("%d kinds are declared, NoticeKinds has %d", declared, len(NoticeKinds()))
	}
}
