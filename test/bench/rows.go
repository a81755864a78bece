//go:build linux

package main

import (
	"fmt"
	"os/exec"
	"strings"
	"time"
)

// callsEach is how many small calls make one turn.
const callsEach = 200

// A row is one figure of the table.
type row struct {
	what                   string
	limit, ours, theirs    string
	toLimit, toTheirs      float64 // ratios; 0 is none
	target                 string
	met                    bool
	noTarget               bool
	limitMore, oursMore    string // p99, in brackets
	theirsMore, ratiosMore string
}

// measure fills the table.
func (b *bench) measure() error {
	for _, part := range []struct {
		key string
		f   func() error
	}{
		{"setup", b.prepare}, {"launch", b.launches}, {"small", b.small}, {"big", b.big},
		{"memory", b.memories}, {"flood", b.floods}, {"grant", b.grant},
	} {
		if part.key != "setup" && !strings.Contains(part.key, b.only) {
			continue
		}
		if err := part.f(); err != nil {
			return fmt.Errorf("%s: %w", part.key, err)
		}
	}
	return nil
}

// prepare adds the server, at both of its addresses.
func (b *bench) prepare() error {
	if _, err := b.home.keyporter(token, "account", "add", "static", "bench", "--token-file", "-"); err != nil {
		return err
	}
	for _, path := range []string{"json", "events"} {
		if _, err := b.home.keyporter("", "add", path, b.url+"/"+path, "--account", "bench", "--bind", "--offline"); err != nil {
			return err
		}
	}
	return nil
}

// remoteLine is the command line of mcp-remote for a path of the server.
func (b *bench) remoteLine(path string) []string {
	return append(b.remote[:len(b.remote):len(b.remote)], b.url+"/"+path, "--transport", "http-only", "--header", "Authorization: Bearer "+token)
}

// three opens all contenders for a path of the server.
func (b *bench) three(path string) (d *direct, ours, theirs *bridge, err error) {
	d = newDirect(b.url + "/" + path)
	if ours, _, err = launch(b.home.bridge(path), b.home.env); err != nil {
		return nil, nil, nil, err
	}
	if theirs, _, err = launch(b.remoteLine(path), b.home.env); err != nil {
		ours.close()
		return nil, nil, nil, err
	}
	return d, ours, theirs, nil
}

func (b *bench) launches() error {
	var empty, answer, warm, theirs, cold times
	once := func(line []string, into *times) error {
		c, took, err := launch(line, b.home.env)
		if err != nil {
			return err
		}
		into.add(took)
		c.close()
		return nil
	}
	var warming times
	if err := once(b.home.bridge("json"), &warming); err != nil { // the agent and the page cache
		return err
	}
	d := newDirect(b.url + "/json")
	for range b.rounds {
		began := time.Now()
		if err := exec.Command(b.empty).Run(); err != nil {
			return err
		}
		empty.add(time.Since(began))
		d.client.CloseIdleConnections()
		began = time.Now()
		resp, err := d.send(initialize)
		if err != nil {
			return err
		}
		resp.Body.Close()
		answer.add(time.Since(began))
		if err := once(b.home.bridge("json"), &warm); err != nil {
			return err
		}
		if err := once(b.remoteLine("json"), &theirs); err != nil {
			return err
		}
	}
	for range max(3, b.rounds/2) {
		if err := b.home.kill(); err != nil {
			return err
		}
		if err := once(b.home.bridge("json"), &cold); err != nil {
			return err
		}
	}
	limit := empty.median() + answer.median()
	r := compare("launch → answer to `initialize`, agent running; limit: an empty Go program and the server's own answer", limit, warm.median(), theirs.median())
	b.rows = append(b.rows, r.aims("≤ 3× limit, ≤ 1/40 of mcp-remote", r.toLimit <= 3 && r.toTheirs <= 1.0/40))
	r = compare("launch → answer, agent not running (vault in the desktop's keyring)", 0, cold.median(), theirs.median())
	b.rows = append(b.rows, r.aims("≤ 1/8 of mcp-remote", r.toTheirs <= 1.0/8))
	return nil
}

func (b *bench) small() error {
	for _, path := range []string{"json", "events"} {
		d, ours, theirs, err := b.three(path)
		if err != nil {
			return err
		}
		t, err := alternate(b.rounds, callsEach, "small", d, ours, theirs)
		ours.close()
		theirs.close()
		if err != nil {
			return err
		}
		r := compare("small `tools/call`, "+kind[path]+": median (p99)", t[0].median(), t[1].median(), t[2].median()).tails(t)
		added := float64(t[1].median()-t[0].median()) / float64(t[2].median()-t[0].median())
		r.ratiosMore = fmt.Sprintf("; added time 1/%.0f of what mcp-remote adds", 1/added)
		if path == "json" {
			r = r.aims("median ≤ 2× limit, p99 ≤ 3×, added time ≤ 1/15", r.toLimit <= 2 && t[1].p99() <= 3*t[0].p99() && added <= 1.0/15)
		}
		b.rows = append(b.rows, r)
	}
	return nil
}

var kind = map[string]string{"json": "answered with JSON", "events": "answered with an event stream"}

func (b *bench) big() error {
	for _, path := range []string{"json", "events"} {
		d, ours, theirs, err := b.three(path)
		if err != nil {
			return err
		}
		t, err := alternate(b.rounds, 3, "big", d, ours, theirs)
		peak, theirPeak := memory(ours.cmd.Process.Pid, "VmHWM"), memory(theirs.cmd.Process.Pid, "VmHWM")
		ours.close()
		theirs.close()
		if err != nil {
			return err
		}
		r := compare("10 MiB result, "+kind[path], t[0].median(), t[1].median(), t[2].median())
		m := row{what: "peak of the resident memory after these", ours: mib(peak), theirs: mib(theirPeak), toTheirs: peak / theirPeak}
		if path == "json" {
			r = r.aims("≤ 1.5× limit, ≤ 1/3 of mcp-remote", r.toLimit <= 1.5 && r.toTheirs <= 1.0/3)
		}
		b.rows = append(b.rows, r, m.aims("≤ 50 MiB", peak <= 50))
	}
	return nil
}

func (b *bench) memories() error {
	d, ours, theirs, err := b.three("json")
	if err != nil {
		return err
	}
	defer theirs.close()
	defer ours.close()
	if _, err := alternate(1, 5, "small", d, ours, theirs); err != nil {
		return err
	}
	time.Sleep(2 * time.Second) // idle
	agent, err := b.home.agent()
	if err != nil {
		return err
	}
	rss, their, of := memory(ours.cmd.Process.Pid, "VmRSS"), memory(theirs.cmd.Process.Pid, "VmRSS"), memory(agent, "VmRSS")
	r := row{what: "resident memory of an idle bridge", ours: mib(rss), theirs: mib(their), toTheirs: rss / their}
	b.rows = append(b.rows, r.aims("≤ 15 MiB", rss <= 15))
	r = row{what: "resident memory of the agent", ours: mib(of)}
	b.rows = append(b.rows, r.aims("≤ 35 MiB", of <= 35))
	return nil
}

func (b *bench) floods() error {
	const n = 1000
	d, ours, theirs, err := b.three("json")
	if err != nil {
		return err
	}
	defer theirs.close()
	defer ours.close()
	var t [3]times
	answered := [3]int{}
	rounds := max(3, b.rounds/3)
	for range rounds {
		for i, c := range []contender{d, ours, theirs} {
			began := time.Now()
			right, err := c.flood(n, "slow")
			if err != nil {
				return err
			}
			t[i].add(time.Since(began))
			answered[i] += right
		}
	}
	r := compare(fmt.Sprintf("1,000 calls in flight, each of which takes the server %d ms", slowTime.Milliseconds()), t[0].median(), t[1].median(), t[2].median())
	r.ratiosMore = fmt.Sprintf("; answered under their own ids: %d, %d, %d of %d", answered[0], answered[1], answered[2], rounds*n)
	b.rows = append(b.rows, r.aims("≤ 1.5× limit, none lost", r.toLimit <= 1.5 && answered[1] == rounds*n))
	return nil
}

// alternate lets the contenders take turns of n calls and returns their times.
func alternate(rounds, n int, tool string, of ...contender) ([]times, error) {
	t := make([]times, len(of))
	id := 0
	for round := range rounds + 1 {
		for i, c := range of {
			for range n {
				id++
				began := time.Now()
				if err := c.call(id, tool); err != nil {
					return nil, err
				}
				if round > 0 { // the first turn warms up
					t[i].add(time.Since(began))
				}
			}
		}
	}
	return t, nil
}
