package app

import "testing"

func TestPanelOfGNOMEIsDarkWhateverTheTheme(t *testing.T) {
	for _, c := range []struct {
		desktop           string
		darkTheme, wanted bool
	}{
		{"ubuntu:GNOME", false, true},
		{"GNOME-Flashback", false, false},
		{"KDE", false, false},
		{"KDE", true, true},
		{"", false, false},
	} {
		getenv := func(name string) string {
			if name != "XDG_CURRENT_DESKTOP" {
				t.Errorf("%s was asked for", name)
			}
			return c.desktop
		}
		if got := darkPanel(getenv, c.darkTheme); got != c.wanted {
			t.Errorf("on %q with a dark theme %v the panel is dark: %v, want %v", c.desktop, c.darkTheme, got, c.wanted)
		}
	}
}
