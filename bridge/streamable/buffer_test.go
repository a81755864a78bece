package streamable

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// endless is a body without an end.
type endless string

func (e endless) Read(p []byte) (int, error) {
	for n := 0; n < len(p); {
		n += copy(p[n:], e)
	}
	return len(p), nil
}

func TestAnAnswerWithoutAnEndTakesNoMoreThanTheLimit(t *testing.T) {
	const limit, little = 1 << 20, 8 << 10
	c := &Client{max: limit}
	body, err := c.readBody(t.Context(), &http.Response{ContentLength: -1, Body: io.NopCloser(endless("x"))}, &share{of: &c.answers})
	if !errors.Is(err, ErrTooLarge) || cap(body) > limit+little {
		t.Errorf("a JSON body: %v, the buffer has %d bytes", err, cap(body))
	}
	for _, line := range []string{"x", ": comment", "data: "} {
		_, e, err := readAll(io.MultiReader(strings.NewReader("data: "), endless(line)), limit)
		if !errors.Is(err, ErrTooLarge) || cap(e.buf) > limit+little {
			t.Errorf("an event of %q: %v, the buffer has %d bytes", line, err, cap(e.buf))
		}
	}
}

func TestBuffersGrowToWhatTheLargestMessageTakes(t *testing.T) {
	for _, most := range []int{10, 5000, 100_000, 1 << 20, 1<<20 + 2, 64<<20 + 2} {
		last, n := 0, 0
		for n < most {
			last, n = n, nextSize(n, most)
		}
		if n != most || n > 16<<10 && last > most/2 {
			t.Errorf("for %d bytes the last two buffers have %d and %d", most, last, n)
		}
	}
}
