package oauth

import (
	"fmt"
	"net/http"
	"time"

	"keyporter/internal/hint"
)

// clockTolerance is how far our clock may be off before it is named as the reason
// of a refusal. Servers take a minute or more.
const clockTolerance = time.Minute

// SetClock is what to do about a clock that is wrong, a sentence.
const SetClock = "Set the clock of this computer, best by turning on automatic time."

// ClockAhead returns how far our clock is ahead of the one that wrote an answer's
// Date field (RFC 9110 section 6.6.1); zero if there is none.
func ClockAhead(now time.Time, date string) time.Duration {
	t, err := http.ParseTime(date)
	if err != nil {
		return 0
	}
	return now.Round(0).Sub(t)
}

// ClockOff says how far this computer's clock is off, as the beginning of
// a sentence; whose is whose clock is right, such as "Google's".
func ClockOff(ahead time.Duration, whose string) string {
	direction := "ahead of"
	if ahead < 0 {
		direction, ahead = "behind", -ahead
	}
	n, unit := int(ahead.Round(time.Minute)/time.Minute), "minutes"
	switch {
	case n >= 3*24*60:
		n, unit = n/(24*60), "days"
	case n >= 3*60:
		n, unit = n/60, "hours"
	case n == 1:
		unit = "minute"
	}
	return fmt.Sprintf("This computer's clock is off by %d %s (%s %s)", n, unit, direction, whose)
}

// Untimely gives words to err, whose chain has e, if our clock is why host refused:
// a client assertion or a proof was not good yet, or no longer (RFC 7523 section 3,
// RFC 9449 section 4.3). It returns nil for any other refusal.
func (e *Error) Untimely(err error, host string) error {
	if e.Ahead.Abs() <= clockTolerance {
		return nil
	}
	return hint.Wrap(err, hint.Refused, fmt.Sprintf("%s, so %s refuses what Keyporter signs.", ClockOff(e.Ahead, host+"'s"), host), SetClock)
}
