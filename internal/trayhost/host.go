// Package trayhost is a panel without a screen: the StatusNotifier host that
// tests read a tray icon and its menu through and click with. It speaks
// org.kde.StatusNotifierWatcher and org.kde.StatusNotifierItem towards the item
// and com.canonical.dbusmenu for its menu, on a session bus of the test's own.
//
// Nothing here waits for a length of time: every wait ends with a signal from the
// bus or with its context.
package trayhost

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
)

const (
	watcherName  = "org.kde.StatusNotifierWatcher"
	watcherPath  = dbus.ObjectPath("/StatusNotifierWatcher")
	itemIface    = "org.kde.StatusNotifierItem"
	menuIface    = "com.canonical.dbusmenu"
	signalBuffer = 256
)

// A Host is the watcher and the one host of a session bus. Close ends it.
type Host struct {
	conn  *dbus.Conn
	items chan *Item // those that registered, in order
	done  chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed at the next signal, and then replaced
	told    []Change
}

// A Change is one signal with which an item told of a change in its menu.
type Change struct {
	// Rows are those with another property (ItemsPropertiesUpdated); none if rows
	// came, went or moved below Parent (LayoutUpdated).
	Rows   []int32
	Parent int32
}

// New connects to the bus at address and takes the watcher's name, as a panel
// does that starts.
func New(ctx context.Context, address string) (*Host, error) {
	conn, err := dbus.Connect(address)
	if err != nil {
		return nil, fmt.Errorf("connect to bus: %w", err)
	}
	h := &Host{conn: conn, items: make(chan *Item, 8), done: make(chan struct{}), changed: make(chan struct{})}
	signals := make(chan *dbus.Signal, signalBuffer)
	conn.Signal(signals) // closed by conn.Close
	go func() {
		defer close(h.done)
		for sig := range signals {
			h.hear(sig)
		}
	}()
	if err := h.own(ctx); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// own publishes the watcher and subscribes to what items and menus say.
func (h *Host) own(ctx context.Context) error {
	if err := h.conn.Export(watcher{h}, watcherPath, watcherName); err != nil {
		return fmt.Errorf("export watcher: %w", err)
	}
	_, err := prop.Export(h.conn, watcherPath, prop.Map{watcherName: {
		"RegisteredStatusNotifierItems":  {Value: []string{}, Emit: prop.EmitFalse},
		"IsStatusNotifierHostRegistered": {Value: true, Emit: prop.EmitFalse},
		"ProtocolVersion":                {Value: int32(0), Emit: prop.EmitFalse},
	}})
	if err != nil {
		return fmt.Errorf("export watcher's properties: %w", err)
	}
	for _, iface := range []string{menuIface, itemIface} {
		if err := h.conn.AddMatchSignalContext(ctx, dbus.WithMatchInterface(iface)); err != nil {
			return fmt.Errorf("subscribe to %s: %w", iface, err)
		}
	}
	reply, err := h.conn.RequestName(watcherName, dbus.NameFlagDoNotQueue)
	if err != nil {
		return fmt.Errorf("own %s: %w", watcherName, err)
	}
	if reply != dbus.RequestNameReplyPrimaryOwner {
		return fmt.Errorf("another panel owns %s", watcherName)
	}
	return nil
}

// Close gives the name up, as a panel does that ends.
func (h *Host) Close() error {
	err := h.conn.Close()
	<-h.done
	return err
}

// Item waits for the next item that registers.
func (h *Host) Item(ctx context.Context) (*Item, error) {
	select {
	case it := <-h.items:
		return it, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("no tray icon appeared: %w", ctx.Err())
	}
}

// Changes waits until what it returns satisfies ok: what items told of their menus
// since the last call.
func (h *Host) Changes(ctx context.Context, ok func([]Change) bool) ([]Change, error) {
	var told []Change
	err := h.until(ctx, func() (bool, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if told = h.told; !ok(told) {
			return false, nil
		}
		h.told = nil
		return true, nil
	})
	if err != nil {
		err = fmt.Errorf("wait for changes of tray menu: %w; those told are %v", err, told)
	}
	return told, err
}

// hear takes a signal.
func (h *Host) hear(sig *dbus.Signal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch sig.Name {
	case menuIface + ".ItemsPropertiesUpdated":
		var updated []struct {
			ID    int32
			Props map[string]dbus.Variant
		}
		var removed []struct {
			ID    int32
			Names []string
		}
		if dbus.Store(sig.Body, &updated, &removed) == nil {
			c := Change{Rows: []int32{}}
			for _, u := range updated {
				c.Rows = append(c.Rows, u.ID)
			}
			for _, r := range removed {
				c.Rows = append(c.Rows, r.ID)
			}
			h.told = append(h.told, c)
		}
	case menuIface + ".LayoutUpdated":
		var revision uint32
		var parent int32
		if dbus.Store(sig.Body, &revision, &parent) == nil {
			h.told = append(h.told, Change{Parent: parent})
		}
	}
	close(h.changed)
	h.changed = make(chan struct{})
}

// next returns a channel that is closed at the next signal.
func (h *Host) next() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed
}

// until calls try, again after each signal, until it reports true or fails.
func (h *Host) until(ctx context.Context, try func() (bool, error)) error {
	for {
		next := h.next() // before try, so that no signal falls between
		if ok, err := try(); ok || err != nil {
			return err
		}
		select {
		case <-next:
		case <-h.done:
			return errors.New("the bus is gone")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// A watcher is the object that items call.
type watcher struct{ host *Host }

// RegisterStatusNotifierItem takes a bus name or, as fyne.io/systray sends, the
// path of an object of the sender.
func (w watcher) RegisterStatusNotifierItem(service string, sender dbus.Sender) *dbus.Error {
	it := &Item{host: w.host, dest: service, path: "/StatusNotifierItem"}
	if strings.HasPrefix(service, "/") {
		it.dest, it.path = string(sender), dbus.ObjectPath(service)
	}
	select {
	case w.host.items <- it:
		return nil
	default:
		return dbus.MakeFailedError(errors.New("too many items"))
	}
}

// RegisterStatusNotifierHost accepts other hosts and ignores them.
func (w watcher) RegisterStatusNotifierHost(string) *dbus.Error { return nil }
