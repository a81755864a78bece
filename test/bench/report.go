//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// times are measurements of one thing.
type times struct{ all []time.Duration }

func (t *times) add(d time.Duration)   { t.all = append(t.all, d) }
func (t *times) median() time.Duration { return t.at(50) }
func (t *times) p99() time.Duration    { return t.at(99) }

func (t *times) at(percent int) time.Duration {
	if len(t.all) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(t.all))[(len(t.all)-1)*percent/100]
}

// compare makes a row of three times; a limit of 0 is none.
func compare(what string, limit, ours, theirs time.Duration) row {
	r := row{what: what, ours: ms(ours), theirs: ms(theirs), toTheirs: float64(ours) / float64(theirs), noTarget: true}
	if limit > 0 {
		r.limit, r.toLimit = ms(limit), float64(ours)/float64(limit)
	}
	return r
}

// tails adds the 99th percentiles.
func (r row) tails(t []times) row {
	r.limitMore, r.oursMore, r.theirsMore = ms(t[0].p99()), ms(t[1].p99()), ms(t[2].p99())
	return r
}

// aims adds what is wanted of the figure.
func (r row) aims(target string, met bool) row {
	r.target, r.met, r.noTarget = target, met, false
	return r
}

func ms(d time.Duration) string {
	v := float64(d) / float64(time.Millisecond)
	switch {
	case v < 1:
		return fmt.Sprintf("%.3f ms", v)
	case v < 100:
		return fmt.Sprintf("%.1f ms", v)
	}
	return fmt.Sprintf("%.0f ms", v)
}

func mib(v float64) string { return fmt.Sprintf("%.1f MiB", v) }

// report is the table as Markdown.
func (b *bench) report() string {
	var s strings.Builder
	s.WriteString("# Benchmarks\n\nWritten by `make bench`. One run, in which Go's own HTTP client (the limit), Keyporter and mcp-remote\n" +
		"take turns at the same server, which is a process of its own and wants a bearer token. The bridges are\n" +
		"launched as MCP clients launch them; mcp-remote is started with node directly, not through npx. The HTTP\n" +
		"client has the whole answer in memory and looks at nothing in it; the bridges read it, check it and write it\n" +
		"to their client, which has it in memory then.\n\n")
	fmt.Fprintf(&s, "Machine: %s, %d processors, %s/%s. %s, node %s, mcp-remote %s.\n\n", processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH,
		runtime.Version(), output(b.remote[0], "--version"), version())
	s.WriteString("| figure | limit | Keyporter | mcp-remote | Keyporter / limit | Keyporter / mcp-remote | target | met |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range b.rows {
		met := "no"
		switch {
		case r.noTarget:
			met = ""
		case r.met:
			met = "yes"
		}
		fmt.Fprintf(&s, "| %s | %s | %s | %s | %s | %s%s | %s | %s |\n", r.what, with(r.limit, r.limitMore), with(r.ours, r.oursMore),
			with(r.theirs, r.theirsMore), ratio(r.toLimit), ratio(r.toTheirs), r.ratiosMore, r.target, met)
	}
	fmt.Fprintf(&s, "\nWaiting for the processors, per processor, while this was measured: %s. Figures of a busy machine are worse than\n"+
		"the programs; the ratios suffer less, those of the launch, which is all processor time, most.\n", load())
	s.WriteString(b.inTheWay())
	return s.String()
}

// reasons say, for rows by how they begin, what stands in the way of their target.
var reasons = [][2]string{
	{"launch → answer to `initialize`, agent running", "the empty program is a thirtieth of the size. One program is command line, agent and bridge, and what it links in is " +
		"loaded and initialised at every launch; the connection to the agent, with the checks of both users, and a handshake through it follow."},
	{"peak of the resident memory", "an event's length is not known before its end, so the buffer that holds it grows in steps, and the one before lives until the " +
		"garbage collector runs; how late it runs depends on the machine's load. A JSON answer with a length is read into one buffer."},
	{"resident memory of an idle bridge", "seven eighths of it are pages of the program's own file, which all bridges share and each is charged for; they grew with the program."},
}

// inTheWay says why targets are missed, for those that are.
func (b *bench) inTheWay() string {
	var s strings.Builder
	for _, why := range reasons {
		if slices.ContainsFunc(b.rows, func(r row) bool { return strings.HasPrefix(r.what, why[0]) && !r.noTarget && !r.met }) {
			fmt.Fprintf(&s, "- %s: %s\n", why[0], why[1])
		}
	}
	if s.Len() == 0 {
		return ""
	}
	return "\n## What stands in the way\n\n" + s.String()
}

// load is the average of the last five minutes.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return "not known"
	}
	v, err := strconv.ParseFloat(fields[1], 64)
	if err != nil {
		return "not known"
	}
	return fmt.Sprintf("%.1f", v/float64(runtime.NumCPU()))
}

func with(value, more string) string {
	if more != "" {
		value += " (" + more + ")"
	}
	return value
}

// ratio writes a ratio as people say it: 1.4 or 1/30.
func ratio(v float64) string {
	switch {
	case v == 0:
		return ""
	case v < 0.67:
		return fmt.Sprintf("1/%.1f", 1/v)
	}
	return fmt.Sprintf("%.2f", v)
}

// processor names the processor.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // named below if it cannot be read
	_, after, _ := strings.Cut(string(text), "model name")
	line, _, _ := strings.Cut(after, "\n")
	if name := strings.Trim(line, "\t :"); name != "" {
		return name
	}
	return "an unknown processor"
}

func output(program string, args ...string) string {
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		return "of an unknown version"
	}
	return strings.TrimSpace(string(out))
}

// version is the version of mcp-remote, as test/node pins it.
func version() string {
	text, _ := os.ReadFile("test/node/package.json") // said below if it cannot be read
	_, after, _ := strings.Cut(string(text), `"mcp-remote": "`)
	v, _, found := strings.Cut(after, `"`)
	if !found {
		return "of an unknown version"
	}
	return v
}
