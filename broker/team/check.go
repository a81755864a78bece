package team

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"keyporter/broker/account"
	"keyporter/broker/oauth"
	"keyporter/broker/reference"
)

// plainTexts reports whether all texts of a JSON text, names included, are what a
// screen shows of them: no control characters, nothing invisible, nothing that
// changes the direction of writing. A signature has line ends.
func plainTexts(text []byte) error {
	d := jsontext.NewDecoder(bytes.NewReader(text))
	for {
		t, err := d.ReadToken()
		if err != nil {
			return nil // the end: that it is whole JSON was found out before
		}
		if t.Kind() != '"' || d.StackPointer() == "/signature" {
			continue
		}
		s := t.String()
		if len([]rune(s)) > maxText {
			return bad(fmt.Sprintf("a text in it is longer than %d characters", maxText), nil)
		}
		if i := strings.IndexFunc(s, hidden); i >= 0 {
			return bad(fmt.Sprintf("a text in it has a character that cannot be seen (%U)", []rune(s[i:])[0]), nil)
		}
	}
}

// hidden reports whether a character is a control character, a format character
// (zero-width, direction marks, byte order mark) or another that shows nothing.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) ||
		r == unicode.ReplacementChar || r == '\u2800' // an empty Braille cell
}

// alike are the scripts with letters that look like Latin ones.
var alike = []*unicode.RangeTable{unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Cherokee, unicode.Lisu}

// checkNames refuses names that mix Latin letters with others that look like them
// (Unicode Technical Standard 39, section 5): one could pass for a name that is
// here already.
func checkNames(names ...string) error {
	for _, name := range names {
		if strings.ContainsFunc(name, func(r rune) bool { return unicode.In(r, unicode.Latin) }) &&
			strings.ContainsFunc(name, func(r rune) bool { return unicode.In(r, alike...) }) {
			return bad(fmt.Sprintf("the name %q mixes letters that look alike", clip(name)), nil)
		}
	}
	return nil
}

// credentialHeaders are those that only an account or a secret may fill.
var credentialHeaders = []string{"authorization", "proxy-authorization", "cookie", "x-serverless-authorization"}

func checkServer(s *account.Server) error {
	if err := s.Check(); err != nil {
		return err
	}
	for _, u := range []string{s.URL, s.Issuer, s.ClientMetadataURL} {
		if err := checkAddress(u); err != nil {
			return err
		}
	}
	for name := range s.Headers {
		if slices.Contains(credentialHeaders, strings.ToLower(name)) {
			return no("The header %s is for tokens, and a profile has none.", name)
		}
	}
	preset, err := oauth.FindPreset("", json.RawMessage(s.Preset))
	if err != nil {
		return err
	}
	for _, uri := range []string{s.RedirectURI, preset.RedirectURI} {
		if u, err := url.Parse(uri); uri != "" && (err != nil || u.Scheme != "http" || !account.Loopback(u.Hostname())) {
			return no("Its redirect URI is not on this computer, so a sign-in would end elsewhere.")
		}
	}
	return nil
}

// checkAddress accepts "", https, and http on this computer. A host is written
// in ASCII, so that what is shown is what is asked.
func checkAddress(s string) error {
	if s == "" {
		return nil
	}
	u, err := account.ParseURL(s, false)
	if err != nil {
		return err
	}
	if strings.ContainsFunc(u.Host, func(r rune) bool { return r > unicode.MaxASCII }) {
		return no("The address %s is not written in ASCII.", clip(s))
	}
	return nil
}

func checkAccount(a *account.Account) error {
	if err := a.Check(); err != nil {
		return err
	}
	for _, u := range []string{a.Issuer, a.TokenEndpoint, a.IDPTokenEndpoint} {
		if err := checkAddress(u); err != nil {
			return err
		}
	}
	if a.SecretRef == "" {
		return nil
	}
	_, err := reference.Parse(a.SecretRef)
	return err
}

// check reports whether the parts fit together: every account that is named is
// there, and no name looks like another.
func (p *Profile) check() error {
	if err := checkNames(slices.Concat([]string{p.Name}, p.ServerNames(), p.AccountNames())...); err != nil {
		return err
	}
	for _, name := range p.ServerNames() {
		for _, l := range p.Servers[name].Layers() {
			if l.Account != "" && p.Accounts[l.Account] == nil {
				return bad(fmt.Sprintf("its server %q uses the account %q, which is not in it", name, clip(l.Account)), nil)
			}
		}
	}
	for _, name := range p.AccountNames() {
		for _, other := range []string{p.Accounts[name].Through, p.Accounts[name].SecretThrough} {
			if other != "" && p.Accounts[other] == nil {
				return bad(fmt.Sprintf("its account %q goes through %q, which is not in it", name, clip(other)), nil)
			}
		}
	}
	return nil
}
