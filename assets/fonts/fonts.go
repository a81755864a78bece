// Package fonts holds the fonts of the windows: M PLUS 1 and M PLUS 1 Code, which
// have Latin, Greek, Cyrillic and Japanese letters, so that every name and text
// shows on a machine without Japanese fonts. They cost 4.8 MB of the program;
// they are whole, because a name that a user chose may need any of their letters.
//
// The files are those of Debian's package fonts-mplus, unchanged (scripts/fonts),
// under the SIL Open Font License (OFL.txt). The package is apart from assets so
// that only the tray app carries them.
package fonts

import _ "embed"

//go:embed Mplus1-Regular.otf
var Regular []byte

//go:embed Mplus1-Bold.otf
var Bold []byte

//go:embed Mplus1Code-Regular.otf
var Mono []byte

// License is the fonts' licence, to be shipped with the program.
//
//go:embed OFL.txt
var License string
