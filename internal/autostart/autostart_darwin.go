package autostart

import (
	"path/filepath"
	"strings"
)

// path follows launchd.plist(5).
func (e *Entry) path() (string, error) {
	h, err := e.home()
	if err != nil {
		return "", err
	}
	return filepath.Join(h, "Library", "LaunchAgents", e.ID+".plist"), nil
}

func (e *Entry) enabled() (bool, error) {
	path, err := e.path()
	if err != nil {
		return false, err
	}
	b, err := read(path)
	return b != nil, err
}

func (e *Entry) set(on bool) error {
	path, err := e.path()
	if err != nil {
		return err
	}
	var args strings.Builder
	for _, a := range append([]string{e.Program}, e.Args...) {
		args.WriteString("\t\t<string>" + escape(a) + "</string>\n")
	}
	return write(path, `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
	<key>Label</key>
	<string>`+escape(e.ID)+`</string>
	<key>ProgramArguments</key>
	<array>
`+args.String()+`	</array>
	<key>RunAtLoad</key>
	<true/>
	<key>LimitLoadToSessionType</key>
	<string>Aqua</string>
	<key>ProcessType</key>
	<string>Interactive</string>
</dict>
</plist>
`, on)
}

func (e *Entry) starts() (string, error) {
	path, err := e.path()
	if err != nil {
		return "", err
	}
	b, err := read(path)
	_, args, _ := strings.Cut(string(b), "<key>ProgramArguments</key>")
	_, program, _ := strings.Cut(args, "<string>")
	program, _, _ = strings.Cut(program, "</string>")
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(program), err
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}
