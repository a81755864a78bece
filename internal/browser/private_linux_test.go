package browser

import (
	"errors"
	"testing"

	"keyporter/internal/hint"
)

func TestPrivateWindowOfTheDefaultBrowser(t *testing.T) {
	d := newDesk(t, "DISPLAY=:0")
	d.program(t, "firefox", "")
	d.program(t, "google-chrome", "")
	for _, tt := range []struct {
		desktop string
		want    []string
	}{
		{"google-chrome.desktop", []string{"google-chrome", "--incognito", authorize}},
		{"org.mozilla.firefox.desktop", []string{"firefox", "--private-window", authorize}},
		{"epiphany.desktop", []string{"firefox", "--private-window", authorize}}, // has no such option: the next best
		{"../../bin/sh", []string{"firefox", "--private-window", authorize}},
	} {
		fresh := newDesk(t, "DISPLAY=:0")
		fresh.program(t, "firefox", "")
		fresh.program(t, "google-chrome", "")
		fresh.program(t, "xdg-settings", "echo '"+tt.desktop+"'")
		if err := OpenPrivate(t.Context(), authorize, fresh.getenv); err != nil {
			t.Fatal(err)
		}
		got := fresh.argv(t)
		equal(t, got[len(got)-3:], tt.want...)
	}
	if err := OpenPrivate(t.Context(), authorize, d.getenv); err != nil { // no xdg-settings
		t.Fatal(err)
	}
	equal(t, d.argv(t), "firefox", "--private-window", authorize)
}

func TestPrivateWindowGoesOnWhereTheFirstFails(t *testing.T) {
	d := newDesk(t, "WAYLAND_DISPLAY=wayland-0")
	d.program(t, "firefox", "exit 1")
	d.program(t, "chromium", "")
	if err := OpenPrivate(t.Context(), authorize, d.getenv); err != nil {
		t.Fatal(err)
	}
	equal(t, d.argv(t), "firefox", "--private-window", authorize, "chromium", "--incognito", authorize)
}

func TestNoPrivateWindow(t *testing.T) {
	d := newDesk(t, "DISPLAY=:0")
	d.program(t, "xdg-open", "")
	if err := OpenPrivate(t.Context(), authorize, d.getenv); !errors.Is(err, ErrNoPrivate) || hint.Of(err).Do == "" {
		t.Errorf("got %v", err)
	}
	if err := OpenPrivate(t.Context(), "file:///etc/passwd", d.getenv); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v", err)
	}
	equal(t, d.argv(t))
	if err := Show(t.Context(), authorize, true, d.getenv); err != nil { // the next best
		t.Fatal(err)
	}
	equal(t, d.argv(t), "xdg-open", authorize)
	d.env["KEYPORTER_BROWSER"] = "mine"
	d.program(t, "mine", "")
	if err := OpenPrivate(t.Context(), authorize, d.getenv); err != nil {
		t.Fatal(err)
	}
	equal(t, d.argv(t), "xdg-open", authorize, "mine", authorize)
}
