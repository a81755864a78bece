package peers

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// A User is a person without a screen: it follows redirects, keeps cookies and
// fills in the pages of oidc-provider and Keycloak (sign-in, consent, device code). Its zero
// value is alice. It is safe for concurrent use; each visit has cookies of its own.
type User struct {
	Name string // Optional. Who signs in; empty is "alice".
}

// maxPages is how many pages and redirects a visit may have.
const maxPages = 30

// maxPage is how many bytes of a page are read.
const maxPage = 1 << 20

// Open visits rawURL, fills in what is asked and goes on until a page asks for
// nothing, which for a sign-in is the one of the redirect listener. It returns
// that page's address.
func (u User) Open(ctx context.Context, rawURL string) (*url.URL, error) {
	return u.visit(ctx, rawURL, func(*url.URL) bool { return false })
}

// Redirect visits an authorization URL and returns the first address under
// redirectURI that it is sent to, without loading it.
func (u User) Redirect(ctx context.Context, authorizationURL, redirectURI string) (*url.URL, error) {
	want, err := url.Parse(redirectURI)
	if err != nil {
		return nil, err
	}
	reached := func(at *url.URL) bool {
		return at.Scheme == want.Scheme && at.Host == want.Host && at.Path == want.Path
	}
	at, err := u.visit(ctx, authorizationURL, reached)
	if err != nil {
		return nil, err
	}
	if !reached(at) {
		return nil, fmt.Errorf("sign in: the last page is %s%s, not the redirect URI", at.Host, at.Path)
	}
	return at, nil
}

// visit goes from page to page until stop says so or a page asks for nothing.
func (u User) visit(ctx context.Context, rawURL string, stop func(*url.URL) bool) (*url.URL, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	client := &http.Client{
		Jar: jar, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	at, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	var fields url.Values // of the form to send to at; nil loads it
	for range maxPages {
		if stop(at) {
			return at, nil
		}
		p, err := load(ctx, client, at, fields)
		switch {
		case err != nil:
			return nil, err
		case p.next == nil:
			return at, nil
		}
		at, fields = p.next, u.fill(p.fields)
	}
	return nil, errors.New("sign in: too many pages")
}

// fill puts in what a person types.
func (u User) fill(fields url.Values) url.Values {
	if fields.Has("login") {
		fields.Set("login", u.name())
		fields.Set("password", "password-SECRETWORD")
	}
	if fields.Has("username") {
		fields.Set("username", u.name())
		fields.Set("password", keycloakPassword)
	}
	if fields.Has("accept") { // a person clicks one of two buttons
		fields.Del("cancel")
	}
	return fields
}

func (u User) name() string {
	if u.Name == "" {
		return "alice"
	}
	return u.Name
}

// A page says where to go after it.
type page struct {
	next   *url.URL   // nil: nowhere
	fields url.Values // of its form; nil: it is a redirect
}

// load gets a page, or sends a form to it.
func load(ctx context.Context, client *http.Client, at *url.URL, fields url.Values) (*page, error) {
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if fields != nil {
		method, body = http.MethodPost, strings.NewReader(fields.Encode())
	}
	req, err := http.NewRequestWithContext(ctx, method, at.String(), body)
	if err != nil {
		return nil, err
	}
	if fields != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxPage))
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 400 {
		return nil, fmt.Errorf("sign in: %s%s answered %s", at.Host, at.Path, res.Status)
	}
	if location := res.Header.Get("Location"); location != "" {
		next, err := at.Parse(location)
		return &page{next: next}, err
	}
	return parseForm(at, string(text))
}

var (
	formTag  = regexp.MustCompile(`(?is)<form\b[^>]*>.*?</form>`)
	inputTag = regexp.MustCompile(`(?is)<input\b[^>]*>`)
)

// parseForm reads the first form of a page. Regular expressions are enough for
// the few pages that a User meets.
func parseForm(at *url.URL, text string) (*page, error) {
	form := formTag.FindString(text)
	if form == "" {
		return &page{}, nil
	}
	head, _, _ := strings.Cut(form, ">")
	next, err := at.Parse(attribute(head, "action"))
	if err != nil {
		return nil, err
	}
	fields := url.Values{}
	for _, input := range inputTag.FindAllString(form, -1) {
		if name := attribute(input, "name"); name != "" {
			fields.Set(name, attribute(input, "value"))
		}
	}
	if fields.Has("user_code") && fields.Get("user_code") == "" {
		// The device page of RFC 8628 section 3.3.1 has the code in its address.
		fields.Set("user_code", at.Query().Get("user_code"))
	}
	return &page{next: next, fields: fields}, nil
}

// attribute returns the value of an attribute of a tag, or nothing.
func attribute(tag, name string) string {
	m := regexp.MustCompile(`(?is)\s` + name + `\s*=\s*(?:"([^"]*)"|'([^']*)')`).FindStringSubmatch(tag)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1] + m[2])
}
