// Package docs checks that what the documents promise is in the tree.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

var (
	quoted   = regexp.MustCompile("`([^`]+)`")
	testName = regexp.MustCompile(`^((?:Test|Fuzz)\w+)(?:/(.+))?$`)
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

// TestEveryTestThatTheSecurityPageNamesIsThere reads the tables of attacks, whose
// last column is "test". It names tests: a package, and what stands behind it up to the next
// one is in that package, a test or a script.
func TestEveryTestThatTheSecurityPageNamesIsThere(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/security.md"))
	if err != nil {
		t.Fatal(err)
	}
	attacks, named := 0, false
	for line := range strings.Lines(string(page)) {
		line = strings.TrimSpace(line)
		cells := strings.Split(strings.Trim(line, "|"), "|")
		switch {
		case !strings.HasPrefix(line, "|"):
			named = false
			continue
		case strings.TrimSpace(cells[len(cells)-1]) == "test":
			named = true
			continue
		case !named || strings.Trim(line, "|- ") == "":
			continue
		}
		attacks++
		if len(cells) != 3 {
			t.Errorf("%d columns, want attack, what Keyporter does, and test (a bar in a text is written &#124;): %s", len(cells), line)
			continue
		}
		for _, problem := range problems(cells[2]) {
			t.Errorf("%s: %s", strings.TrimSpace(cells[0]), problem)
		}
	}
	if attacks < 2 {
		t.Errorf("the page has %d attacks", attacks)
	}
}

// problems says what is wrong with a cell that names tests.
func problems(cell string) (found []string) {
	var pkg string
	named := 0
	for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
		name := m[1]
		switch {
		case testName.MatchString(name):
			named++
			parts := testName.FindStringSubmatch(name)
			all, text := tests(pkg)
			if !slices.Contains(all, parts[1]) || !strings.Contains(text, `"`+parts[2]) {
				found = append(found, pkg+" has no "+name)
			}
		case strings.HasSuffix(name, ".txtar"):
			named++
			if files, _ := filepath.Glob(filepath.Join(root, pkg, "testdata/*", name)); len(files) == 0 {
				found = append(found, pkg+" has no script "+name)
			}
		default:
			pkg = name
			if all, _ := tests(pkg); len(all) == 0 {
				found = append(found, "no package "+pkg+" with tests")
			}
		}
	}
	if named == 0 {
		found = append(found, "no test is named")
	}
	return found
}

// tests returns the names of a package's tests, on whatever system they run, and
// their text.
func tests(pkg string) (names []string, text string) {
	files, _ := filepath.Glob(filepath.Join(root, pkg, "*_test.go")) // the pattern is well-formed
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // it is reported as a test that is not there
		}
		text += string(b)
		for _, m := range testFunc.FindAllStringSubmatch(string(b), -1) {
			names = append(names, m[1])
		}
	}
	return names, text
}

func TestNamesThatAreNotInTheTreeAreFound(t *testing.T) {
	for cell, wrong := range map[string]bool{
		"`test/docs` `TestNamesThatAreNotInTheTreeAreFound`": false,
		"`cmd/keyporter` `logout.txtar`, `TestScripts`":      false,
		"`test/e2e` `TestNobodyIsLedInside/by a profile`":    false,
		"`test/e2e` `TestNobodyIsLedInside/by a bird`":       true,
		"`test/docs` `TestOfNothing`":                        true,
		"`cmd/keyporter` `nothing.txtar`":                    true,
		"`broker/nothing` `TestScripts`":                     true,
		"`TestScripts`":                                      true,
		"TestScripts":                                        true,
		"`cmd/keyporter`":                                    true,
	} {
		if got := problems(cell); (len(got) > 0) != wrong {
			t.Errorf("%s: got %q, want problems %v", cell, got, wrong)
		}
	}
}
