package view

import (
	"fmt"
	"math"
	"time"

	"keyporter/broker/local"
)

// A Span is how much time the chart shows.
type Span string

const (
	LastHour Span = "hour"
	LastDay  Span = "day"
	LastWeek Span = "week"
)

// Spans are the spans, shortest first.
var Spans = []Span{LastHour, LastDay, LastWeek}

// step is how long one bar is, and bars how many there are.
func (s Span) step() time.Duration {
	switch s {
	case LastDay:
		return 15 * time.Minute
	case LastWeek:
		return time.Hour
	}
	return time.Minute
}

func (s Span) bars() int {
	switch s {
	case LastDay:
		return 96
	case LastWeek:
		return 168
	}
	return 60
}

// Label returns the span's name.
func (s Span) Label(t *Texts) string {
	switch s {
	case LastDay:
		return t.Activity.Day
	case LastWeek:
		return t.Activity.Week
	}
	return t.Activity.Hour
}

// Counts adds up calls as they come. It keeps numbers only, a fixed amount
// however many calls there are. The zero value is empty.
type Counts struct {
	spans map[Span]map[int64]*count // by the bar's number since 1970
}

// A count is one bar: how many calls, how many failed, and how their latencies
// are spread.
type count struct {
	calls, failed int
	timed         int
	latency       [latencyBins]uint32
}

// Latencies are counted in bins that grow by a sixteenth of an octave from 0.1 ms
// on, so a median is right within 2.2 %.
const (
	latencyBins   = 24 * binsPerOctave // up to 28 minutes
	binsPerOctave = 16
	latencyBase   = 100 * time.Microsecond
)

func binOf(d time.Duration) int {
	if d <= latencyBase {
		return 0
	}
	return min(int(math.Log2(float64(d)/float64(latencyBase))*binsPerOctave), latencyBins-1)
}

func (c *count) median() time.Duration {
	half := (c.timed + 1) / 2
	for bin, n := range c.latency {
		if half -= int(n); half <= 0 && c.timed > 0 {
			return time.Duration(float64(latencyBase) * math.Exp2((float64(bin)+0.5)/binsPerOctave))
		}
	}
	return 0
}

// IsCall reports whether a record is of a call of a program, and not of a
// sign-in, a renewal or a change.
func IsCall(r *local.AuditRecord) bool { return r.Event == "call" }

// Add counts a record; what is no call is left out.
func (c *Counts) Add(r *local.AuditRecord) {
	if !IsCall(r) {
		return
	}
	if c.spans == nil {
		c.spans = map[Span]map[int64]*count{LastHour: {}, LastDay: {}, LastWeek: {}}
	}
	for _, s := range Spans {
		n := barOf(r.Time, s)
		k := c.spans[s][n]
		if k == nil {
			k = &count{}
			c.spans[s][n] = k
			c.forget(s, n)
		}
		k.calls++
		if r.Outcome != "ok" {
			k.failed++
		}
		if r.Latency > 0 {
			k.timed++
			k.latency[binOf(r.Latency)]++
		}
	}
}

func barOf(at time.Time, s Span) int64 { return at.Unix() / int64(s.step()/time.Second) }

// forget drops the bars that are out of sight when newest is the last one.
func (c *Counts) forget(s Span, newest int64) {
	for n := range c.spans[s] {
		if n <= newest-int64(s.bars()) {
			delete(c.spans[s], n)
		}
	}
}

// A Bar is one bar of the chart.
type Bar struct {
	From   time.Time
	Calls  int
	Failed int
	Median time.Duration // 0: unknown
}

// A Chart is what the chart shows: Bars in the order of time, the last of them
// under way.
type Chart struct {
	Span   Span
	Bars   []Bar
	Calls  int           // of the highest bar
	Median time.Duration // of the highest point
	Title  string        // what a bar is
}

// ChartOf returns the chart that ends at now.
func (c *Counts) ChartOf(t *Texts, s Span, now time.Time) Chart {
	ch := Chart{Span: s, Bars: make([]Bar, s.bars())}
	switch s {
	case LastDay:
		ch.Title = t.Activity.EachQuarter
	case LastWeek:
		ch.Title = t.Activity.EachHour
	default:
		ch.Title = t.Activity.EachMinute
	}
	last := barOf(now, s)
	for i := range ch.Bars {
		n := last - int64(s.bars()-1-i)
		b := Bar{From: time.Unix(n*int64(s.step()/time.Second), 0)}
		if k := c.spans[s][n]; k != nil {
			b.Calls, b.Failed, b.Median = k.calls, k.failed, k.median()
		}
		ch.Calls, ch.Median = max(ch.Calls, b.Calls), max(ch.Median, b.Median)
		ch.Bars[i] = b
	}
	return ch
}

// Tell says the values of a bar.
func (c *Chart) Tell(t *Texts, i int) string {
	b := c.Bars[i]
	form := "15:04"
	if c.Span == LastWeek {
		form = "01-02 15:04"
	}
	text := fmt.Sprintf(t.Activity.Bar, b.From.Local().Format(form), b.Calls, Latency(b.Median))
	if b.Failed > 0 {
		text = fmt.Sprintf(t.Activity.BarFailed, text, b.Failed)
	}
	return text
}

// Ticks returns the times under the chart: the bar and its label.
func (c *Chart) Ticks() map[int]string {
	ticks := map[int]string{}
	for i, b := range c.Bars {
		at := b.From.Local()
		switch {
		case c.Span == LastHour && at.Minute()%15 == 0:
			ticks[i] = at.Format("15:04")
		case c.Span == LastDay && at.Minute() == 0 && at.Hour()%6 == 0:
			ticks[i] = at.Format("15:04")
		case c.Span == LastWeek && at.Hour() == 0:
			ticks[i] = at.Format("01-02")
		}
	}
	return ticks
}

// Latency says a time as short as people need it: "182 ms".
func Latency(d time.Duration) string {
	switch {
	case d <= 0:
		return "–"
	case d < time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond)/time.Millisecond)
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}

// Bytes says a size: "3.1 KB".
func Bytes(n int64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f KB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

// Count says a number as short as an axis needs it: "12", "3.4k".
func Count(n int) string {
	if n < 10_000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%.0fk", float64(n)/1000)
}
