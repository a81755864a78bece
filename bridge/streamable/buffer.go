package streamable

import (
	"runtime/debug"
	"sync"
	"time"
)

const (
	largeBuffer = 256 << 10        // from this size on a buffer is worth keeping
	keptBuffer  = 32 << 20         // up to this size it is kept
	keptFor     = 10 * time.Second // unless nobody needs it
)

// buffers keep the last large buffer for the next large message: a new one would
// have to be cleared, and its pages to be mapped.
type buffers struct {
	mu   sync.Mutex
	free []byte
	idle *time.Timer
}

// get returns an empty buffer with room for n bytes.
func (b *buffers) get(n int) []byte {
	if n >= largeBuffer {
		b.mu.Lock()
		defer b.mu.Unlock()
		if cap(b.free) >= n {
			buf := b.free[:0]
			b.free = nil
			return buf
		}
	}
	return make([]byte, 0, n)
}

// put takes a buffer back that nobody uses any more.
func (b *buffers) put(buf []byte) {
	if cap(buf) < largeBuffer || cap(buf) > keptBuffer {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if cap(buf) < cap(b.free) {
		return
	}
	b.free = buf
	if b.idle == nil {
		b.idle = time.AfterFunc(keptFor, b.drop)
	} else {
		b.idle.Reset(keptFor)
	}
}

func (b *buffers) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.free = nil
}

// grow returns a buffer with the content of buf and more room.
func (b *buffers) grow(buf []byte, most int) []byte {
	larger := append(b.get(nextSize(cap(buf), most)), buf...)
	b.outgrown(buf, cap(larger))
	return larger
}

// outgrown takes back a buffer in whose place there is now one of n bytes. Of a
// very large message they go back to the system at once: together they are as
// large as the last one, and the collector would leave them there.
func (b *buffers) outgrown(buf []byte, n int) {
	if n < keptBuffer {
		b.put(buf)
		return
	}
	b.drop()
	debug.FreeOSMemory()
}

// nextSize returns how large the buffer after one of n bytes is: twice as large,
// or four times in between, where what is left behind for the collector would be
// as large as the message, and what is not filled costs nothing, because its pages
// were never touched. Near most, the size that the largest message takes, it is
// just that, so that the last two buffers are not larger than one and a half of it.
func nextSize(n, most int) int {
	next := max(16<<10, 2*n)
	if n >= largeBuffer && 4*n <= keptBuffer/2 {
		next = 4 * n
	}
	if n < most && next > most/2 {
		return most
	}
	return next
}
