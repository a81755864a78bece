package loopback

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"keyporter/assets"
)

// A Page is what the page at the end of a sign-in is made of. Nothing in it comes
// from the request but the choice of the language; Who comes from the provider.
type Page struct {
	Lang  string // "en" or "ja"
	OK    bool   // the user is signed in
	Title string
	Text  string
	Who   string // who is signed in, in a sentence; may be empty
}

var defaultPage = template.Must(template.New("signedin").Parse(assets.SignedIn))

// words are a Page in each language.
type words struct {
	ok bool
	en [2]string
	ja [2]string
}

var (
	pageDone = words{true,
		[2]string{"You are signed in", "You can close this tab."},
		[2]string{"サインインしました", "このタブは閉じてかまいません。"}}
	pageDenied = words{false,
		[2]string{"You are not signed in", "The sign-in was declined or failed. Keyporter says what to do next."},
		[2]string{"サインインしていません", "サインインが拒否されたか、失敗しました。次にすることは Keyporter に表示されます。"}}
	pageFailed = words{false,
		[2]string{"You are not signed in", "The sign-in could not be completed. Keyporter says why."},
		[2]string{"サインインしていません", "サインインを完了できませんでした。理由は Keyporter に表示されます。"}}
	pageUnsure = words{true,
		[2]string{"Almost done", "Keyporter is completing the sign-in. You can close this tab."},
		[2]string{"もうすぐ完了します", "Keyporter がサインインを完了しています。このタブは閉じてかまいません。"}}
	pageForeign = words{false,
		[2]string{"This page belongs to no sign-in", "The sign-in you started is still waiting. Continue in the other tab, or start again."},
		[2]string{"このページに対応するサインインはありません", "始めたサインインはまだ待機中です。別のタブで続けるか、もう一度始めてください。"}}
)

// signedInAs is Page.Who in each language.
var signedInAs = map[string]string{"en": "Signed in as %s.", "ja": "%s としてサインインしています。"}

// show writes a page that names nobody.
func (l *Listener) show(w http.ResponseWriter, r *http.Request, status int, text words) {
	l.showWho(w, r, status, text, "")
}

// showWho writes a page. It may be framed by nobody, loads nothing, and leads nowhere.
func (l *Listener) showWho(w http.ResponseWriter, r *http.Request, status int, text words, who string) {
	p := Page{Lang: language(r.Header.Get("Accept-Language")), OK: text.ok}
	t := text.en
	if p.Lang == "ja" {
		t = text.ja
	}
	p.Title, p.Text = t[0], t[1]
	if who != "" {
		p.Who = fmt.Sprintf(signedInAs[p.Lang], who)
	}
	var b bytes.Buffer
	if err := l.page.Execute(&b, p); err != nil {
		b.Reset()
		b.WriteString(template.HTMLEscapeString(p.Title + ". " + p.Text))
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", p.Lang)
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Connection", "close")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the browser left; nobody to tell
}

// language returns "ja" if an Accept-Language field (RFC 9110 section 12.5.4)
// prefers it to English, else "en".
func language(field string) string {
	best, bestQ := "en", 0.0
	for part := range strings.SplitSeq(field, ",") {
		tag, params, _ := strings.Cut(part, ";")
		primary, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		if primary != "en" && primary != "ja" {
			continue
		}
		q := 1.0
		if v, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			n, err := strconv.ParseFloat(v, 64)
			if err != nil {
				continue
			}
			q = n
		}
		if q > bestQ {
			best, bestQ = primary, q
		}
	}
	return best
}
