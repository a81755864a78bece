package bridge

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"keyporter/bridge/streamable"
)

// BenchmarkCall measures one tools/call after the other, through a bridge and
// with net/http alone, which is the limit.
func BenchmarkCall(b *testing.B) {
	for _, size := range []int{100, 1 << 20, 10 << 20} {
		reply := []byte(`{"result":{"content":[{"type":"text","text":"` + strings.Repeat("lorem ip", size/8) + `"}]},"jsonrpc":"2.0","id":1}`)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			w.Write(reply)
		}))
		request := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{}}}` + "\n"
		b.Run(fmt.Sprintf("direct/%d", size), func(b *testing.B) {
			client := &http.Client{Transport: streamable.NewTransport()}
			b.SetBytes(int64(len(reply)))
			for b.Loop() {
				resp, err := client.Post(s.URL, "application/json", strings.NewReader(request))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil {
					b.Fatal(err)
				}
				resp.Body.Close()
			}
			client.CloseIdleConnections()
		})
		b.Run(fmt.Sprintf("bridge/%d", size), func(b *testing.B) {
			inR, inW := io.Pipe()
			outR, outW := io.Pipe()
			done := make(chan error, 1)
			a := newAgent(s.URL)
			go func() {
				done <- Run(b.Context(), Options{Connect: a.connect, Server: "acme", Stdin: inR, Stdout: outW, Version: "0.0"})
				outW.Close()
			}()
			out := bufio.NewReaderSize(outR, 1<<20)
			b.SetBytes(int64(len(reply)))
			b.ReportAllocs()
			for b.Loop() {
				io.WriteString(inW, request)
				for {
					part, err := out.ReadSlice('\n')
					if err == nil {
						if bytes.Contains(part, []byte(`"error"`)) {
							b.Fatalf("answer %.300s", part)
						}
						break
					}
				}
			}
			inW.Close()
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		})
		s.Close()
	}
}
