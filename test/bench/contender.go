//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	initialize  = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`
	initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
)

func request(id int, tool string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"%s","arguments":{}}}`, id, tool)
}

// A contender sends requests to the server, each in its own way.
type contender interface {
	// call sends one request and waits until the whole answer has been read.
	call(id int, tool string) error
	// flood sends n requests at once and returns how many were answered, each
	// under its own id.
	flood(n int, tool string) (int, error)
}

// A direct is Go's own HTTP client, which is the limit for everything that is
// made of it. Like the client of a bridge, it has the whole answer in memory in
// the end; it checks nothing about it.
type direct struct {
	url    string
	client *http.Client
}

func newDirect(url string) *direct {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 2000
	return &direct{url: url, client: &http.Client{Transport: t}}
}

func (d *direct) send(message string) (*http.Response, error) {
	r, err := http.NewRequest(http.MethodPost, d.url, strings.NewReader(message))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := d.client.Do(r)
	if err == nil && resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		err = errors.New(resp.Status)
	}
	return resp, err
}

func (d *direct) call(id int, tool string) error {
	resp, err := d.send(request(id, tool))
	if err != nil {
		return err
	}
	_, err = io.ReadAll(resp.Body)
	return errors.Join(err, resp.Body.Close())
}

func (d *direct) flood(n int, tool string) (int, error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	right := 0
	var failed error
	for id := 1; id <= n; id++ {
		wg.Go(func() {
			resp, err := d.send(request(id, tool))
			var b []byte
			if err == nil {
				b, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = err
			} else if bytes.Contains(b, []byte(`"id":`+strconv.Itoa(id)+"}")) {
				right++
			}
		})
	}
	wg.Wait()
	return right, failed
}

// A bridge is a program that joins standard input and output to the server.
type bridge struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	log bytes.Buffer
}

// launch starts a bridge and returns it with the time from its start to its
// answer to initialize.
func launch(line, env []string) (*bridge, time.Duration, error) {
	b := &bridge{cmd: exec.Command(line[0], line[1:]...)}
	b.cmd.Env = env
	b.cmd.Stderr = &b.log
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if b.in, err = b.cmd.StdinPipe(); err != nil {
		return nil, 0, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, 0, err
	}
	b.out = bufio.NewReaderSize(out, 1<<20)
	began := time.Now()
	if err := b.cmd.Start(); err != nil {
		return nil, 0, err
	}
	err = b.exchange(initialize, 0)
	took := time.Since(began)
	if err == nil {
		_, err = io.WriteString(b.in, initialized+"\n")
	}
	if err != nil {
		b.close()
		return nil, 0, fmt.Errorf("%s: %w\n%s", line[0], err, b.log.String())
	}
	return b, took, nil
}

// exchange sends a request and reads to the end of its answer.
func (b *bridge) exchange(message string, id int) error {
	if _, err := io.WriteString(b.in, message+"\n"); err != nil {
		return err
	}
	line, err := b.out.ReadBytes('\n')
	if err != nil {
		return err
	}
	// The id stands at the beginning or at the end of an answer.
	want, head, tail := []byte(`"id":`+strconv.Itoa(id)), line[:min(200, len(line))], line[max(0, len(line)-200):]
	if bytes.Contains(head, []byte(`"error":{`)) || !bytes.Contains(head, want) && !bytes.Contains(tail, want) {
		return fmt.Errorf("answer %.300s", line)
	}
	return nil
}

func (b *bridge) call(id int, tool string) error { return b.exchange(request(id, tool), id) }

func (b *bridge) flood(n int, tool string) (int, error) {
	sent := make(chan error, 1)
	go func() {
		var all strings.Builder
		for id := 1; id <= n; id++ {
			all.WriteString(request(id, tool) + "\n")
		}
		_, err := io.WriteString(b.in, all.String())
		sent <- err
	}()
	right := map[string]bool{}
	for range n {
		line, err := b.out.ReadBytes('\n')
		if err != nil {
			return len(right), err
		}
		_, after, _ := bytes.Cut(line, []byte(`"id":`))
		id := after[:bytes.IndexAny(after, ",}")]
		if bytes.Contains(line, []byte(`"result"`)) {
			right[string(id)] = true
		}
	}
	return len(right), <-sent
}

// close ends the bridge as a client does.
func (b *bridge) close() {
	b.in.Close()
	t := time.AfterFunc(10*time.Second, func() { _ = b.cmd.Process.Kill() })
	defer t.Stop()
	_, _ = io.Copy(io.Discard, b.out)
	_ = b.cmd.Wait() // whatever it returns
}

// memory returns a field of a process's status in MiB: VmRSS, or VmHWM for the most so far.
func memory(pid int, field string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(text), field+":")
	kib, _ := strconv.Atoi(strings.Fields(after + " 0")[0])
	return float64(kib) / 1024
}
