package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"keyporter/broker/local"
	"keyporter/internal/fakeas"
)

// otherProgram is one that starts keyporter and stays above it: a copy of timeout,
// since one of our own could be busy while other tests start programs.
func (h *home) otherProgram(name string) string {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	runner, err := exec.LookPath("timeout")
	check(h.t, err)
	check(h.t, exec.Command("cp", runner, path).Run())
	return path
}

// allow answers for the user, who types at a terminal. That the tests are among those
// who start the command does not matter there, as in a terminal inside an editor.
func (h *home) allow(id string) {
	h.t.Helper()
	if out := h.typing("y\n", program, "approve", id); !strings.Contains(out, "Allowed.") {
		h.t.Fatalf("approve: %s", out)
	}
}

// typing runs a program at a terminal of its own (pty(7)) at which somebody types, and
// returns what the terminal showed.
func (h *home) typing(text, name string, args ...string) string {
	h.t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	check(h.t, err)
	defer control.Close()
	n, err := unix.IoctlGetInt(int(control.Fd()), unix.TIOCGPTN)
	check(h.t, err)
	check(h.t, unix.IoctlSetPointerInt(int(control.Fd()), unix.TIOCSPTLCK, 0))
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	check(h.t, err)
	cmd := h.as(name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = terminal, terminal, terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: h.user, Setsid: true, Setctty: true}
	_, err = control.WriteString(text)
	check(h.t, errors.Join(err, cmd.Start(), terminal.Close()))
	shown, _ := io.ReadAll(control) // fails with EIO at its end
	_ = cmd.Wait()                  // what it showed says how it ended
	h.searchText("what keyporter showed", string(shown))
	return string(shown)
}

// A program that adds a server of its own with the account of another one gets no
// token there, in whichever way it has the server looked at.
func TestAProgramThatIsNotAllowedMakesNoCheckSendAToken(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	const token = "fixed-token-" + word
	h.secret(token)
	var asked, got atomic.Int64
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		for _, v := range r.Header {
			if strings.Contains(strings.Join(v, " "), token) {
				got.Add(1)
			}
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(foreign.Close)
	h.do("account", "add", "static", "fixed", "--token-file", given(t, token))
	h.do("settings", "set", "approvals=first-use")
	evil := h.otherProgram("evil")
	for _, args := range [][]string{
		{"add", "q", foreign.URL + "/mcp", "--account", "fixed", "--bind", "--offline"},
		{"add", "r", foreign.URL + "/mcp", "--also-account", "X-Key=fixed", "--bind"},
	} {
		if code, out := h.through(evil, append([]string{"60", program}, args...)...); code != 0 {
			t.Fatalf("%s: exit code %d\n%s", args, code, out)
		}
	}
	for _, args := range [][]string{
		{"doctor", "q"}, {"doctor", "r"}, {"doctor"}, {"token", "q", "--claims"}, {"token", "fixed", "--claims"},
		{"login", "q"}, {"tools", "q"}, {"call", "r", "x"},
	} {
		code, out := h.through(evil, append([]string{"60", program}, args...)...)
		if code == 0 && args[0] != "login" || args[0] == "doctor" && !strings.Contains(out, evil+" is not allowed to use ") {
			t.Errorf("%s: exit code %d\n%s", args, code, out)
		}
	}
	if asked.Load() == 0 || got.Load() != 0 {
		t.Errorf("the server was asked %d times, and got the token %d times", asked.Load(), got.Load())
	}
}

// A server that another program has added beside the one that is allowed, with the
// same address and account, takes nothing away from that.
func TestAServerWithTheSameAddressDoesNotStandInTheWay(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	w := newWorld(h, fakeas.Options{}).signedIn(h)
	h.do("settings", "set", "approvals=first-use")
	claude, evil := h.otherProgram("claude"), h.otherProgram("evil")
	if code, out := h.through(claude, "60", program, "call", "acme", "get_time"); code != 4 {
		t.Fatalf("before it is allowed: exit code %d\n%s", code, out)
	}
	h.allow(h.asking(claude, local.ApprovalWaiting).ID)
	if code, out := h.through(evil, "60", program, "add", "aaa", w.mcp.URL(), "--account", "acme", "--offline"); code != 0 {
		t.Fatalf("add: exit code %d\n%s", code, out)
	}
	for _, args := range [][]string{{"call", "acme", "get_time"}, {"tools", "acme"}} {
		if code, out := h.through(claude, append([]string{"60", program}, args...)...); code != 0 {
			t.Errorf("%s: exit code %d\n%s", args, code, out)
		}
	}
}

// Whoever reads in the refusal which command allows it cannot give it himself.
func TestAProgramCannotAllowItself(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	newWorld(h, fakeas.Options{}).signedIn(h)
	h.do("settings", "set", "approvals=first-use")
	evil := h.otherProgram("evil")
	try := func(args ...string) (int, string) { return h.through(evil, append([]string{"60"}, args...)...) }
	if code, out := try(program, "call", "acme", "get_time"); code != 4 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	// What started it in turn is not what is asked about.
	if code, out := try("timeout", "60", program, "call", "acme", "get_time"); code != 4 || !strings.Contains(out, evil+" is not allowed to use acme.") {
		t.Errorf("through timeout: exit code %d\n%s", code, out)
	}
	a := h.asking(evil, local.ApprovalWaiting)
	for name, args := range map[string][]string{
		"itself":          {program, "approve", a.ID},
		"through a shell": {"/bin/sh", "-c", `"$0" approve "$1"; exit $?`, program, a.ID},
		"timeout":         {"timeout", "60", program, "approve", a.ID},
		"xargs":           {"/bin/sh", "-c", `echo "$1" | xargs "$0" approve`, program, a.ID},
		"env and nohup":   {"env", "A=b", "nohup", program, "approve", a.ID},
		"another program": {h.otherProgram("runner"), "60", program, "approve", a.ID},
		"below many":      append(slices.Repeat([]string{h.otherProgram("many"), "60"}, 40), program, "approve", a.ID),
	} {
		if _, out := try(args...); !strings.Contains(out, "A program cannot allow itself.") {
			t.Errorf("%s: %s", name, out)
		}
	}
	if code, out := try(program, "call", "acme", "get_time"); code != 4 {
		t.Errorf("it was allowed after all: exit code %d\n%s", code, out)
	}
	h.allow(a.ID)
	if code, out := try(program, "call", "acme", "get_time"); code != 0 {
		t.Errorf("once it is allowed: exit code %d\n%s", code, out)
	}
	if log := h.do("log", "--json"); !containsAll(log, `"event":"approve"`, `"name":"by `+filepath.Base(os.Args[0])+`"`) {
		t.Errorf("the log does not say who allowed it:\n%s", log)
	}
}

// A shell whose starter has ended is nobody's: were it named by its own path, whoever
// allowed a shell once would have allowed every program.
func TestAShellThatHasLostItsParentIsNotNamed(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	newWorld(h, fakeas.Options{}).signedIn(h)
	h.do("settings", "set", "approvals=first-use")
	evil := h.otherProgram("evil")
	orphan := func(args ...string) string {
		// In the subshell $$ is still the shell that evil has started, and waited for.
		_, out := h.through(evil, append([]string{"60", "/bin/sh", "-c", `(while kill -0 $$ 2>/dev/null; do :; done; "$0" "$@"; echo "code $?") & exit 0`, program}, args...)...)
		return out
	}
	if out := orphan("call", "acme", "get_time"); !containsAll(out, "has ended, or cannot be named, so nobody can allow it.", "code 4") {
		t.Errorf("it was told:\n%s", out)
	}
	if all := h.state().Approvals; len(all) != 0 {
		t.Errorf("somebody is asked about: %+v", all)
	}
	if code, out := h.through(evil, "60", program, "call", "acme", "get_time"); code != 4 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	if out := orphan("approve", h.asking(evil, local.ApprovalWaiting).ID); !strings.Contains(out, "A program cannot allow itself.") {
		t.Errorf("without a name it allows itself:\n%s", out)
	}
}

// Whoever chooses the passphrase of the vault has its key.
func TestAProgramThatIsNotAllowedDoesNotChooseTheVaultsPassphrase(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.do("settings", "set", "approvals=first-use")
	evil := h.otherProgram("evil")
	use := func(file string) (int, string) {
		return h.through(evil, "60", program, "vault", "use", "passphrase", "--passphrase-file", file)
	}
	if code, out := use(given(t, "evil-"+word)); code != 4 || !strings.Contains(out, evil+" is not allowed to use the vault's key.") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	h.kill()
	h.do("settings", "get") // with an agent that has to open the vault
	if code, out := use(given(t, "evil-"+word)); code != 4 {
		t.Errorf("once more: exit code %d\n%s", code, out)
	}
	all := h.state().Approvals
	if len(all) != 1 || all[0].Program != evil || all[0].Name() != local.VaultKeyName || all[0].Identity != "" {
		t.Fatalf("it is asked about as %+v", all)
	}
	h.allow(all[0].ID)
	if code, out := use(filepath.Join(h.dir, "pass")); code != 0 {
		t.Errorf("once it is allowed: exit code %d\n%s", code, out)
	}
	h.wantRecord(record{"use_vault", "evil", "passphrase", "approval_needed"}, record{"use_vault", "evil", "passphrase", "ok"})
}

// Whoever starts the agent chooses the way of all its requests.
func TestTheLogSaysWhoStartedTheAgentAndWhichWaysItWasGiven(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.do("settings", "get")
	evil := h.otherProgram("evil")
	h.kill()
	if code, out := h.through(evil, "60", "env", "HTTPS_PROXY=http://127.0.0.1:9", "SSL_CERT_FILE=/nowhere/evil.pem", program, "start"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	h.wantRecord(record{"start", filepath.Base(os.Args[0]), "", "ok"}, record{"start", "evil", "HTTPS_PROXY SSL_CERT_FILE", "ok"})
}

// A record is what is looked at of one line of the log.
type record struct{ Event, Program, Name, Outcome string }

// wantRecord fails for each record that is not in the log.
func (h *home) wantRecord(want ...record) {
	h.t.Helper()
	var seen []record
	for line := range strings.Lines(h.do("log", "--json")) {
		var r record
		check(h.t, json.Unmarshal([]byte(line), &r))
		seen = append(seen, r)
	}
	for _, r := range want {
		if !slices.Contains(seen, r) {
			h.t.Errorf("%+v is not in the log: %+v", r, seen)
		}
	}
}

// What can get round approvals leaves the name of the program that did it.
func TestTheLogSaysWhoChangedWhat(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	const token = "fixed-token-" + word
	h.secret(token)
	evil := h.otherProgram("evil")
	ca := given(t, "")
	profile := given(t, `{"version":1,"name":"Evil team","issued_at":"2026-06-01T00:00:00Z","servers":{"wiki":{"url":"https://wiki.example.com/mcp"}}}`)
	check(t, os.Mkdir(filepath.Join(h.dir, ".cursor"), 0o700))
	h.file(".cursor/mcp.json", `{"mcpServers": {"raw": {"url": "https://raw.example.com/mcp", "headers": {"Authorization": "Bearer `+token+`"}}}}`)
	for _, args := range [][]string{
		{"account", "add", "static", "fixed", "--token-file", given(t, token)},
		{"add", "q", "https://good.example/private/mcp", "--account", "fixed", "--bind", "--offline"},
		{"set", "q", "url=https://evil.example/private", "--bind"},
		{"set", "q", "proxy=http://proxy.evil.example:3128"},
		{"set", "q", "ca=" + ca, "proxy="},
		{"set", "q", "ca="},
		{"scan", "--fix"},
		{"scan", "--undo"},
		{"join", profile, "--yes"},
		{"share", "wiki", "--name", "Evil copy", "-o", filepath.Join(h.dir, "copy.keyporter.json")},
		{"join", "--forget", "Evil team"},
		{"pause"},
		{"resume"},
		{"settings", "set", "approvals=first-use"},
		{"token", "q"},
		{"settings", "set", "approvals=off"},
	} {
		if code, out := h.through(evil, append([]string{"60", program}, args...)...); code != 0 && args[0] != "token" {
			t.Fatalf("%s: exit code %d\n%s", args, code, out)
		}
	}
	check(t, os.RemoveAll(filepath.Join(h.dir, ".cursor"))) // the key is in its file again
	h.do("revoke", h.state().Approvals[0].ID)
	h.wantRecord([]record{
		{"account_add", "evil", "", "ok"},
		{"add", "evil", "--bind account=fixed url=https://good.example", "ok"},
		{"set", "evil", "--bind url=https://evil.example", "ok"},
		{"set", "evil", "proxy=http://proxy.evil.example:3128", "ok"},
		{"set", "evil", "ca=" + ca + " proxy=", "ok"},
		{"scan_fix", "evil", "", "ok"},
		{"scan_undo", "evil", "raw", "ok"},
		{"join", "evil", "Evil team", "ok"},
		{"share", "evil", "Evil copy", "ok"},
		{"forget", "evil", "Evil team", "ok"},
		{"pause", "evil", "", "ok"},
		{"resume", "evil", "", "ok"},
		{"set_approvals", "evil", "first-use", "ok"},
		{"set_approvals", "evil", "off", "ok"},
		{"deny", evil, "by " + filepath.Base(os.Args[0]), "ok"},
	}...)
}
