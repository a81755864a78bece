package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdTalk is "talk [-tty] FILE COMMAND...": it runs a command and talks to it as
// the lines of FILE say, through pipes or a terminal:
//
//	expect REGEXP   wait until the command has written that
//	say TEXT        type a line
//	paste USER      sign in at the address that was written last, with a browser
//	                that cannot reach this computer, and type where it ended
//	decide approve|revoke SERVER   answer elsewhere for the program that asked
//	control C       press Ctrl-C: a signal, or the key of the terminal
//	exits CODE      wait for the end
func cmdTalk(ts *testscript.TestScript, neg bool, args []string) {
	tty := len(args) > 0 && args[0] == "-tty"
	if tty {
		args = args[1:]
	}
	if neg || len(args) < 2 {
		ts.Fatalf("usage: talk [-tty] FILE COMMAND...")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	path, err := lookPath(ts, args[1])
	ts.Check(err)
	cmd := exec.CommandContext(ctx, path, args[2:]...)
	cmd.Dir, cmd.Env = ts.MkAbs("."), environ(ts)
	decide := func(rest string) { cmdDecide(ts, false, strings.Fields(rest)) }
	c := &conversation{cmd: cmd, decide: decide, news: make(chan struct{}, 1), read: make(chan struct{})}
	if tty {
		err = c.onTerminal()
	} else {
		err = c.onPipes()
	}
	ts.Check(err)
	err = c.steps(ctx, ts.ReadFile(args[0]))
	if err != nil {
		cancel()
		_ = c.end() // err says more
	}
	ts.Logf("[talk]\n%s", c.text())
	ts.Check(err)
}

// A conversation is a command that runs, with what it wrote.
type conversation struct {
	cmd *exec.Cmd

	decide func(rest string) // what decide does

	in    io.WriteCloser
	files []io.Closer   // to close when the command has ended
	tty   bool          // in is a terminal
	ended bool          // end was called
	news  chan struct{} // holds a value when there may be more output
	read  chan struct{} // closed when all output has been read

	mu  sync.Mutex
	out strings.Builder
	at  int // up to where expect has seen the output
}

func (c *conversation) onPipes() error {
	in, err := c.cmd.StdinPipe()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	c.in, c.cmd.Stdout, c.cmd.Stderr, c.files = in, w, w, []io.Closer{in, r}
	err = c.cmd.Start()
	w.Close()
	go c.listen(r)
	return err
}

// listen reads until the command has ended.
func (c *conversation) listen(r io.Reader) {
	defer close(c.read)
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		c.mu.Lock()
		c.out.Write(buf[:n])
		c.mu.Unlock()
		select {
		case c.news <- struct{}{}:
		default:
		}
		if err != nil { // of a terminal too: its last program has left
			return
		}
	}
}

func (c *conversation) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.ReplaceAll(c.out.String(), "\r\n", "\n")
}

func (c *conversation) steps(ctx context.Context, script string) error {
	for line := range strings.Lines(script) {
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		var err error
		switch verb {
		case "":
		case "expect":
			err = c.expect(rest)
		case "say":
			_, err = io.WriteString(c.in, rest+"\n")
		case "paste":
			err = c.paste(ctx, rest)
		case "decide":
			c.decide(rest)
		case "control":
			err = c.interrupt()
		case "exits":
			err = c.exits(rest)
		default:
			err = errors.New("no such step")
		}
		if err != nil {
			return fmt.Errorf("%s: %w", strings.TrimSpace(line), err)
		}
	}
	if !c.ended {
		return errors.New("the last step has to be exits")
	}
	return nil
}

func (c *conversation) expect(pattern string) error {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	late := time.After(patience)
	for over := false; ; {
		text := c.text()
		if loc := re.FindStringIndex(text[c.at:]); loc != nil {
			c.at += loc[1]
			return nil
		}
		if over {
			return errors.New("the command has ended without it")
		}
		select {
		case <-c.news:
		case <-c.read:
			over = true
		case <-late:
			return errors.New("it did not come")
		}
	}
}

var address = regexp.MustCompile(`https?://\S+[?&]response_type=code\S*`)

// paste plays the person whose browser is on another computer.
func (c *conversation) paste(ctx context.Context, user string) error {
	all := address.FindAllString(c.text(), -1)
	if len(all) == 0 {
		return errors.New("there is no address")
	}
	form := url.Values{"user": {user}, "decision": {"sign-in"}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, all[len(all)-1], strings.NewReader(form))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	transport := &http.Transport{DisableKeepAlives: true}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	to, err := res.Location()
	if err != nil {
		return err
	}
	_, err = io.WriteString(c.in, to.String()+"\n")
	return err
}

func (c *conversation) interrupt() error {
	if c.tty {
		_, err := c.in.Write([]byte{3})
		return err
	}
	return c.cmd.Process.Signal(os.Interrupt)
}

func (c *conversation) exits(code string) error {
	want, err := strconv.Atoi(code)
	if err != nil {
		return err
	}
	err = c.end()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	if got := c.cmd.ProcessState.ExitCode(); got != want {
		return fmt.Errorf("exit code %d", got)
	}
	return nil
}

func (c *conversation) end() error {
	if c.ended {
		return nil
	}
	c.ended = true
	if !c.tty {
		<-c.read // Wait would close the pipe
	}
	err := c.cmd.Wait()
	for _, f := range c.files {
		f.Close()
	}
	<-c.read
	return err
}

// lookPath finds a program as the script would.
func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for _, dir := range strings.Split(ts.Getenv("PATH"), string(os.PathListSeparator)) {
		if path, err := exec.LookPath(dir + string(os.PathSeparator) + name); err == nil {
			return path, nil
		}
	}
	return "", exec.ErrNotFound
}

// environ is what the program needs of the script's environment.
func environ(ts *testscript.TestScript) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "USERPROFILE", "SYSTEMROOT", "TMPDIR", "TEMP", "GORACE", "KEYPORTER_HOME", "KEYPORTER_VAULT",
		"KEYPORTER_PASSPHRASE_FILE", "KEYPORTER_BROWSER", "KEYPORTER_LOG"} {
		if v := ts.Getenv(name); v != "" {
			env = append(env, name+"="+v)
		}
	}
	return env
}
