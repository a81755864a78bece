package loopback

import (
	"context"
	"errors"
	"html/template"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"keyporter/internal/hint"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const state = "SECRETWORD-state"

func listener(t *testing.T, o Options) *Listener {
	t.Helper()
	o.State = state
	l, err := Listen(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

// visit sends a request as a browser does.
func visit(t *testing.T, method, address string, form url.Values, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, v := range header {
		req.Header[k] = v
	}
	req.Host = header.Get("Host")
	tr := &http.Transport{DisableKeepAlives: true}
	res, err := (&http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

func pending(t *testing.T, l *Listener) {
	t.Helper()
	select {
	case <-l.Answers():
		t.Error("the wait ended")
	default:
	}
}

func TestAnswerByQueryAndByForm(t *testing.T) {
	values := url.Values{"code": {"SECRETWORD-c"}, "state": {state}, "iss": {"https://as.example"}}
	for name, send := range map[string]func(l *Listener) (*http.Response, string){
		"query": func(l *Listener) (*http.Response, string) {
			return visit(t, "GET", l.RedirectURI()+"?"+values.Encode(), nil, nil)
		},
		"form": func(l *Listener) (*http.Response, string) { return visit(t, "POST", l.RedirectURI(), values, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			l := listener(t, Options{})
			l.Finish(true, "")
			res, page := send(l)
			if res.StatusCode != 200 || !strings.Contains(page, "You are signed in") || strings.Contains(page, "SECRETWORD") {
				t.Errorf("page: %d %s", res.StatusCode, page)
			}
			for _, h := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy", "X-Frame-Options"} {
				if res.Header.Get(h) == "" {
					t.Errorf("no %s", h)
				}
			}
			if res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("Cache-Control %q", res.Header.Get("Cache-Control"))
			}
			r, err := l.Wait(t.Context())
			if err != nil || r.Code.Reveal() != "SECRETWORD-c" || r.Iss != "https://as.example" || !r.HasIss || r.Error != "" {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
}

func TestWhatDoesNotBelongHereIsAnsweredAndTheWaitGoesOn(t *testing.T) {
	l := listener(t, Options{})
	good := l.RedirectURI() + "?code=SECRETWORD-c&state=" + state
	tests := []struct {
		name, method, address string
		form                  url.Values
		header                http.Header
		status                int
	}{
		{"wrong state", "GET", l.RedirectURI() + "?code=c&state=other", nil, nil, 400},
		{"no state", "GET", l.RedirectURI() + "?code=c", nil, nil, 400},
		{"an error with a wrong state", "GET", l.RedirectURI() + "?error=access_denied&state=x", nil, nil, 400},
		{"nothing", "GET", l.RedirectURI(), nil, nil, 400},
		{"state twice", "GET", good + "&state=" + state, nil, nil, 400},
		{"code and error", "GET", good + "&error=x", nil, nil, 400},
		{"another path", "GET", strings.Replace(good, "/callback", "/other", 1), nil, nil, 404},
		{"a path below", "GET", strings.Replace(good, "/callback", "/callback/x", 1), nil, nil, 404},
		{"another host", "GET", good, nil, http.Header{"Host": {"evil.example"}}, 421},
		{"another host at the right port", "GET", good, nil, http.Header{"Host": {"evil.example:" + l.redirect.Port()}}, 421},
		{"another method", "PUT", good, nil, nil, 400},
		{"HEAD of a link preview", "HEAD", good, nil, nil, 400},
		{"form of another type", "POST", l.RedirectURI(), url.Values{"code": {"c"}, "state": {state}}, http.Header{"Content-Type": {"text/plain"}}, 400},
		{"form too large", "POST", l.RedirectURI(), url.Values{"code": {strings.Repeat("c", maxForm)}, "state": {state}}, nil, 400},
		{"broken query", "GET", l.RedirectURI() + "?code=%zz&state=" + state, nil, nil, 400},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, page := visit(t, tt.method, tt.address, tt.form, tt.header)
			if res.StatusCode != tt.status || res.Header.Get("Location") != "" {
				t.Errorf("got %d, want %d", res.StatusCode, tt.status)
			}
			if strings.Contains(page, "SECRETWORD") {
				t.Error("the page shows what was sent")
			}
			pending(t, l)
		})
	}
	l.Finish(true, "")
	visit(t, "GET", good, nil, nil)
	if r, err := l.Wait(t.Context()); err != nil || r.Code.Reveal() != "SECRETWORD-c" {
		t.Errorf("afterwards: %+v, %v", r, err)
	}
}

func TestPageSaysWhoIsSignedIn(t *testing.T) {
	for lang, want := range map[string]string{"en": "Signed in as al&lt;b&gt;ice@example.com.", "ja": "al&lt;b&gt;ice@example.com としてサインインしています。"} {
		l := listener(t, Options{})
		l.Finish(true, "al<b>ice@example.com")
		if _, page := visit(t, "GET", l.RedirectURI()+"?code=SECRETWORD-c&state="+state, nil, http.Header{"Accept-Language": {lang}}); !strings.Contains(page, want) {
			t.Errorf("%s: %s", lang, page)
		}
	}
}

func TestTakenPortSaysByWhom(t *testing.T) {
	first := listener(t, Options{})
	_, err := Listen(t.Context(), Options{State: state, RedirectURI: first.RedirectURI()})
	text := hint.Of(err).Text()
	if err == nil || !strings.Contains(text, "The port "+first.redirect.Port()) || hint.Of(err).Do == "" {
		t.Fatalf("got %v", err)
	}
	if runtime.GOOS == "linux" && !strings.Contains(text, "another sign-in of Keyporter") {
		t.Errorf("our own listener is not recognised: %s", text)
	}
}

func TestSecondAnswerIsNotTaken(t *testing.T) {
	l := listener(t, Options{})
	l.Finish(true, "")
	visit(t, "GET", l.RedirectURI()+"?code=first&state="+state, nil, nil)
	visit(t, "GET", l.RedirectURI()+"?code=second&state="+state, nil, nil)
	if r, err := l.Wait(t.Context()); err != nil || r.Code.Reveal() != "first" {
		t.Errorf("got %+v, %v", r, err)
	}
	pending(t, l)
}

func TestErrorRedirect(t *testing.T) {
	l := listener(t, Options{})
	res, page := visit(t, "GET", l.RedirectURI()+"?error=access_denied&error_description=%3Cscript%3E&state="+state+"&redirect=https://evil.example", nil, nil)
	if res.StatusCode != 200 || !strings.Contains(page, "You are not signed in") || strings.Contains(page, "script") || strings.Contains(page, "evil") {
		t.Errorf("page: %d %s", res.StatusCode, page)
	}
	if r, err := l.Wait(t.Context()); err != nil || r.Error != "access_denied" || r.ErrorDescription != "<script>" || !r.Code.IsZero() {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestPageSaysHowItEndedInTheBrowsersLanguage(t *testing.T) {
	for _, tt := range []struct {
		ok         bool
		lang, want string
	}{
		{true, "", "You are signed in"}, {true, "ja,en;q=0.8", "サインインしました"}, {true, "en-GB,ja;q=0.5", "You are signed in"},
		{false, "ja-JP", "サインインしていません"}, {true, "de, ja;q=0.3, en;q=0.2", "サインインしました"}, {true, "ja;q=x", "You are signed in"},
	} {
		l := listener(t, Options{})
		l.Finish(tt.ok, "")
		_, page := visit(t, "GET", l.RedirectURI()+"?code=c&state="+state, nil, http.Header{"Accept-Language": {tt.lang}})
		if !strings.Contains(page, tt.want) {
			t.Errorf("%q, ok %v: got %s", tt.lang, tt.ok, page)
		}
	}
}

// The page waits for the outcome, so that it does not promise too much.
func TestPageWaitsForFinish(t *testing.T) {
	l := listener(t, Options{Page: template.Must(template.New("").Parse(`{{.Title}}`))})
	done := make(chan string)
	go func() {
		_, page := visit(t, "GET", l.RedirectURI()+"?code=c&state="+state, nil, nil)
		done <- page
	}()
	if _, err := l.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case page := <-done:
		t.Errorf("the page came before the outcome: %s", page)
	default:
	}
	l.Finish(false, "")
	if page := <-done; page != "You are not signed in" {
		t.Errorf("got %s", page)
	}
}

func TestPortsAndHosts(t *testing.T) {
	free := listener(t, Options{})
	u, err := url.Parse(free.RedirectURI())
	if err != nil || u.Hostname() != "127.0.0.1" || u.Path != "/callback" || u.Port() == "" {
		t.Fatalf("got %s", free.RedirectURI())
	}
	t.Run("a port in use is an error with words where it is fixed", func(t *testing.T) {
		_, err := Listen(t.Context(), Options{State: state, RedirectURI: "http://127.0.0.1:" + u.Port() + "/cb"})
		if hint.Of(err).Do == "" || !strings.Contains(err.Error(), u.Port()) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a preferred port in use is passed over", func(t *testing.T) {
		l := listener(t, Options{Ports: []int{0, free.server0Port()}})
		if l.RedirectURI() == free.RedirectURI() {
			t.Error("one port was given out twice")
		}
	})
	t.Run("a fixed redirect URI stays as it is", func(t *testing.T) {
		port := unused(t)
		for _, uri := range []string{"http://localhost:" + port + "/oauth/callback", "http://127.0.0.1:" + port + "/", "http://127.0.0.1:" + port} {
			l := listener(t, Options{RedirectURI: uri})
			if l.RedirectURI() != uri {
				t.Errorf("got %s, want %s", l.RedirectURI(), uri)
			}
			l.Finish(true, "")
			if res, _ := visit(t, "GET", uri+"?code=c&state="+state, nil, nil); res.StatusCode != 200 {
				t.Errorf("%s: %d", uri, res.StatusCode)
			}
			l.Close()
		}
	})
	t.Run("without a port any is taken", func(t *testing.T) {
		l := listener(t, Options{RedirectURI: "http://localhost/cb"})
		if !strings.HasPrefix(l.RedirectURI(), "http://localhost:") || !strings.HasSuffix(l.RedirectURI(), "/cb") {
			t.Errorf("got %s", l.RedirectURI())
		}
	})
	t.Run("nothing beyond this computer", func(t *testing.T) {
		for _, uri := range []string{"http://192.0.2.1:80/", "https://127.0.0.1/", "http://example.com/", "http://127.0.0.1.evil.example/", "http://u@127.0.0.1/", "http://127.0.0.1/#x"} {
			if l, err := Listen(t.Context(), Options{State: state, RedirectURI: uri}); err == nil {
				l.Close()
				t.Errorf("%s was accepted", uri)
			}
		}
	})
	t.Run("state is required", func(t *testing.T) {
		if _, err := Listen(t.Context(), Options{}); err == nil {
			t.Error("no error")
		}
	})
}

// Who holds the port on the other loopback address would get the answers of some
// browsers.
func TestBothLoopbackAddressesAreBound(t *testing.T) {
	six, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Log("no IPv6 on this computer: binding IPv4 alone is right")
		listener(t, Options{})
		return
	}
	defer six.Close()
	_, port, _ := net.SplitHostPort(six.Addr().String())
	if l, err := Listen(t.Context(), Options{State: state, RedirectURI: "http://localhost:" + port + "/callback"}); err == nil {
		l.Close()
		t.Error("a port was taken that another program holds on ::1")
	}
	l := listener(t, Options{RedirectURI: "http://localhost/callback"})
	l.Finish(true, "")
	_, port, _ = net.SplitHostPort(l.redirect.Host)
	res, _ := visit(t, "GET", "http://[::1]:"+port+"/callback?code=c&state="+state, nil, http.Header{"Host": {l.redirect.Host}})
	if res.StatusCode != 200 {
		t.Errorf("over ::1: %d", res.StatusCode)
	}
}

func TestWaitEndsWithItsContextAndCloseFreesThePort(t *testing.T) {
	l := listener(t, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	l.Close()
	l.Close()
	again := listener(t, Options{RedirectURI: l.RedirectURI()})
	if again.RedirectURI() != l.RedirectURI() {
		t.Errorf("got %s", again.RedirectURI())
	}
}

// A browser that keeps a connection open and says nothing does not hold Close up.
func TestCloseIsBounded(t *testing.T) {
	l := listener(t, Options{})
	c, err := net.DialTimeout("tcp", l.redirect.Host, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET /callback?code=c&state="); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := io.ReadAll(c); err != nil && !errors.Is(err, net.ErrClosed) && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the connection is still open: %v", err)
	}
}

func (l *Listener) server0Port() int {
	_, port, _ := net.SplitHostPort(l.redirect.Host)
	n, _ := net.LookupPort("tcp", port)
	return n
}

// unused returns a port that is free on both loopback addresses right now.
func unused(t *testing.T) string {
	l := listener(t, Options{})
	defer l.Close()
	return l.redirect.Port()
}

func TestPastedRedirects(t *testing.T) {
	for _, tt := range []struct {
		pasted, code, iss, err string
		fails                  bool
	}{
		{"http://127.0.0.1:1/callback?code=SECRETWORD-c&state=s&iss=i", "SECRETWORD-c", "i", "", false},
		{"  \"https://app.example/cb?x=1&code=SECRETWORD-c&state=s\" \n", "SECRETWORD-c", "", "", false},
		{"?code=SECRETWORD-c&state=s", "SECRETWORD-c", "", "", false},
		{"code=SECRETWORD-c&state=s", "SECRETWORD-c", "", "", false},
		{"http://127.0.0.1/callback?error=access_denied&state=s", "", "", "access_denied", false},
		{"http://127.0.0.1/callback", "", "", "", true}, {"SECRETWORD", "", "", "", true}, {"", "", "", "", true},
		{"http://127.0.0.1/?code=SECRETWORD&code=b", "", "", "", true}, {"http://127.0.0.1/?code=SECRETWORD%zz", "", "", "", true},
		{"https://as.example/authorize?state=s", "", "", "", true},
	} {
		r, err := ParseRedirect(tt.pasted)
		if tt.fails {
			if err == nil || strings.Contains(err.Error(), "SECRETWORD") || hint.Of(err).Do == "" {
				t.Errorf("%q: got %v", tt.pasted, err)
			}
			continue
		}
		if err != nil || r.Code.Reveal() != tt.code || r.Iss != tt.iss || r.HasIss != (tt.iss != "") || r.Error != tt.err || r.State != "s" {
			t.Errorf("%q: got %+v, %v", tt.pasted, r, err)
		}
	}
}

// What is accepted has exactly one of code and error, and no parameter twice.
func FuzzParseRedirect(f *testing.F) {
	for _, s := range []string{"http://127.0.0.1/?code=a&state=b", "?error=x", "code=a;b", "%", "http://[::1", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseRedirect(s)
		if err != nil {
			return
		}
		if r.Code.IsZero() == (r.Error == "") || !r.HasIss && r.Iss != "" {
			t.Errorf("%q: got %+v", s, r)
		}
		again, err := ParseRedirect("http://127.0.0.1/callback?" + url.Values{"code": {r.Code.Reveal()}, "error": {r.Error}, "state": {r.State}}.Encode())
		if err != nil || !again.Code.Equal(r.Code) || again.State != r.State {
			t.Errorf("%q: does not survive being written: %v", s, err)
		}
	})
}
