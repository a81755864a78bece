package view

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"keyporter/broker/local"
)

func call(at time.Time, latency time.Duration, outcome string) *local.AuditRecord {
	return &local.AuditRecord{Time: at, Event: "call", Program: "Claude Desktop", Server: "Notion", Method: "tools/call", Name: "search", Outcome: outcome, Latency: latency}
}

func TestChartAddsUpByBar(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 3, 30, 0, time.UTC)
	for _, c := range []struct {
		span         Span
		bars         int
		inLast, left int // calls in the last bar and in all bars
	}{
		{LastHour, 60, 2, 3},
		{LastDay, 96, 2, 5},
		{LastWeek, 168, 2, 6},
	} {
		var n Counts
		for _, back := range []time.Duration{9 * day, 6 * day, 10 * time.Hour, 2 * time.Hour, 59 * time.Minute, time.Minute / 4, 0} {
			n.Add(call(at.Add(-back), 100*time.Millisecond, "ok"))
		}
		n.Add(&local.AuditRecord{Time: at, Event: "renew", Outcome: "ok"}) // no call
		ch := n.ChartOf(TextsIn(English), c.span, at)
		sum := 0
		for _, b := range ch.Bars {
			sum += b.Calls
		}
		if last := ch.Bars[len(ch.Bars)-1].Calls; len(ch.Bars) != c.bars || last != c.inLast || sum != c.left {
			t.Errorf("%s: %d bars, %d calls in the last one, %d in all; want %d, %d, %d", c.span, len(ch.Bars), last, sum, c.bars, c.inLast, c.left)
		}
	}
}

func TestMedianIsNearTheTrueOne(t *testing.T) {
	at := time.Date(2026, 11, 21, 14, 3, 30, 0, time.UTC)
	for _, c := range []struct {
		of   []time.Duration
		want time.Duration
	}{
		{[]time.Duration{182 * time.Millisecond}, 182 * time.Millisecond},
		{[]time.Duration{5 * time.Second, time.Millisecond, 40 * time.Millisecond}, 40 * time.Millisecond},
		{[]time.Duration{time.Millisecond, 2 * time.Millisecond, 3 * time.Second, 4 * time.Second}, 2 * time.Millisecond},
		{[]time.Duration{10 * time.Minute}, 10 * time.Minute},
	} {
		var n Counts
		for _, l := range c.of {
			n.Add(call(at, l, "ok"))
		}
		n.Add(call(at, 0, "failed")) // has no latency and moves no median
		ch := n.ChartOf(TextsIn(English), LastHour, at)
		got := ch.Bars[59].Median
		if off := float64(got-c.want) / float64(c.want); off > 0.023 || off < -0.023 {
			t.Errorf("median of %v is %v, want %v within 2.3 %%", c.of, got, c.want)
		}
		if ch.Bars[59].Failed != 1 || ch.Median != got || ch.Calls != len(c.of)+1 {
			t.Errorf("chart of %v is %+v", c.of, ch)
		}
	}
}

func TestCountsStaySmall(t *testing.T) {
	var n Counts
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 60 * 24 * 20 { // twenty days, a call a minute
		n.Add(call(at.Add(time.Duration(i)*time.Minute), time.Second, "ok"))
	}
	for s, bars := range n.spans {
		if len(bars) > s.bars() {
			t.Errorf("%s keeps %d bars, want %d at most", s, len(bars), s.bars())
		}
	}
}

func TestChartTells(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = local })
	at := time.Date(2026, 11, 21, 14, 3, 30, 0, time.UTC)
	var n Counts
	ch := n.ChartOf(TextsIn(English), LastHour, at)
	if got := ch.Tell(TextsIn(English), 59); got != "14:03 ‧ calls: 0 ‧ median –" {
		t.Errorf("it tells %q", got)
	}
	n.Add(call(at, 0, "refused"))
	ch = n.ChartOf(TextsIn(English), LastHour, at)
	if got := ch.Tell(TextsIn(English), 59); got != "14:03 ‧ calls: 1 ‧ median – ‧ failed: 1" {
		t.Errorf("it tells %q", got)
	}
	if got := ch.Ticks(); len(got) != 4 || got[56] != "14:00" {
		t.Errorf("ticks are %v", got)
	}
}

func TestCallRows(t *testing.T) {
	en := TextsIn(English)
	for _, c := range []struct {
		r    *local.AuditRecord
		want string
	}{
		{&local.AuditRecord{Event: "call", Program: "Claude Desktop", Server: "Notion", Method: "tools/call", Name: "search", Outcome: "ok", Latency: 182 * time.Millisecond, BytesIn: 3000, BytesOut: 100},
			"Claude Desktop → Notion|tools/call search|ok|false|182 ms|3.1 KB"},
		{call(now, 0, "sign_in_needed"), "Claude Desktop → Notion|tools/call search|sign-in missing|true||"},
		{call(now, 0, "from_the_future"), "Claude Desktop → Notion|tools/call search|from_the_future|true||"},
		{&local.AuditRecord{Event: "account_rotate", Account: "etl", Outcome: "ok"}, "etl|Key rotated|ok|false||"},
		{&local.AuditRecord{Event: "call", Server: "Notion", Method: "tools/call", Outcome: "http_400"}, "Notion|tools/call|error (400)|true||"},
		{&local.AuditRecord{Event: "call", Server: "Notion", Method: "tools/call", Outcome: "-32602"}, "Notion|tools/call|error (-32602)|true||"},
		{&local.AuditRecord{Event: "install", Program: "Claude Desktop", Server: "Notion", Outcome: "ok"}, "Claude Desktop → Notion|Put in|ok|false||"},
		{&local.AuditRecord{Event: "records_dropped", Server: "Notion", Outcome: "5"}, "Notion|Records left out|5|true||"},
		{&local.AuditRecord{Event: "deny", Program: "python3", Server: "Notion", Outcome: "no_answer"}, "python3 → Notion|Program denied|no answer|true||"},
		{&local.AuditRecord{Event: "new_thing", Server: "a\u202eb", Outcome: "ok"}, "ab|new thing|ok|false||"},
	} {
		r := CallRowOf(en, c.r)
		if got := fmt.Sprintf("%s|%s|%s|%v|%s|%s", r.Who, r.What, r.Outcome, r.Failed, r.Latency, r.Bytes); got != c.want {
			t.Errorf("row is %s, want %s", got, c.want)
		}
	}
}

// events finds the names of events in the agent's source.
var events = regexp.MustCompile(`(?:Event: |Event = |event[A-Z]\w* += )"(\w+)"`)

func TestEachEventOfTheAgentHasWords(t *testing.T) {
	names := map[string]bool{}
	err := filepath.WalkDir(filepath.Join("..", "..", "broker"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range events.FindAllSubmatch(source, -1) {
			names[string(m[1])] = true
		}
		return err
	})
	if err != nil || len(names) < 20 {
		t.Fatalf("found %v, %v", names, err)
	}
	ja := TextsIn(Japanese)
	for name := range names {
		if words := ja.event(name); strings.ContainsAny(words, "abcdefghijklmnopqrstuvwxyz") {
			t.Errorf("%s is shown as %q in Japanese", name, words)
		}
	}
}

func TestCallsKeepTheNewestThatFit(t *testing.T) {
	en := TextsIn(English)
	var c Calls
	for i := range 3 * maxCalls {
		r := call(now.Add(time.Duration(i)*time.Second), 0, "ok")
		if i%2 == 0 {
			r.Server, r.Outcome = "Sales", "refused"
		}
		c.Add(r)
	}
	if got := c.Newest(en, "", 10); len(got) != 10 || got[0].Time != now.Add((3*maxCalls-1)*time.Second) {
		t.Errorf("the newest is %v of %d", got[0].Time, len(got))
	}
	if got := len(c.Newest(en, "", 3*maxCalls)); got != maxCalls {
		t.Errorf("it keeps %d, want %d", got, maxCalls)
	}
	if got := len(c.Newest(en, "SALES Refused", 3*maxCalls)); got != maxCalls/2 {
		t.Errorf("%d fit, want %d", got, maxCalls/2)
	}
	if got := c.Newest(en, "nothing", 10); len(got) != 0 {
		t.Errorf("%d fit nothing", len(got))
	}
	if got := c.Of("Sales", 5); len(got) != 5 || got[0].Server != "Sales" {
		t.Errorf("the calls of Sales are %v", got)
	}
}

func TestSizesAndTimes(t *testing.T) {
	for want, d := range map[string]time.Duration{"–": 0, "0.3 ms": 300 * time.Microsecond, "182 ms": 182 * time.Millisecond, "1.5 s": 1500 * time.Millisecond, "2 min": 2 * time.Minute} {
		if got := Latency(d); got != want {
			t.Errorf("Latency(%v) = %q, want %q", d, got, want)
		}
	}
	for want, n := range map[string]int64{"12 B": 12, "3.1 KB": 3100, "2.0 MB": 2_000_000} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}
