//go:build linux || darwin

package streamable

import "time"

// gone is how long a peer that acknowledges nothing is waited for.
const gone = time.Minute
