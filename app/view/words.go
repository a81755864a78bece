package view

import (
	"fmt"
	"time"
)

const day = 24 * time.Hour

// Left says how long something still lasts: "42 min left".
func (t *Texts) Left(d time.Duration) string {
	if d < time.Minute {
		return t.LeftSoon
	}
	return fmt.Sprintf(t.LeftFor, t.span(d))
}

// Ago says how long ago something was: "3 days ago".
func (t *Texts) Ago(d time.Duration) string {
	if d < time.Minute {
		return t.AgoNow
	}
	return fmt.Sprintf(t.AgoFor, t.span(d))
}

// span says a time of a minute or more in its largest unit, rounded down.
func (t *Texts) span(d time.Duration) string {
	switch n := int(d / day); {
	case d < time.Hour:
		return fmt.Sprintf(t.Minutes, int(d/time.Minute))
	case n == 0:
		return fmt.Sprintf(t.Hours, int(d/time.Hour))
	case n == 1:
		return t.OneDay
	default:
		return fmt.Sprintf(t.Days, n)
	}
}

// WordsChange returns when a menu built at in.Now would tell its times noticeably
// differently, or zero if it tells none. A menu that is drawn anew can lose a
// click, so this is coarse: the words may be out by a minute below ten minutes,
// by five below an hour, by an hour above it.
func WordsChange(in Input) time.Time {
	var next time.Time
	if in.State == nil {
		return next
	}
	for i := range in.State.Servers {
		at := in.State.Servers[i].ExpiresAt
		if at.IsZero() {
			continue
		}
		if t := in.Now.Add(step(at.Sub(in.Now).Abs())); next.IsZero() || t.Before(next) {
			next = t
		}
	}
	return next
}

func step(d time.Duration) time.Duration {
	switch {
	case d < 10*time.Minute:
		return time.Minute
	case d < time.Hour:
		return 5 * time.Minute
	}
	return time.Hour
}
