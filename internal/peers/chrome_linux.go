package peers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Chrome is a real browser without a screen, driven over WebDriver (W3C).
type Chrome struct {
	t       *testing.T
	session string // address of the session
}

var driverReady = regexp.MustCompile(`started successfully on port (\d+)`)

// StartChrome starts Chromium and ends it with the test.
func StartChrome(t *testing.T) *Chrome {
	t.Helper()
	driver, err := exec.LookPath("chromedriver")
	if err != nil {
		t.Fatal("chromedriver is missing: install the Debian packages chromium and chromium-driver")
	}
	binary, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing: install the Debian packages chromium and chromium-driver")
	}
	profile := filepath.Join(t.TempDir(), "profile")
	cmd := exec.Command(driver, "--port=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Chromium's processes end with it
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{}) // closed when nothing more comes
	port := make(chan string, 1)
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if m := driverReady.FindStringSubmatch(lines.Text()); m != nil {
				port <- m[1]
			}
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-read
		_ = cmd.Wait() // it was killed
	})
	c := &Chrome{t: t}
	select {
	case p := <-port:
		c.session = "http://127.0.0.1:" + p
	case <-read:
		t.Fatal("chromedriver ended before it was ready")
	}
	var s struct {
		SessionID string `json:"sessionId"`
	}
	c.Do(http.MethodPost, "/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"goog:chromeOptions": map[string]any{"binary": binary, "args": []string{
			"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--window-size=900,700", "--user-data-dir=" + profile,
		}},
	}}}, &s)
	c.session += "/session/" + s.SessionID
	t.Cleanup(func() { c.Do(http.MethodDelete, "", nil, nil) })
	return c
}

// Shows waits until the page says a part of text, in whatever case. A page that
// gives way to another one meanwhile is no error.
func (c *Chrome) Shows(part string) {
	c.t.Helper()
	const say = "return document.body ? document.body.innerText : ''"
	var shown string
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		err = c.try(http.MethodPost, "/execute/sync", map[string]any{"script": say, "args": []any{}}, &shown)
		if err == nil && strings.Contains(strings.ToLower(shown), strings.ToLower(part)) {
			return
		}
	}
	c.t.Fatalf("the browser shows %q, %v; want %q in it", shown, err, part)
}

// Do sends a WebDriver command and reads the value of the answer.
func (c *Chrome) Do(method, path string, body, value any) {
	c.t.Helper()
	if err := c.try(method, path, body, value); err != nil {
		c.t.Fatal(err)
	}
}

func (c *Chrome) try(method, path string, body, value any) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var b bytes.Buffer
	if method == http.MethodPost {
		if body == nil {
			body = struct{}{}
		}
		if err := json.NewEncoder(&b).Encode(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, c.session+path, &b)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("chromedriver: %w", err)
	}
	defer res.Body.Close()
	var answer struct {
		Value json.RawMessage `json:"value"`
	}
	err = json.NewDecoder(io.LimitReader(res.Body, 32<<20)).Decode(&answer)
	if err == nil && value != nil {
		err = json.Unmarshal(answer.Value, value)
	}
	if res.StatusCode != http.StatusOK || err != nil {
		return fmt.Errorf("chromedriver %s %s: HTTP %d, %v: %.500s", method, path, res.StatusCode, err, answer.Value)
	}
	return nil
}

// Open goes to an address.
func (c *Chrome) Open(address string) {
	c.t.Helper()
	c.Do(http.MethodPost, "/url", map[string]string{"url": address}, nil)
}

// Element returns the address of the one element that a CSS selector finds.
func (c *Chrome) Element(selector string) string {
	c.t.Helper()
	var all []map[string]string
	c.Do(http.MethodPost, "/elements", map[string]string{"using": "css selector", "value": selector}, &all)
	if len(all) != 1 {
		c.t.Fatalf("%s: %d elements, want 1", selector, len(all))
	}
	return "/element/" + all[0]["element-6066-11e4-a52e-4f735466cecf"] // WebDriver section 12
}

// Click clicks on the one element that a CSS selector finds.
func (c *Chrome) Click(selector string) {
	c.t.Helper()
	c.Do(http.MethodPost, c.Element(selector)+"/click", nil, nil)
}

// ReplaceText types into the one field that a CSS selector finds.
func (c *Chrome) ReplaceText(selector, text string) {
	c.t.Helper()
	e := c.Element(selector)
	c.Do(http.MethodPost, e+"/clear", nil, nil)
	c.Do(http.MethodPost, e+"/value", map[string]string{"text": text}, nil)
}

// Run runs JavaScript in the page.
func (c *Chrome) Run(script string, result any) {
	c.t.Helper()
	c.Do(http.MethodPost, "/execute/sync", map[string]any{"script": script, "args": []any{}}, result)
}

// Screenshot returns a PNG of the page. KEYPORTER_SCREENSHOTS names a folder
// where it is kept for people to look at.
func (c *Chrome) Screenshot(name string) []byte {
	c.t.Helper()
	var encoded string
	c.Do(http.MethodGet, "/screenshot", nil, &encoded)
	b, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		c.t.Fatal(err)
	}
	if dir := os.Getenv("KEYPORTER_SCREENSHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%s.png", name)), b, 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	return b
}
