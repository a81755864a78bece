package autostart

import (
	"path/filepath"
	"strings"
)

// path follows the Desktop Application Autostart Specification.
func (e *Entry) path() (string, error) {
	dir := e.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		h, err := e.home()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(h, ".config")
	}
	return filepath.Join(dir, "autostart", e.ID+".desktop"), nil
}

func (e *Entry) enabled() (bool, error) {
	path, err := e.path()
	if err != nil {
		return false, err
	}
	b, err := read(path)
	if err != nil || b == nil {
		return false, err
	}
	for line := range strings.Lines(string(b)) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), "="); strings.TrimSpace(key) {
		case "Hidden":
			if strings.TrimSpace(value) == "true" {
				return false, nil
			}
		case "X-GNOME-Autostart-enabled":
			if strings.TrimSpace(value) == "false" {
				return false, nil
			}
		}
	}
	return true, nil
}

func (e *Entry) set(on bool) error {
	path, err := e.path()
	if err != nil {
		return err
	}
	words := []string{quote(e.Program)}
	for _, a := range e.Args {
		words = append(words, quote(a))
	}
	return write(path, "[Desktop Entry]\nType=Application\nVersion=1.0\nName="+value(e.Name)+
		"\nExec="+value(strings.Join(words, " "))+"\nTryExec="+value(e.Program)+"\nIcon="+value(e.ID)+"\nTerminal=false\n", on)
}

// starts reads TryExec, which is a path as it is.
func (e *Entry) starts() (string, error) {
	path, err := e.path()
	if err != nil {
		return "", err
	}
	b, err := read(path)
	for line := range strings.Lines(string(b)) {
		if program, ok := strings.CutPrefix(strings.TrimSpace(line), "TryExec="); ok {
			return strings.ReplaceAll(program, `\\`, `\`), err
		}
	}
	return "", err
}

// quote writes an argument of an Exec key (Desktop Entry Specification 1.5, "The
// Exec key"); a percent sign would begin a field code.
func quote(s string) string {
	s = strings.ReplaceAll(s, "%", "%%")
	if !strings.ContainsAny(s, " \"'\\><~|&;$*?#()`") {
		return s
	}
	return `"` + strings.NewReplacer(`"`, `\"`, "`", "\\`", `$`, `\$`, `\`, `\\`).Replace(s) + `"`
}

// value writes a value of type string (the same, "Possible value types").
func value(s string) string { return strings.ReplaceAll(s, `\`, `\\`) }
