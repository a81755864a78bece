//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"keyporter/internal/fakemcp"
)

// A kept demo is one with --keep --json that has come to its end.
type kept struct {
	cmd   *exec.Cmd
	home  string
	steps []stepResult
	last  struct {
		Done    bool              `json:"done"`
		Home    string            `json:"home"`
		Servers map[string]string `json:"servers"`
		Config  clientConfig      `json:"claude_desktop_config"`
	}
	lines *bufio.Scanner
	errs  bytes.Buffer
}

// startKept starts a demo; await waits until it is there. env is added to its
// environment.
func startKept(t *testing.T, env []string, more ...string) *kept {
	t.Helper()
	k := &kept{}
	k.cmd, k.home = demoCommand(t, append([]string{"--keep", "--json"}, more...)...)
	k.cmd.Env = append(k.cmd.Env, env...)
	out, err := k.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	k.cmd.Stderr = &k.errs
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if k.cmd.ProcessState == nil { // the test failed before end
			_ = k.cmd.Process.Signal(os.Interrupt)
			_ = k.cmd.Wait()
		}
	})
	k.lines = bufio.NewScanner(out)
	k.lines.Buffer(nil, 1<<20)
	return k
}

// await reads the steps up to the last line.
func (k *kept) await(t *testing.T) {
	t.Helper()
	for k.lines.Scan() {
		if bytes.Contains(k.lines.Bytes(), []byte(`"done":true`)) {
			if err := json.Unmarshal(k.lines.Bytes(), &k.last); err != nil {
				t.Fatal(err)
			}
			return
		}
		var s stepResult
		if err := json.Unmarshal(k.lines.Bytes(), &s); err != nil || s.Step != len(k.steps)+1 {
			t.Fatalf("%v: line %s", err, k.lines.Text())
		}
		k.steps = append(k.steps, s)
	}
	err := k.cmd.Wait()
	t.Fatalf("the demo ended before its last line: %v\n%s", err, k.errs.String())
}

// end interrupts the demo and waits for its end.
func (k *kept) end(t *testing.T) {
	t.Helper()
	if err := k.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for k.lines.Scan() { // until it closes its output
	}
	if err := k.cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v\n%s", err, k.errs.String())
	}
}

func TestKeptDemoServesItsSnippetUntilItIsInterrupted(t *testing.T) {
	k := startKept(t, nil)
	k.await(t)
	if len(k.steps) != 12 {
		t.Errorf("%d steps, want 12", len(k.steps))
	}
	if !strings.HasPrefix(k.last.Home, k.home) || !strings.HasSuffix(k.last.Home, "-demo") {
		t.Errorf("home %s, want a stable one in %s", k.last.Home, k.home)
	}

	// What Claude Desktop does: launch the snippet's command with little else.
	entry := k.last.Config.Servers["demo"]
	cmd := exec.Command(entry.Command, entry.Args...)
	cmd.Env = []string{"HOME=" + k.home, "PATH=" + os.Getenv("PATH")}
	for name, value := range entry.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test", Version: "1"}, nil).Connect(ctx, &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &bridge{name: "demo", session: session, said: &limited{}}
	var who fakemcp.Identity
	if _, err := b.call(ctx, "whoami", nil, &who); err != nil || who.Subject != person || !slices.Contains(who.Audience, k.last.Servers["demo"]) {
		t.Errorf("whoami by the snippet: %+v, %v", who, err)
	}
	if err := b.close(); err != nil {
		t.Error(err)
	}

	wantOwnPagesOnly(t, k)

	// A second demo leaves the first one's home alone.
	second := exec.Command(k.cmd.Path, "--keep")
	second.Env = k.cmd.Env
	out, err := second.CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != exitFailed || !strings.Contains(string(out), "runs already") {
		t.Errorf("a second demo: %v\n%s", err, out)
	}

	k.end(t)
	leftovers(t, k.home)
	for name, address := range k.last.Servers {
		host := strings.Split(strings.TrimPrefix(address, "http://"), "/")[0]
		if c, err := net.Dial("tcp", host); err == nil {
			c.Close()
			t.Errorf("the server %s still listens at %s", name, host)
		}
	}
}

// wantOwnPagesOnly checks that a page elsewhere whose name leads to this computer,
// or which sends its reader's browser here, gets nothing of the demo's servers.
func wantOwnPagesOnly(t *testing.T, k *kept) {
	t.Helper()
	for name, address := range k.last.Servers {
		for field, value := range map[string]string{"Host": "evil.example", "Origin": "https://evil.example"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			if field == "Host" {
				req.Host = value
			} else {
				req.Header.Set(field, value)
			}
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusMisdirectedRequest && res.StatusCode != http.StatusForbidden {
				t.Errorf("the server %s answers %d to a request with %s: %s", name, res.StatusCode, field, value)
			}
		}
	}
}
