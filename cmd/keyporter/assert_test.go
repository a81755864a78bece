package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdJSON is "json FILE PATH [VALUE]": FILE (or stdout) is JSON and has that
// value, a string as it is or compact JSON, at a path such as servers.0.name.
// "! json FILE PATH" says that there is nothing.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 || neg && len(args) == 3 {
		ts.Fatalf("usage: json FILE PATH [VALUE], or ! json FILE PATH")
	}
	v, ok := lookup(ts, args[0], args[1])
	switch {
	case neg && ok:
		ts.Fatalf("%s is %s, want nothing", args[1], compact(ts, v))
	case neg:
	case !ok:
		ts.Fatalf("there is no %s", args[1])
	case len(args) == 3 && compact(ts, v) != args[2]:
		ts.Fatalf("%s is %s, want %s", args[1], compact(ts, v), args[2])
	}
}

// cmdKeys is "keys FILE PATH KEY...": the object at the path has exactly these
// members.
func cmdKeys(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: keys FILE PATH KEY...")
	}
	v, _ := lookup(ts, args[0], args[1])
	object, ok := v.(map[string]any)
	if !ok {
		ts.Fatalf("%s is not an object", args[1])
	}
	got, want := slices.Sorted(maps.Keys(object)), slices.Sorted(slices.Values(args[2:]))
	if !slices.Equal(got, want) {
		ts.Fatalf("members of %s are %v, want %v", args[1], got, want)
	}
}

// lookup finds a value in a file by its path; "." is the whole.
func lookup(ts *testscript.TestScript, file, path string) (any, bool) {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(file)))
	d.UseNumber()
	var v any
	ts.Check(d.Decode(&v))
	if d.More() {
		ts.Fatalf("%s holds more than one value", file)
	}
	for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' }) {
		ok := false
		switch in := v.(type) {
		case map[string]any:
			v, ok = in[step]
		case []any:
			if i, err := strconv.Atoi(step); err == nil && i < len(in) {
				v, ok = in[i], true
			}
		}
		if !ok {
			return nil, false
		}
	}
	return v, true
}

func compact(ts *testscript.TestScript, v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	ts.Check(e.Encode(v))
	return strings.TrimSpace(b.String())
}
