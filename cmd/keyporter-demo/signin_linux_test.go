package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"keyporter/internal/fakeas"
	"keyporter/internal/peers"
)

// A signInPage is an authorization request at the demo's identity provider and
// the listener that its answer comes to.
type signInPage struct {
	address string
	answers chan url.Values // one for each visit of the redirect URI
}

func newSignInPage(t *testing.T) *signInPage {
	t.Helper()
	w, err := listen(0, accessLife)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	})
	p := &signInPage{answers: make(chan url.Values, 10)}
	listener := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/callback" {
			http.NotFound(rw, r)
			return
		}
		p.answers <- r.URL.Query()
		rw.Header().Set("Content-Type", "text/html")
		_, _ = rw.Write([]byte("<title>Back</title><h1>Back</h1>"))
	}))
	t.Cleanup(listener.Close)
	redirect := listener.URL + "/callback"
	w.as.AddClient(fakeas.Client{ID: "Keyporter", RedirectURIs: []string{redirect}})
	challenge := sha256.Sum256([]byte("SECRETWORD-verifier"))
	p.address = w.as.Issuer() + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {"Keyporter"}, "redirect_uri": {redirect}, "state": {"s1"},
		"scope": {"mcp:read mcp:write"}, "resource": {w.mcp.Resource()},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}.Encode()
	return p
}

// answer returns what the redirect URI was visited with.
func (p *signInPage) answer(t *testing.T) url.Values {
	t.Helper()
	select {
	case a := <-p.answers:
		return a
	case <-time.After(30 * time.Second):
		t.Fatal("the browser did not come back to the redirect URI")
		return nil
	}
}

func TestSignInPageInARealBrowser(t *testing.T) {
	c := peers.StartChrome(t)
	t.Run("looks like a page", func(t *testing.T) {
		p := newSignInPage(t)
		c.Open(p.address)
		var dom string
		c.Do(http.MethodGet, "/source", nil, &dom)
		for _, want := range []string{"Sign in", "Keyporter", "/mcp", "mcp:read mcp:write", `value="alice"`} {
			if !strings.Contains(dom, want) {
				t.Errorf("the page lacks %q:\n%s", want, dom)
			}
		}
		var layout struct{ Wide, Labelled, Shown, Styled bool }
		c.Run(`const i = document.querySelector('input'), b = document.querySelector('button'), r = b.getBoundingClientRect();
			return {Wide: document.documentElement.scrollWidth > innerWidth, Labelled: i.labels.length == 1,
				Shown: r.width > 40 && r.height > 20 && r.bottom < innerHeight,
				Styled: getComputedStyle(b).borderTopLeftRadius == '6px'}`, &layout)
		if layout.Wide || !layout.Labelled || !layout.Shown || !layout.Styled {
			t.Errorf("layout %+v: want no sideways scrolling, a labelled field, and the button in view and styled", layout)
		}
		img, err := png.Decode(bytes.NewReader(c.Screenshot("sign-in")))
		if err != nil {
			t.Fatal(err)
		}
		colours := map[[3]uint32]bool{}
		for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 2 {
			for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 2 {
				r, g, b, _ := img.At(x, y).RGBA()
				colours[[3]uint32{r, g, b}] = true
			}
		}
		if len(colours) < 10 {
			t.Errorf("the screenshot has %d colours: nothing is drawn", len(colours))
		}
	})
	t.Run("signs in as the name that was typed", func(t *testing.T) {
		p := newSignInPage(t)
		c.Open(p.address)
		c.ReplaceText("input[name=user]", "bob")
		c.Click("button[value=sign-in]")
		answer := p.answer(t)
		if answer.Get("code") == "" || answer.Get("state") != "s1" || answer.Get("iss") == "" {
			t.Errorf("the redirect has %v, want code, state and iss", keys(answer))
		}
		var title string
		if c.Do(http.MethodGet, "/title", nil, &title); title != "Back" {
			t.Errorf("the browser ended at %q, want the redirect listener's page", title)
		}
	})
	t.Run("says no", func(t *testing.T) {
		p := newSignInPage(t)
		c.Open(p.address)
		c.Click("button[value=deny]")
		if answer := p.answer(t); answer.Get("error") != "access_denied" || answer.Has("code") {
			t.Errorf("the redirect has %v, want access_denied", keys(answer))
		}
	})
}

func TestPersonSignsInToTheDemoInARealBrowser(t *testing.T) {
	c := peers.StartChrome(t)
	pages := make(chan string, 1)
	listener := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16))
		pages <- string(b)
	}))
	t.Cleanup(listener.Close)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	k := startKept(t, []string{"KEYPORTER_BROWSER=" + self, fakeBrowser + "=" + listener.URL}, "--browser")
	select {
	case page := <-pages:
		c.Open(page)
	case <-time.After(2 * time.Minute):
		t.Fatal("the demo opened no page")
	}
	c.Click("button[value=sign-in]")
	k.await(t)
	var shown string
	if c.Do(http.MethodGet, c.Element("body")+"/text", nil, &shown); !strings.Contains(strings.ToLower(shown), "signed in") {
		t.Errorf("in the end the browser shows %q", shown)
	}
	c.Screenshot("signed-in")
	k.end(t)
	leftovers(t, k.home)
}

func keys(v url.Values) []string {
	var names []string
	for k := range v {
		names = append(names, k)
	}
	return names
}
