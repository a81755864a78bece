package streamable

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// readAll returns the data of all events and what the reader remembers.
func readAll(r io.Reader, limit int) (events []string, e *EventReader, err error) {
	e = NewEventReader(r, limit)
	for {
		data, err := e.Next()
		if errors.Is(err, io.EOF) {
			return events, e, nil
		}
		if err != nil {
			return events, e, err
		}
		events = append(events, string(data))
	}
}

func TestEventStreamIsReadAsTheStandardSays(t *testing.T) {
	for _, test := range []struct {
		name, in string
		want     []string
		id       string
		retry    time.Duration
	}{
		{"LF", "data: a\n\ndata: b\n\n", []string{"a", "b"}, "", 0},
		{"CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", []string{"a", "b"}, "", 0},
		{"CR", "data: a\r\rdata: b\r\r", []string{"a", "b"}, "", 0},
		{"mixed", "data: a\r\n\ndata: b\n\r\n", []string{"a", "b"}, "", 0},
		{"byte order mark", "\xef\xbb\xbfdata: a\n\n", []string{"a"}, "", 0},
		{"comments", ": ping\n\n:\ndata: a\n: x\n\n", []string{"a"}, "", 0},
		{"no space", "data:a\n\ndata:  b\n\n", []string{"a", " b"}, "", 0},
		{"several lines", "data: a\ndata: b\ndata\ndata: c\n\n", []string{"a\nb\n\nc"}, "", 0},
		{"field without colon", "data\n\nfoo\ndata: a\n\n", []string{"a"}, "", 0},
		{"other events", "event: ping\ndata: x\n\nevent: message\ndata: a\n\n", []string{"a"}, "", 0},
		{"priming event", "id: 1\ndata: \n\nid: 2\ndata: a\n\n", []string{"a"}, "2", 0},
		{"id alone", "id: 7\n\n", nil, "7", 0},
		{"id is forgotten", "id: 7\n\nid\n\n", nil, "", 0},
		{"id with NUL", "id: 7\n\nid: a\x00b\n\n", nil, "7", 0},
		{"retry", "retry: 250\n\nretry: x\n\n", nil, "", 250 * time.Millisecond},
		{"cut off", "data: a\n\nid: 9\ndata: b\n", []string{"a"}, "", 0},
		{"nothing", "", nil, "", 0},
	} {
		for _, r := range []io.Reader{strings.NewReader(test.in), iotest.OneByteReader(strings.NewReader(test.in)), iotest.DataErrReader(strings.NewReader(test.in))} {
			got, e, err := readAll(r, 1<<20)
			if err != nil || strings.Join(got, "|") != strings.Join(test.want, "|") || e.LastID != test.id || e.Retry != test.retry {
				t.Errorf("%s: %q, id %q, retry %v, %v", test.name, got, e.LastID, e.Retry, err)
			}
		}
	}
}

func TestEventsBeyondTheLimitAreRefused(t *testing.T) {
	big := strings.Repeat("x", 5000)
	for _, in := range []string{"data: " + big + "\n\n", ": " + big + "\n\n", strings.Repeat("data: "+big[:500]+"\n", 10) + "\n"} {
		if _, _, err := readAll(strings.NewReader(in), 1000); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%.20q…: %v, want ErrTooLarge", in, err)
		}
	}
	many := strings.Repeat(": comment\n\ndata: a\n\n", 1000)
	if got, e, err := readAll(strings.NewReader(many), 1000); err != nil || len(got) != 1000 || cap(e.buf) > 64<<10 {
		t.Errorf("%d small events, buffer %d, %v", len(got), cap(e.buf), err)
	}
}

func TestEventsOfAllSizesComeWhole(t *testing.T) {
	var in strings.Builder
	var want []string
	for i := range 120 {
		data := strings.Repeat(string(rune('a'+i%26)), i*i*3+1)
		want = append(want, data)
		if i%5 == 0 {
			in.WriteString(": comment\nretry: 5\ndata: " + data + "\ndata: x\n\n")
			want[i] += "\nx"
			continue
		}
		in.WriteString("data: " + data + "\nid: 1\n\n")
	}
	for _, step := range []int{1 << 20, 4000, 7} {
		got, _, err := readAll(&stepReader{s: in.String(), n: step}, 1<<20)
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d events, want %d, %v", len(got), len(want), err)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("event %d has %d bytes, want %d", i, len(got[i]), len(want[i]))
			}
		}
	}
}

// reference reads an event stream in the plainest way the standard can be put.
func reference(in string) (events []string, id string) {
	in = strings.TrimPrefix(in, "\xef\xbb\xbf")
	in = strings.ReplaceAll(strings.ReplaceAll(in, "\r\n", "\n"), "\r", "\n")
	lines := strings.Split(in, "\n")
	data, name, next, has := "", "", "", false
	for _, l := range lines[:len(lines)-1] { // the last one has no line end
		if l == "" {
			if has {
				id = next
			}
			if d := strings.TrimSuffix(data, "\n"); d != "" && (name == "" || name == "message") {
				events = append(events, d)
			}
			data, name, has = "", "", false
			continue
		}
		field, value, _ := strings.Cut(l, ":")
		value = strings.TrimPrefix(value, " ")
		switch field {
		case "data":
			data += value + "\n"
		case "event":
			name = value
		case "id":
			if !strings.Contains(value, "\x00") {
				next, has = value, true
			}
		}
	}
	return events, id
}

// FuzzEventStream holds the reader against the plain one, however the stream is cut into reads.
func FuzzEventStream(f *testing.F) {
	f.Add("id: 1\r\ndata: a\r\n\r\n: c\ndata\ndata:b\n\n", 3)
	f.Add("\xef\xbb\xbfevent:x\rdata:1\r\rretry: 5\n\n", 1)
	f.Add("data: a\n\r\ndata: b\r\r\n", 2)
	f.Fuzz(func(t *testing.T, in string, step int) {
		got, e, err := readAll(&stepReader{s: in, n: max(1, step%50)}, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		want, id := reference(in)
		if len(got) != len(want) || e.LastID != id {
			t.Fatalf("%q: %q and id %q, want %q and %q", in, got, e.LastID, want, id)
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("%q: event %d is %q, want %q", in, i, got[i], want[i])
			}
		}
	})
}

// A stepReader reads n bytes at a time.
type stepReader struct {
	s string
	n int
}

func (r *stepReader) Read(p []byte) (int, error) {
	if r.s == "" {
		return 0, io.EOF
	}
	n := copy(p, r.s[:min(r.n, len(r.s))])
	r.s = r.s[n:]
	return n, nil
}
