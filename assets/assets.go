// Package assets holds what is shown but is not code, embedded into the programs.
package assets

import _ "embed"

// SignedIn is the html/template of the page that a browser shows at the end of a
// sign-in; broker/loopback says what goes into it.
//
//go:embed signedin.html
var SignedIn string
