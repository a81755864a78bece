package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A readme is what of a README is no prose, and so is the same in each language.
type readme struct {
	headings []string // their marks: "##"
	blocks   []string // of code; no comments, which some shells take for arguments
	rows     []string // of tables: the code in each, in alphabetical order
	prose    []string // below each heading: the same of the text
	links    []string // in alphabetical order; "#" for a heading of its own
}

var (
	codeSpan = regexp.MustCompile("`[^`]+`")
	linkTo   = regexp.MustCompile(`\]\(([^)]+)\)|src="([^"]+)"`)
)

func readReadme(t *testing.T, name string) readme {
	t.Helper()
	b, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	r := readme{prose: []string{""}}
	inBlock := false
	for line := range strings.Lines(string(b)) {
		switch {
		case strings.HasPrefix(line, "```"):
			if inBlock = !inBlock; inBlock {
				r.blocks = append(r.blocks, line)
			}
		case inBlock:
			r.blocks[len(r.blocks)-1] += line
		case strings.HasPrefix(line, "#"):
			r.headings = append(r.headings, strings.Fields(line)[0])
			r.prose = append(r.prose, "")
		case strings.HasPrefix(line, "|"):
			r.rows = append(r.rows, codeIn(line))
		default:
			r.prose[len(r.prose)-1] += line
		}
	}
	for i, text := range r.prose {
		r.prose[i] = codeIn(text)
	}
	for _, m := range linkTo.FindAllStringSubmatch(string(b), -1) {
		target := m[1] + m[2]
		if heading, ok := strings.CutPrefix(target, "#"); ok {
			target = "#"
			if !strings.Contains(strings.ToLower(string(b)), "# "+heading+"\n") {
				t.Errorf("%s: no heading %s", name, heading)
			}
		} else if _, err := os.Stat("../../" + target); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r.links = append(r.links, strings.Replace(target, "-ja.png", "-en.png", 1))
	}
	slices.Sort(r.links)
	return r
}

// codeIn returns the code in a text, in alphabetical order: each language has its own.
func codeIn(text string) string {
	code := codeSpan.FindAllString(text, -1)
	slices.Sort(code)
	return strings.Join(slices.Compact(code), " ")
}

func TestReadmesSayTheSameInBothLanguages(t *testing.T) {
	en, ja := readReadme(t, "README.md"), readReadme(t, "README.ja.md")
	if !slices.Contains(en.links, "README.ja.md") || !slices.Contains(ja.links, "README.md") {
		t.Error("the two READMEs do not link to each other")
	}
	eachOther := func(link string) bool { return link == "README.md" || link == "README.ja.md" }
	en.links, ja.links = slices.DeleteFunc(en.links, eachOther), slices.DeleteFunc(ja.links, eachOther)
	for _, c := range []struct {
		what   string
		en, ja []string
	}{
		{"heading", en.headings, ja.headings}, {"code block", en.blocks, ja.blocks}, {"table row", en.rows, ja.rows},
		{"code in the text of section", en.prose, ja.prose}, {"link", en.links, ja.links},
	} {
		if len(c.en) == 0 || len(c.en) != len(c.ja) {
			t.Errorf("%s: README.md has %d, README.ja.md %d, want as many and some", c.what, len(c.en), len(c.ja))
		}
		for i := range min(len(c.en), len(c.ja)) {
			if c.en[i] != c.ja[i] {
				t.Errorf("%s %d differs:\nREADME.md:    %s\nREADME.ja.md: %s", c.what, i+1, c.en[i], c.ja[i])
				break
			}
		}
	}
}

// What the README tells people to type exists.
func TestReadmeNamesCommandsAndFlagsThatExist(t *testing.T) {
	p := &program{getenv: os.Getenv}
	root := p.root()
	flags := map[string]bool{}
	eachCommand(root, func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		c.Flags().VisitAll(func(f *pflag.Flag) { flags["--"+f.Name] = true })
	})
	r := readReadme(t, "README.md")
	typed := strings.Join(r.blocks, "\n")
	for _, code := range codeSpan.FindAllString(strings.Join(append(r.rows, r.prose...), " "), -1) {
		typed += strings.Trim(code, "`") + "\n"
	}
	typed = strings.ReplaceAll(typed, "\\\n", "")
	if strings.Contains(typed, " # ") {
		t.Error("a comment behind a command: zsh hands it over as arguments when it is pasted")
	}
	commands := 0
	for line := range strings.Lines(typed) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == "keyporter" {
			commands++
			if found, _, err := root.Find(fields[1:]); err != nil || found == root {
				t.Errorf("no such command: %s", line)
			}
		}
		for _, f := range fields {
			if f = strings.Trim(f, "[]"); strings.HasPrefix(f, "--") && !flags[f] {
				t.Errorf("no such flag: %s", line)
			}
		}
	}
	if commands < 20 {
		t.Errorf("%d commands found, want those of the README", commands)
	}
}
