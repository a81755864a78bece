package oauth

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newClient returns a Client for a server that a test runs.
func newClient(t *testing.T, serverURL string, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{ServerURL: serverURL}
	for _, f := range change {
		f(&o)
	}
	c, err := NewClient(o)
	if err != nil {
		t.Fatalf("NewClient: %v", err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

// serve runs an HTTP server on loopback until the test ends.
func serve(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// noSecret fails the test if the text shows a fake secret.
func noSecret(t *testing.T, what, text string) {
	t.Helper()
	if strings.Contains(text, "SECRETWORD") {
		t.Errorf("%s shows a secret: %s", what, text)
	}
}

// serveTLS runs an HTTPS server that answers with a token.
func serveTLS(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, `{"access_token":"SECRETWORD"}`)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what the test is about
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}
