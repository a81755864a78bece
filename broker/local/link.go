package local

import (
	"encoding/base64"
	"net/url"

	"keyporter/internal/hint"
)

// maxLink is how long a link with a profile in it may be; programs between a click
// and this one cut off longer ones.
const maxLink = 8000

// ProfileLink returns the keyporter link that asks to join a profile.
func ProfileLink(profile []byte) (string, error) {
	link := "keyporter://join?profile=" + base64.RawURLEncoding.EncodeToString(profile)
	if len(link) > maxLink {
		return "", hint.New(hint.Usage, "The profile is too large for a link.",
			"Put the file at an https address; keyporter://join?url= with that address behind it, escaped, is then the link.")
	}
	return link, nil
}

// ParseProfileLink returns what a keyporter link asks to join: a profile, or the
// address of one. ok is false for what is no keyporter link at all.
func ParseProfileLink(link string) (r ReviewRequest, ok bool, err error) {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "keyporter" {
		return r, false, nil
	}
	q, err := url.ParseQuery(u.RawQuery)
	known := err == nil && u.User == nil && u.Fragment == "" && len(q) == 1 &&
		(u.Host == "join" && (u.Path == "" || u.Path == "/") || u.Opaque == "join")
	switch {
	case known && len(q["url"]) == 1:
		r.URL = q.Get("url")
	case known && len(q["profile"]) == 1:
		r.Profile, err = base64.RawURLEncoding.DecodeString(q.Get("profile"))
	default:
		known = false
	}
	if !known || err != nil || r.URL == "" && len(r.Profile) == 0 {
		return ReviewRequest{}, true, hint.New(hint.Usage, "The link is cut off, or asks for something that Keyporter does not do.", "Copy the whole link, or ask for the file.")
	}
	return r, true, nil
}
