package tray

import "testing"

func TestUnderscoreInANameIsShown(t *testing.T) {
	if got := escape("● sales_data_2"); got != "● sales__data__2" {
		t.Errorf("escape = %q", got)
	}
}
