package tally

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestFiguresOfARunTakeThePlaceOfTheLastOnes(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("# Page\n\n<!-- one -->\nold\n<!-- end of one -->\n\nText.\n\n<!-- two -->\n<!-- end of two -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(pageEnv, page)
	var run Tally
	run.Faults.Add(7)
	run.Sent.Add(3)
	run.Answered.Add(3)
	for _, name := range []string{"one", "two", "one"} {
		run.Report(t, name, "agents killed", "All is well.")
	}
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	figures := "\n- agents killed: 7 faults injected, 3 calls sent, 3 answered, 0 wrongly answered, 0 lost.\n- All is well.\n"
	if got := string(b); strings.Count(got, figures) != 2 || strings.Contains(got, "old") || !strings.Contains(got, "\n\nText.\n\n") {
		t.Errorf("the page holds\n%s", got)
	}
	if err := write(page, "three", "figures"); err == nil {
		t.Error("figures that have no place were written")
	}
}

func TestACallThatIsNotAnsweredIsNotGood(t *testing.T) {
	var run Tally
	run.Sent.Add(2)
	run.Answered.Add(1)
	if run.Good() {
		t.Errorf("good: %s", &run)
	}
	run.Answered.Add(1)
	if !run.Good() {
		t.Errorf("not good: %s", &run)
	}
	run.Wrong.Add(1)
	if run.Good() {
		t.Errorf("good: %s", &run)
	}
}

// TestThePageNamesTestsThatExist reads docs/reliability.md, whose guarantees name
// the tests that show them.
func TestThePageNamesTestsThatExist(t *testing.T) {
	page, err := os.ReadFile("../../docs/reliability.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := declared(t)
	named := regexp.MustCompile("`(Test[A-Za-z0-9_]+)`").FindAllSubmatch(page, -1)
	if len(named) == 0 {
		t.Error("the page names no test")
	}
	for _, m := range named {
		if !tests[string(m[1])] {
			t.Errorf("docs/reliability.md names %s, which is nowhere", m[1])
		}
	}
}

// declared returns the names of all tests.
func declared(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	function := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9_]+)\(`)
	err := filepath.WalkDir("../..", func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".cache" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		b, err := os.ReadFile(path)
		for _, m := range function.FindAllSubmatch(b, -1) {
			all[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
