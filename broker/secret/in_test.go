package secret

import (
	"fmt"
	"strings"
	"testing"
)

func TestASecretIsNoticedWhereverItStandsInALongText(t *testing.T) {
	const v = "SECRETWORD-token"
	var s Sent
	s.Add(New(v))
	for at := 0; at < 5*looked; at += 3001 {
		if text := strings.Repeat("_", at) + strings.ReplaceAll(v, "-", "%2D") + strings.Repeat("_", looked); !s.In(text) {
			t.Errorf("it is not noticed at %d", at)
		}
	}
	for _, edge := range []int{looked, 3 * looked / 2, 2 * looked, 3 * looked, 7 * looked / 2} {
		for before := range len(v) + 1 {
			if text := strings.Repeat("_", edge-before) + v + strings.Repeat("_", looked); !s.In(text) {
				t.Errorf("it is not noticed %d bytes before %d", before, edge)
			}
		}
	}
}

// BenchmarkIn looks through a list of a server's tools before it is kept.
func BenchmarkIn(b *testing.B) {
	var s Sent
	for i := range 3 {
		s.Add(New(fmt.Sprintf("SECRETWORD-%03d-%s", i, strings.Repeat("abcdefgh", 100))))
	}
	const size = 1 << 20
	for name, item := range map[string]string{
		"plain":   `{"name":"search","description":"Finds Pages By Their Words.","inputSchema":{"type":"object"}},`,
		"escaped": `{"name":"search","description":"Finds \"Pages\" by their words.\nSee the manual.","inputSchema":{"type":"object"}},`,
		"hostile": "%255Cu0026#x41;",
	} {
		text := strings.Repeat(item, size/len(item))
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if s.In(text) {
					b.Fatal("found")
				}
			}
		})
	}
}
