package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"keyporter/broker/local"
	"keyporter/broker/vault/vaulttest"
	"keyporter/internal/fakeas"
	"keyporter/internal/paths"
)

// word stands in every secret of these tests.
const word = "SECRETWORD"

// patience is how long a test waits for something that should come.
const patience = 2 * time.Minute

// The test binary is also the program keyporter, with its agent, and the person
// in front of the browser.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"keyporter":      main,
		"keyporter-tray": main, // in which the user answers
		"browse":         browse,
	})
}

// browse is the program "browse USER URL": USER signs in, and nobody says no.
func browse() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	user := os.Args[1]
	if user == "nobody" {
		user = ""
	}
	if _, err := fakeas.Browse(ctx, os.Args[2], user); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Each script has a home of its own with a vault under a passphrase, and agents
// that end with it.
func TestScripts(t *testing.T) { runScripts(t, "testdata/script") }

func runScripts(t *testing.T, dir string) {
	testscript.RunT(audited{t}, testscript.Params{
		Dir: dir,
		Setup: func(env *testscript.Env) error {
			env.Values[worldKey{}] = &world{}
			env.Setenv("KEYPORTER_HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("KEYPORTER_VAULT", "passphrase")
			env.Setenv("KEYPORTER_PASSPHRASE_FILE", filepath.Join(env.WorkDir, "passphrase"))
			env.Setenv("KEYPORTER_BROWSER", "browse alice")
			env.Setenv("TMPDIR", os.TempDir()) // where a socket goes if the path of its home is too long
			// A program under the race detector ends a second late unless told otherwise.
			env.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0"))
			env.Defer(func() { stopAgents(env) })
			return makeVault(env.WorkDir, env.Getenv("KEYPORTER_HOME"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await":      cmdAwait,
			"decide":     cmdDecide,
			"editconfig": cmdEditConfig,
			"editlog":    cmdEditLog,
			"exits":      cmdExits,
			"google":     cmdGoogle,
			"googlekey":  cmdGoogleKey,
			"home":       cmdHome,
			"json":       cmdJSON,
			"killagent":  cmdKillAgent,
			"keys":       cmdKeys,
			"requests":   cmdRequests,
			"talk":       cmdTalk,
			"vault":      cmdVault,
			"world":      cmdWorld,
		},
		RequireUniqueNames: true,
	})
}

// makeVault makes the vault of a home, under the passphrase of the script in work,
// with little work for it.
func makeVault(work, home string) error {
	pass := "passphrase " + word
	if err := os.WriteFile(filepath.Join(work, "passphrase"), []byte(pass+"\n"), 0o600); err != nil {
		return err
	}
	p, err := pathsOf(home)
	if err != nil {
		return err
	}
	return vaulttest.Make(p, pass)
}

// cmdHome is "home NAME": the commands that follow are of another person, whose
// home is that folder.
func cmdHome(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: home NAME")
	}
	home := ts.MkAbs(args[0])
	if _, err := os.Stat(home); err != nil {
		ts.Check(makeVault(ts.Getenv("WORK"), home))
	}
	ts.Setenv("KEYPORTER_HOME", home)
}

func pathsOf(home string) (paths.Paths, error) {
	return paths.Find(func(name string) string {
		if name == "KEYPORTER_HOME" {
			return home
		}
		return ""
	})
}

// stopAgents ends the agents of all homes in the work folder, and looks for
// secrets, races and panics in what they leave behind.
func stopAgents(env *testscript.Env) {
	t := env.T().(audited).T
	logs, err := filepath.Glob(filepath.Join(env.WorkDir, "*", "agent.log"))
	if err != nil {
		t.Error(err)
	}
	for _, log := range logs {
		if err := stopAgent(filepath.Dir(log)); err != nil {
			t.Errorf("stop the agent of %s: %v", filepath.Dir(log), err)
		}
		b, err := os.ReadFile(log)
		if err != nil {
			t.Error(err)
		}
		t.Logf("%s:\n%s", log, b)
		if strings.Contains(string(b), "DATA RACE") || strings.Contains(string(b), "panic:") {
			t.Errorf("the agent had a data race or a panic")
		}
		for _, name := range []string{"agent.log", "config.json", "config.json.bak", "state.json", "audit.jsonl", "vault.age"} {
			b, err := os.ReadFile(filepath.Join(filepath.Dir(log), name))
			if err == nil && holdsSecret(string(b)) {
				t.Errorf("%s holds a secret", name)
			}
		}
	}
}

func stopAgent(home string) error {
	p, err := pathsOf(home)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := local.Dial(ctx, local.DialOptions{Paths: p})
	if errors.Is(err, local.ErrNotRunning) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Stop(ctx)
}

// audited fails a script when what its commands wrote holds a secret.
type audited struct{ *testing.T }

// Verbose makes the log that Log hears complete.
func (t audited) Verbose() bool { return true }

func (t audited) Run(name string, f func(testscript.T)) {
	t.T.Run(name, func(t *testing.T) { f(audited{t}) })
}

// askedFor is a command that prints a secret because that is what it is for.
var askedFor = regexp.MustCompile(`^(exec |exits \d+ |json |! ?)*keyporter token `)

func (t audited) Log(args ...any) {
	t.Helper()
	text := fmt.Sprint(args...)
	t.T.Log(text)
	for _, section := range strings.Split("\n"+text, "\n> ") {
		line, output, _ := strings.Cut(section, "\n")
		if holdsSecret(output) && (!askedFor.MatchString(line) || strings.Contains(line, "--claims")) {
			t.Errorf("the output of this command holds a secret: %s", line)
		}
	}
}

// secretForm is how secrets of these tests look: the known word, a JWT with its
// signature, a private key, an authorization code in an address.
var secretForm = regexp.MustCompile(word + `|eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+|PRIVATE KEY-----|[?&]code=`)

func holdsSecret(s string) bool { return secretForm.MatchString(s) }

// cmdExits is "exits CODE COMMAND...": the command ends with exactly that code.
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := exitCode(ts, ts.Exec(args[1], args[2:]...)); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func exitCode(ts *testscript.TestScript, err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case !errors.As(err, &exit):
		ts.Fatalf("%v", err)
	}
	return exit.ExitCode()
}

// cmdAwait is "await REGEXP COMMAND...": the command is run until its standard
// output matches.
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await REGEXP COMMAND...")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	late := time.After(patience)
	for {
		ts.Check(ts.Exec(args[1], args[2:]...))
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-late:
			ts.Fatalf("no match for %q", args[0])
		default:
		}
	}
}

// cmdKillAgent is "killagent": the agent ends without saying goodbye.
func cmdKillAgent(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: killagent")
	}
	p, err := pathsOf(ts.Getenv("KEYPORTER_HOME"))
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := local.Dial(ctx, local.DialOptions{Paths: p})
	ts.Check(err)
	defer c.Close()
	st, err := c.State(ctx)
	ts.Check(err)
	agent, err := os.FindProcess(st.Agent.PID)
	ts.Check(err)
	ts.Check(agent.Kill())
}

// cmdEditLog is "editlog delete LINE": somebody takes a line out of the audit log.
func cmdEditLog(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || args[0] != "delete" {
		ts.Fatalf("usage: editlog delete LINE")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	path := filepath.Join(ts.Getenv("KEYPORTER_HOME"), "audit.jsonl")
	lines := strings.SplitAfter(ts.ReadFile(path), "\n")
	ts.Check(os.WriteFile(path, []byte(strings.Join(append(lines[:n-1:n-1], lines[n:]...), "")), 0o600))
}

// cmdDecide is "decide approve|revoke SERVER": the user answers for the program that
// asked for that server, in the tray app.
func cmdDecide(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: decide approve|revoke SERVER")
	}
	ts.Check(ts.Exec("keyporter", "approvals", "--json"))
	var all []local.Approval
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &all))
	for _, a := range all {
		if a.Server == args[1] {
			ts.Setenv("ID", a.ID)
			ts.Check(ts.Exec("keyporter-tray", args[0], a.ID))
			return
		}
	}
	ts.Fatalf("no program asked for %s", args[1])
}

// cmdEditConfig is "editconfig SETTING": somebody takes a setting out of config.json.
func cmdEditConfig(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: editconfig SETTING")
	}
	path := filepath.Join(ts.Getenv("KEYPORTER_HOME"), "config.json")
	was := ts.ReadFile(path)
	is := regexp.MustCompile(`\s*"`+args[0]+`": "[^"]*",?`).ReplaceAllString(was, "")
	if is == was {
		ts.Fatalf("config.json has no %s", args[0])
	}
	ts.Check(os.WriteFile(path, []byte(is), 0o600))
}
