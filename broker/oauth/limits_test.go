package oauth

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/internal/hint"
)

// zeros is an endless document.
type zeros struct{ read int }

func (z *zeros) Read(p []byte) (int, error) {
	clear(p)
	z.read += len(p)
	return len(p), nil
}

func TestAnswersThatAreTooLargeAreNotReadToTheirEnd(t *testing.T) {
	var packed bytes.Buffer // 64 MiB in some kilobytes
	z := gzip.NewWriter(&packed)
	if _, err := io.CopyN(z, &zeros{}, 64<<20); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/packed" {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes())
			return
		}
		_, _ = io.Copy(w, &zeros{}) // ends when the client has gone
	})
	c := newClient(t, s.URL)
	for _, path := range []string{"/endless", "/packed"} {
		_, _, err := c.document(t.Context(), s.URL+path)
		if hint.CodeOf(err) != hint.Refused || !strings.Contains(hint.Of(err).What, "more than 1 MiB") {
			t.Errorf("%s: got %v", path, err)
		}
	}
	_, err := c.Token(t.Context(), s.URL+"/endless", public, nil)
	if hint.CodeOf(err) != hint.Refused {
		t.Errorf("token endpoint: got %v", err)
	}
}

// silence is a server that takes a request and never answers.
type silence struct{ asked int }

func (s *silence) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked++
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestServersThatNeverAnswerDoNotHoldASignInForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := &silence{}
		c := newClient(t, "https://mcp.example.com", func(o *Options) { o.Transport = silent })
		began := time.Now()
		_, err := c.Discover(t.Context(), "https://mcp.example.com/mcp", nil, "")
		if took := time.Since(began); hint.CodeOf(err) != hint.Unreachable && !errors.Is(err, context.DeadlineExceeded) || took > discoveryTime {
			t.Errorf("%v after %v", err, took)
		}
		if silent.asked > 2 {
			t.Errorf("%d requests", silent.asked)
		}
		began = time.Now()
		_, err = c.Token(t.Context(), "https://as.example.com/token", public, nil)
		if took := time.Since(began); hint.CodeOf(err) != hint.Unreachable || took != maxTime {
			t.Errorf("token endpoint: %v after %v", err, took)
		}
	})
}
