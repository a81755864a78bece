package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestVersionAndWrongUse(t *testing.T) {
	for _, c := range []struct {
		args        []string
		code        int
		out, errOut string
	}{
		{[]string{"--version"}, 0, "keyporter-tray " + version, ""},
		{[]string{"--help"}, 0, "", "Usage: keyporter-tray"},
		{[]string{"--colour"}, 2, "", "Usage: keyporter-tray"},
		{[]string{"Notion"}, 2, "", "Usage: keyporter-tray"},
	} {
		var out, errOut bytes.Buffer
		code := run(t.Context(), c.args, func(string) string { return "" }, &out, &errOut)
		if code != c.code || !strings.Contains(out.String(), c.out) || !strings.Contains(errOut.String(), c.errOut) || c.out == "" && out.Len() > 0 {
			t.Errorf("%v: exit %d, wrote %q and %q; want %d, %q and %q", c.args, code, out.String(), errOut.String(), c.code, c.out, c.errOut)
		}
	}
}
