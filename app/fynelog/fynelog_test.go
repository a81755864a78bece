package fynelog

import (
	"bytes"
	"log"
	"strings"
	"testing"
)

func TestOnlyTheComplaintIsLeftOut(t *testing.T) {
	var out bytes.Buffer
	l := log.New(&filter{out: &out}, "", log.LstdFlags)
	for _, line := range []string{
		"Fyne error:  Error parsing user locale C", "  Cause: language: tag is not well-formed", "  At: lang/locale.go:35",
		"kept", "Fyne error:  something else", "  Cause: another", "  At: window.go:1",
	} {
		l.Println(line)
	}
	if got := out.String(); strings.Count(got, "\n") != 4 || strings.Contains(got, "locale") || !strings.Contains(got, "  At: window.go:1") {
		t.Errorf("what is left is\n%s", got)
	}
}
