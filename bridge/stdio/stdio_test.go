package stdio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

func TestReaderTakesLinesAsClientsWriteThem(t *testing.T) {
	in := "\xef\xbb\xbf{\"a\":1}\n\n  {\"b\":2} \r\n\r\n" + strings.Repeat("x", 200<<10) + "\n{\"last\":3}"
	want := []string{`{"a":1}`, `{"b":2}`, strings.Repeat("x", 200<<10), `{"last":3}`}
	for _, r := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in)), iotest.DataErrReader(strings.NewReader(in))} {
		lines := NewReader(r, 0)
		for i, w := range want {
			if got, err := lines.Read(); err != nil || string(got) != w {
				t.Fatalf("line %d: %.40q, %v", i, got, err)
			}
		}
		if _, err := lines.Read(); !errors.Is(err, io.EOF) {
			t.Errorf("end: %v", err)
		}
	}
}

func TestReaderSkipsALineBeyondTheLimit(t *testing.T) {
	long := `{"id":5,` + strings.Repeat("y", 300<<10) + `,"end":true}`
	lines := NewReader(strings.NewReader(long+"\n{}\n"+long), 100<<10)
	for i := range 2 {
		_, err := lines.Read()
		var e *TooLongError
		if !errors.As(err, &e) || !bytes.HasPrefix(e.Head, []byte(`{"id":5,`)) || !bytes.HasSuffix(bytes.TrimSpace(e.Tail), []byte(`,"end":true}`)) {
			t.Fatalf("long line %d: %v", i, err)
		}
		if len(e.Head) > kept || len(e.Tail) > kept {
			t.Errorf("%d and %d bytes kept of a long line", len(e.Head), len(e.Tail))
		}
		got, err := lines.Read()
		if i == 0 && (err != nil || string(got) != "{}") {
			t.Fatalf("line after the long one: %q, %v", got, err)
		}
		if i == 1 && !errors.Is(err, io.EOF) {
			t.Fatalf("end: %q, %v", got, err)
		}
	}
}

func TestReaderHandsOutMemoryOfItsOwn(t *testing.T) {
	lines := NewReader(strings.NewReader("first\nsecond\n"), 0)
	a, err := lines.Read()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lines.Read(); err != nil || string(a) != "first" {
		t.Errorf("first line became %q, %v", a, err)
	}
}

func TestWriterKeepsLinesWhole(t *testing.T) {
	var b bytes.Buffer
	w := NewWriter(&b)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for range 50 {
				if err := w.Write(bytes.Repeat([]byte{byte('a' + i)}, 300)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(lines) != 1000 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, l := range lines {
		if len(l) != 300 || strings.Trim(l, l[:1]) != "" {
			t.Fatalf("mixed line %q", l)
		}
	}
}

func TestWriterStopsAtTheFirstError(t *testing.T) {
	w := NewWriter(iotestErrWriter{})
	first := w.Write([]byte("a"))
	if first == nil || w.Write([]byte("b")) != first {
		t.Error("error does not stay")
	}
}

type iotestErrWriter struct{}

func (iotestErrWriter) Write([]byte) (int, error) { return 0, fmt.Errorf("pipe is closed") }
