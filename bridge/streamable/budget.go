package streamable

import (
	"context"
	"sync"
)

const (
	// smallAnswer is how many bytes of each answer are not counted.
	smallAnswer = 16 << 10
	// maxAnswers is how many bytes of all other answers are in memory, but for one
	// answer that may be larger.
	maxAnswers = 32 << 20
)

// A budget bounds what all answers that are being read, or wait for the client to
// take them, hold in memory. An answer that finds no room is not read on; the
// server notices that its connection takes no more. One answer at a time may go
// beyond the budget, so that one always comes to its end. It stops being that one
// once all are within the budget again.
type budget struct {
	max int

	mu      sync.Mutex
	used    int
	beyond  *share        // the one that has; nil if used is not above max
	changed chan struct{} // closed when there is more room; nil if nobody waits
}

// A share is what one answer holds of the budget. It is for one goroutine.
type share struct {
	of   *budget
	held int
}

// resize makes the answer's share n bytes, waiting for room if it has to grow.
// The error is the context's.
func (s *share) resize(ctx context.Context, n int) error {
	if n <= smallAnswer {
		n = 0
	}
	for {
		if n == s.held {
			return nil
		}
		changed := s.try(n)
		if changed == nil {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// try makes the share n bytes. If there is no room, it returns what is closed when
// there may be.
func (s *share) try(n int) <-chan struct{} {
	b := s.of
	b.mu.Lock()
	defer b.mu.Unlock()
	grows, used := n > s.held, b.used+n-s.held
	if grows && used > b.max && b.beyond != nil && b.beyond != s {
		if b.changed == nil {
			b.changed = make(chan struct{})
		}
		return b.changed
	}
	b.used = used
	switch {
	case used <= b.max:
		b.beyond = nil
	case grows:
		b.beyond = s
	}
	if n < s.held && b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
	s.held = n
	return nil
}

// beyond reports whether the answer is the one that went beyond the budget.
func (s *share) beyond() bool {
	if s.held == 0 {
		return false
	}
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	return s.of.beyond == s
}

// free gives the share back.
func (s *share) free() {
	if s.held > 0 {
		s.try(0)
	}
}
