//go:build linux

// Command bench measures what a bridge costs, side by side: Keyporter, the npm
// package mcp-remote as test/node has it, and Go's own HTTP client, which is the
// limit. It prints a table and writes it to a file (make bench: docs/benchmarks.md).
//
// All three talk to the same server in a process of its own. Their turns
// alternate, so that what else the machine does hits all of them.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

func main() {
	var o options
	asServer := flag.Bool("serve", false, "be the server")
	visitor := flag.String("visit", "", "be a browser that leaves a line in `FILE`")
	flag.StringVar(&o.out, "o", "", "write the table to `FILE`")
	flag.IntVar(&o.rounds, "rounds", 10, "how many turns each contender gets")
	flag.StringVar(&o.only, "only", "", "measure only rows whose key contains `TEXT`")
	flag.Parse()
	var err error
	switch {
	case *asServer:
		err = serve()
	case *visitor != "":
		err = visit(*visitor, flag.Arg(0))
	default:
		err = run(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	out    string
	only   string
	rounds int
}

// A bench is one run.
type bench struct {
	options
	home   *home
	empty  string   // a Go program that does nothing
	remote []string // the command line of mcp-remote
	url    string   // of the server
	rows   []row
}

func run(o options) error {
	dir, err := os.MkdirTemp("", "kpbench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{options: o, empty: filepath.Join(dir, "empty")}
	program := filepath.Join(dir, "keyporter")
	if err := build(dir, program, b.empty); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if b.remote, err = mcpRemote(); err != nil {
		return err
	}
	stop, url, err := startServer(self)
	if err != nil {
		return err
	}
	defer stop()
	b.url = url
	if b.home, err = newHome(dir, program, self); err != nil {
		return err
	}
	defer b.home.end()
	if err := b.measure(); err != nil {
		return err
	}
	text := b.report()
	fmt.Print(text)
	if o.out == "" {
		return nil
	}
	return os.WriteFile(o.out, []byte(text), 0o644)
}

// build makes the program as people get it, and the smallest one there is.
func build(dir, program, empty string) error {
	source := filepath.Join(dir, "empty.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		return err
	}
	for _, args := range [][]string{{"-o", program, "./cmd/keyporter"}, {"-o", empty, source}} {
		cmd := exec.Command("go", append([]string{"build", "-ldflags=-s -w"}, args...)...)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build: %w\n%s", err, out)
		}
	}
	return nil
}

// mcpRemote returns the command line that starts mcp-remote, without npx.
func mcpRemote() ([]string, error) {
	arch := map[string]string{"amd64": "x64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	modules := filepath.Join("test", "node", "node_modules")
	line := []string{filepath.Join(modules, "node-linux-"+arch, "bin", "node"), filepath.Join(modules, "mcp-remote", "dist", "proxy.js")}
	for i, file := range line {
		full, err := filepath.Abs(file)
		if err == nil {
			_, err = os.Stat(full)
		}
		if err != nil {
			return nil, fmt.Errorf("run scripts/setup node first: %w", err)
		}
		line[i] = full
	}
	return line, nil
}

func startServer(self string) (stop func(), url string, err error) {
	cmd := exec.Command(self, "-serve")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, "", err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	url, err = bufio.NewReader(out).ReadString('\n')
	stop = func() {
		in.Close()
		_ = cmd.Wait() // it exits when its input ends
	}
	if err != nil {
		stop()
		return nil, "", errors.Join(errors.New("the server did not start"), err)
	}
	return stop, strings.TrimSpace(url), nil
}
