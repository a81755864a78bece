package browser

import (
	"errors"
	"testing"
)

func TestDesktopsOwnProgramOpensTheAddress(t *testing.T) {
	for _, display := range []string{"DISPLAY=:0", "WAYLAND_DISPLAY=wayland-0"} {
		d := newDesk(t, display)
		d.program(t, "xdg-open", "")
		d.program(t, "x-www-browser", "")
		if err := Open(t.Context(), authorize, d.getenv); err != nil {
			t.Errorf("%s: %v", display, err)
		}
		equal(t, d.argv(t), "xdg-open", authorize)
	}
}

func TestNextProgramIsTriedWhenOneFails(t *testing.T) {
	d := newDesk(t, "DISPLAY=:0", "BROWSER=firefox --new-tab")
	d.program(t, "xdg-open", "exit 3")
	d.program(t, "firefox", "")
	if err := Open(t.Context(), authorize, d.getenv); err != nil {
		t.Error(err)
	}
	equal(t, d.argv(t), "xdg-open", authorize, "firefox", "--new-tab", authorize)
}

func TestWithoutADisplayNothingIsTried(t *testing.T) {
	d := newDesk(t, "BROWSER=firefox")
	d.program(t, "xdg-open", "")
	d.program(t, "firefox", "")
	if err := Open(t.Context(), authorize, d.getenv); !errors.Is(err, ErrNoDisplay) {
		t.Errorf("got %v, want ErrNoDisplay", err)
	}
	equal(t, d.argv(t))
}

func TestOwnCommandNeedsNoDisplay(t *testing.T) {
	d := newDesk(t, "KEYPORTER_BROWSER=mine")
	d.program(t, "mine", "")
	if err := Open(t.Context(), authorize, d.getenv); err != nil {
		t.Error(err)
	}
	equal(t, d.argv(t), "mine", authorize)
}

func TestDisplayOfTheDesktopSessionIsFoundThroughSystemd(t *testing.T) {
	d := newDesk(t)
	d.program(t, "systemctl", `printf 'HOME=/x\nDISPLAY=:7\nXAUTHORITY=/run/user/1/x\nODD=$'"'"'a\\nb'"'"'\n'`)
	d.program(t, "xdg-open", `[ "$DISPLAY" = :7 ] && [ "$XAUTHORITY" = /run/user/1/x ]`)
	if err := Open(t.Context(), authorize, d.getenv); err != nil {
		t.Error(err)
	}
	equal(t, d.argv(t), "systemctl", "--user", "show-environment", "xdg-open", authorize)
}

func TestSystemdWithoutADisplayMeansNoScreen(t *testing.T) {
	d := newDesk(t)
	d.program(t, "systemctl", `printf 'HOME=/x\nDISPLAY=\n'`)
	d.program(t, "xdg-open", "")
	if err := Open(t.Context(), authorize, d.getenv); !errors.Is(err, ErrNoDisplay) {
		t.Errorf("got %v, want ErrNoDisplay", err)
	}
	equal(t, d.argv(t), "systemctl", "--user", "show-environment")
}
