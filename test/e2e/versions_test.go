//go:build unix

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"keyporter/broker/local"
	"keyporter/internal/fakeas"
	"keyporter/internal/tally"
)

// A change is what another version of the program has in place of a text of this
// one, by file.
type change map[string]func(string) string

// build builds keyporter with changes to its source, as another version.
func build(t *testing.T, version string, c change) (path string) {
	t.Helper()
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for file, edit := range c {
		original, err := filepath.Abs(filepath.Join("../..", file))
		check(t, err)
		b, err := os.ReadFile(original)
		check(t, err)
		changed := edit(string(b))
		if changed == string(b) {
			t.Fatalf("%s is not what the test changes", file)
		}
		overlay.Replace[original] = filepath.Join(dir, strings.ReplaceAll(file, "/", "-"))
		check(t, os.WriteFile(overlay.Replace[original], []byte(changed), 0o600))
	}
	b, err := json.Marshal(overlay)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(dir, "overlay.json"), b, 0o600))
	check(t, os.Mkdir(filepath.Join(dir, "bin"), 0o700))
	path = filepath.Join(dir, "bin", "keyporter")
	compile(t, "../..", path, version, "-overlay="+filepath.Join(dir, "overlay.json"))
	return path
}

// compile builds the program of a source tree.
func compile(t *testing.T, source, path, version string, more ...string) {
	t.Helper()
	cmd := exec.Command("go", append(append([]string{"build"}, more...), "-ldflags=-s -w -X main.version="+version, "-o", path, "./cmd/keyporter")...)
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build version %s: %v\n%s", version, err, out)
	}
}

// checkOut builds the program of a commit.
func checkOut(t *testing.T, commit string) (path string) {
	t.Helper()
	dir := t.TempDir()
	archive := exec.Command("sh", "-c", `git -C ../.. archive "$0" | tar -x -C "$1"`, commit, dir)
	if out, err := archive.CombinedOutput(); err != nil {
		t.Fatalf("check out %s: %v\n%s", commit, err, out)
	}
	path = filepath.Join(dir, "bin", "keyporter")
	compile(t, dir, path, commit)
	return path
}

func replace(old, by string) func(string) string {
	return func(text string) string { return strings.ReplaceAll(text, old, by) }
}

var structs = regexp.MustCompile(`(?m)^type [A-Z]\w* struct \{$`)

// newer is a version that an older one could misunderstand: its API has another
// number.
var newer = sync.OnceValue(func() change {
	return change{"broker/local/api.go": replace(`APIVersion = "v1"`, `APIVersion = "v2"`)}
})

// grown is a version with more of everything: a field that nobody knows in all that
// crosses the local API, and methods that nobody knows in place of others.
var grown = sync.OnceValue(func() change {
	return change{
		"broker/local/api.go": func(text string) string {
			return structs.ReplaceAllString(text, "$0\n\tGrown map[string]int `json:\"grown\"`")
		},
		"broker/local/method.go": func(text string) string {
			return strings.NewReplacer(`"verify-log"`, `"verify-logs"`, `"record"`, `"record-2"`, `"keep-answers"`, `"keep"`).Replace(text)
		},
	}
})

// A pair is a home that two versions share: this one and another.
type pair struct {
	*home
	w     *world
	other string // path of the other version's program
	tally.Tally
	refused int // calls that were answered with a sentence that was due
}

// by lets what is run from now on be of a version.
func (p *pair) by(program string) *pair { p.program = program; return p }

// call calls a tool through a bridge that has to answer: with the sum, or with one
// of the sentences.
func (p *pair) call(c *host, sentences ...string) (ok bool) {
	p.t.Helper()
	before := p.Answered.Load()
	if ok = c.callCounted(&p.Tally, sentences...); !ok && p.Answered.Load() > before {
		p.refused++
	}
	return ok
}

// runs reports whether an agent runs that a version's program may ask.
func (p *pair) runs(program string) bool {
	p.t.Helper()
	defer p.by(p.program)
	p.by(program)
	r := p.run("status", "--json")
	st := &local.State{}
	return r.code == 0 && json.Unmarshal([]byte(r.out), st) == nil && st.Agent.PID != 0
}

// agent is the agent that runs, which has to be asked by its own version.
func (p *pair) wantAgent(program, version string, pid int) int {
	p.t.Helper()
	before := p.program
	defer p.by(before)
	p.by(program)
	st := &local.State{}
	check(p.t, json.Unmarshal([]byte(p.do("status", "--json")), st))
	if st.Agent.Version != version || st.Agent.PID == 0 || pid != 0 && st.Agent.PID != pid {
		p.t.Errorf("agent %d of version %s runs, want %d of %s", st.Agent.PID, st.Agent.Version, pid, version)
	}
	return st.Agent.PID
}

const (
	programBehind = "This part of Keyporter is older than the agent that runs, which is version 9.0.0-newer. Quit the program that shows this and start it again"
	agentBehind   = "The Keyporter agent that runs is version dev, which is older than this program. Run keyporter stop, then keyporter start"
)

func newPair(t *testing.T, other string) *pair {
	t.Helper()
	h := newHome(t)
	return &pair{home: h, w: newWorld(h, fakeas.Options{}).signedIn(h), other: other}
}

// refuse makes the server take no token that it has seen, so that the next call
// needs the agent.
func (p *pair) refuse() { p.w.refuse() }

func TestTwoVersionsThatCannotTalkSayWhichToStartAnewAndEndNobody(t *testing.T) {
	t.Parallel()
	p := newPair(t, build(t, "9.0.0-newer", newer()))

	// An update while an agent and a bridge of the older version run.
	pid := p.wantAgent("", "dev", 0)
	older := p.launch("acme")
	older.initialize()
	p.call(older)
	p.by(p.other)
	if r := p.run("list"); r.code != 1 || !strings.Contains(p.words(r), agentBehind) {
		t.Errorf("the newer keyporter list: exit code %d\n%s", r.code, p.said(r.err))
	}
	early := p.launch("acme")
	if m := early.ask("initialize", initializeParams); m.Error == nil || !strings.Contains(m.Error.Message, agentBehind) {
		t.Errorf("the newer bridge at the older agent: %v", m)
	}
	for range 5 {
		p.call(older)
	}
	p.wantAgent("", "dev", pid)

	// What the sentence says, which also ends what the older bridge had.
	p.do("stop")
	p.Faults.Add(1)
	p.call(older, "Keyporter is stopped.")
	p.do("start")
	pid = p.wantAgent(p.other, "9.0.0-newer", 0)
	until(t, "the newer bridge's joining the newer agent", func() bool {
		m := early.ask("initialize", initializeParams)
		return m.Error == nil
	})
	early.notify("notifications/initialized")
	for range 5 {
		p.call(early)
		p.call(older, programBehind, "Keyporter is stopped.")
	}
	if p.call(older, programBehind) {
		t.Error("the older bridge has a token after a stop")
	}
	p.by("")
	if r := p.run("list"); r.code != 1 || !strings.Contains(p.words(r), programBehind) {
		t.Errorf("the older keyporter list: exit code %d\n%s", r.code, p.said(r.err))
	}
	late := p.launch("acme")
	if m := late.ask("initialize", initializeParams); m.Error == nil || !strings.Contains(m.Error.Message, programBehind) {
		t.Errorf("the older bridge at the newer agent: %v", m)
	}
	p.wantAgent(p.other, "9.0.0-newer", pid)

	// The agent is killed, and bridges of both versions start one. Whoever wins, it
	// stays.
	for range 3 {
		p.by(p.other).end9(pid)
		p.Faults.Add(1)
		p.refuse()
		asks, version := p.other, "9.0.0-newer"
		until(t, "an agent of either version", func() bool {
			if p.runs(p.other) {
				return true
			}
			if p.runs("") {
				asks, version = "", "dev"
				return true
			}
			return false
		})
		pid = p.wantAgent(asks, version, 0)
		for range 10 {
			newer, older := p.call(early, agentBehind), p.call(older, programBehind)
			if newer != (asks != "") || older != (asks == "") {
				t.Errorf("at the agent of version %s the newer bridge is served: %v; the older one: %v", version, newer, older)
			}
		}
		p.wantAgent(asks, version, pid)
		p.by(asks).do("stop")
		p.by(p.other).do("start")
		pid = p.wantAgent(p.other, "9.0.0-newer", 0)
	}
	p.by(p.other).wantBrowsers(1)
	p.Report(t, "make soak: versions that cannot talk", "Bridges of two versions at one agent, which is killed, stopped and replaced",
		fmt.Sprintf("Of the answers, %d are the sentence that was due in place of a sum.", p.refused))
}

// words is what a command said for a person, on one line.
func (p *pair) words(r result) string { return strings.Join(strings.Fields(p.said(r.err)), " ") }

// end9 kills the agent.
func (p *pair) end9(pid int) {
	p.t.Helper()
	proc, err := os.FindProcess(pid)
	check(p.t, err)
	check(p.t, proc.Kill())
	until(p.t, "the agent's end", func() bool { return !alive(pid) })
}

func TestVersionsThatDifferInWhatTheOtherDoesNotKnowWorkTogether(t *testing.T) {
	t.Parallel()
	other := build(t, "9.1.0-grown", grown())
	type row struct{ name, agent, rest, version string }
	rows := []row{
		{"an older agent", "", other, "dev"},
		{"a newer agent", other, "", "9.1.0-grown"},
	}
	if commit := os.Getenv("KEYPORTER_OLDER"); commit != "" { // a real one, in make soak
		released := checkOut(t, commit)
		rows = append(rows, row{"the agent of " + commit, released, "", commit}, row{"programs of " + commit, "", released, "dev"})
	}
	var all tally.Tally
	t.Cleanup(func() {
		all.Report(t, "make soak: versions that differ", fmt.Sprintf("Programs of one version at the agent of another, %d pairs, the agent killed", len(rows)))
	})
	for _, tt := range rows {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, other)
			p.do("stop")
			p.by(tt.agent).do("start")
			p.by(tt.rest)
			pid := p.wantAgent(tt.rest, tt.version, 0)
			c := p.launch("acme")
			c.initialize()
			c.wantTools(tools...)
			for range 5 {
				p.refuse() // so that the agent is asked each time
				p.call(c)
			}
			p.do("list", "--json")
			p.do("status")
			if r := p.run("doctor", "acme"); r.code != 1 || !containsAll(r.out, "The agent that runs is version "+tt.version, "One check failed.") {
				t.Errorf("keyporter doctor: exit code %d\n%s%s", r.code, r.out, p.said(r.err))
			}
			p.do("set", "acme", "read-only=true")
			p.do("set", "acme", "read-only=false")
			p.do("account", "list")
			p.do("log")
			if r := p.run("log", "--verify"); tt.rest == other && (r.code != 1 || !strings.Contains(p.words(r), agentBehind)) {
				t.Errorf("a method that the agent does not know: exit code %d\n%s", r.code, p.said(r.err))
			}
			p.end9(pid) // the bridge starts one of its own version
			p.Faults.Add(1)
			p.refuse()
			p.call(c)
			p.do("status")
			c.close()
			p.wantBrowsers(1)
			all.Faults.Add(p.Faults.Load())
			all.Sent.Add(p.Sent.Load())
			all.Answered.Add(p.Answered.Load())
			all.Wrong.Add(p.Wrong.Load())
			all.Lost.Add(p.Lost.Load())
		})
	}
}
