package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"fyne.io/fyne/v2"
	"github.com/godbus/dbus/v5"

	"keyporter/app/tray"
	"keyporter/app/view"
	"keyporter/internal/hint"
)

// checkDesktop reports whether a panel has a place for the icon, or why no tray
// can be shown. It asks before Fyne does:
// without a display Fyne panics, and without a bus it does when it quits.
//
// A desktop without such a panel is no error: it may start after this program,
// as at login, and the icon appears then.
func checkDesktop(ctx context.Context, getenv func(string) string, log *slog.Logger) (panel bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, desktopLimit)
	defer cancel()
	if err := checkDisplay(ctx, getenv("DISPLAY")); err != nil {
		return false, hint.Wrap(err, hint.Failed, "There is no display, so the tray cannot be shown.",
			"Start keyporter-tray in a desktop session; keyporter status shows the same in a terminal.")
	}
	host, err := hasTrayHost(ctx, getenv)
	if err != nil {
		return false, hint.Wrap(err, hint.Failed, "There is no D-Bus session, so the tray cannot be shown.",
			"Start keyporter-tray in a desktop session; keyporter status shows the same in a terminal.")
	}
	if !host {
		log.Warn("No panel here shows tray icons yet; the icon appears as soon as one does. " +
			"On GNOME, install the extension AppIndicator and KStatusNotifierItem Support. " +
			"Until then, keyporter status shows the same in a terminal.")
	}
	return host, nil
}

// newPanel returns the tray's place and what keeps it there until its context is
// done.
func newPanel(a fyne.App, do func(view.Action), o *Options) (tray.Panel, func(context.Context), error) {
	it, err := tray.NewItem(tray.ItemOptions{Bus: busAddress(o.Getenv), ID: ID, Title: "Keyporter", Do: do, Log: o.Log})
	if err != nil {
		return nil, nil, hint.Wrap(err, hint.Failed, "The tray cannot be shown on this D-Bus session.",
			"Start keyporter-tray in a desktop session; keyporter status shows the same in a terminal.")
	}
	// Never shown: Fyne quits when the last window is gone, unless it is its own
	// tray that is used.
	a.NewWindow("Keyporter")
	return it, it.Run, nil
}

// endTray has nothing to do: icon and window go with the process.
func endTray(fyne.App, <-chan struct{}) {}

// checkDisplay connects to the X server that display names ("host:1.0"; no host
// means this machine).
func checkDisplay(ctx context.Context, display string) error {
	host, number, ok := strings.Cut(display, ":")
	if !ok || number == "" {
		return fmt.Errorf("DISPLAY is %q", display)
	}
	number, _, _ = strings.Cut(number, ".")
	var d net.Dialer
	try := func(network, address string) error {
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return fmt.Errorf("reach display %s: %w", display, err)
		}
		return c.Close()
	}
	if host == "" || host == "unix" {
		socket := "/tmp/.X11-unix/X" + number
		if try("unix", "@"+socket) == nil { // abstract, where a folder is not shared
			return nil
		}
		return try("unix", socket)
	}
	port := 0
	if _, err := fmt.Sscanf(number, "%d", &port); err != nil {
		return fmt.Errorf("DISPLAY is %q", display)
	}
	return try("tcp", net.JoinHostPort(host, fmt.Sprint(6000+port)))
}

// hasTrayHost reports whether a panel shows icons.
func hasTrayHost(ctx context.Context, getenv func(string) string) (bool, error) {
	address := busAddress(getenv)
	if address == "" {
		return false, fmt.Errorf("DBUS_SESSION_BUS_ADDRESS is not set")
	}
	conn, err := dbus.Connect(address, dbus.WithContext(ctx))
	if err != nil {
		return false, fmt.Errorf("connect to session bus: %w", err)
	}
	defer conn.Close()
	var has bool
	err = conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, "org.kde.StatusNotifierWatcher").Store(&has)
	if err != nil {
		return false, fmt.Errorf("ask session bus: %w", err)
	}
	return has, nil
}

// busAddress returns the session bus's address, or "" without one. It never leads
// to a bus that is started for the purpose: no panel would be on it.
func busAddress(getenv func(string) string) string {
	if a := getenv("DBUS_SESSION_BUS_ADDRESS"); a != "" && !strings.HasPrefix(a, "autolaunch:") {
		return a
	}
	dir := getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = fmt.Sprintf("/run/user/%d", os.Getuid())
	}
	socket := filepath.Join(dir, "bus")
	if fi, err := os.Stat(socket); err != nil || fi.Mode()&os.ModeSocket == 0 {
		return ""
	}
	return "unix:path=" + socket
}
