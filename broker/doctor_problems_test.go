package broker

import (
	"flag"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// problemsFile holds what the checks say of the broken worlds, a text a line. app/view
// reads it to see that the window has words for each in every language.
const problemsFile = "testdata/problems.txt"

var update = flag.Bool("update", false, "rewrite the problems of broken worlds")

// problems are texts that are collected by several goroutines.
type problems struct {
	mu    sync.Mutex
	texts map[string]bool
}

// ofThisRun are what is another one each time, and what stands for it.
var ofThisRun = []struct {
	text  *regexp.Regexp
	stand string
}{
	{regexp.MustCompile(`[^ ]*/Test[^ /]*/[0-9]{3}`), "/home/a"},
	{regexp.MustCompile(`127\.0\.0\.1:[0-9]+`), "127.0.0.1:8000"},
	{regexp.MustCompile(`20[0-9]{2}-[0-9]{2}-[0-9]{2}`), "2026-11-21"},
	{regexp.MustCompile(`[0-9]+ min`), "120 min"},
}

func (p *problems) add(texts ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range texts {
		for _, of := range ofThisRun {
			text = of.text.ReplaceAllString(text, of.stand)
		}
		p.texts[text] = true
	}
}

// compare checks that the file has all of them, or makes it have them.
func (p *problems) compare(t *testing.T) {
	if *update {
		writeText(t, problemsFile, strings.Join(slices.Sorted(maps.Keys(p.texts)), "\n")+"\n")
		return
	}
	b, err := os.ReadFile(problemsFile)
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Split(string(b), "\n")
	for _, text := range slices.Sorted(maps.Keys(p.texts)) {
		if !slices.Contains(known, text) {
			t.Errorf("%s has no line %q; go test -run TestEachBrokenWorld ./broker -update", problemsFile, text)
		}
	}
}
