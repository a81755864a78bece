package tray

import (
	"bytes"
	"context"
	"fmt"
	"image/color"
	"image/png"
	"log/slog"
	"os"

	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/introspect"
	"github.com/godbus/dbus/v5/prop"

	"keyporter/app/view"
	"keyporter/assets"
)

const (
	itemIface   = "org.kde.StatusNotifierItem"
	itemPath    = dbus.ObjectPath("/StatusNotifierItem")
	watcherName = "org.kde.StatusNotifierWatcher"
	watcherPath = dbus.ObjectPath("/StatusNotifierWatcher")
)

// An Item is an icon on the panels of a session bus: a StatusNotifierItem with a
// menu of com.canonical.dbusmenu. Its methods are safe for concurrent use.
// freedesktop.org's page "StatusNotifierItem" is the nearest to a standard; where
// panels differ from it, a comment says so. Left out: overlay and attention icons,
// because the icon itself shows the condition, and scrolling.
type Item struct {
	conn   *dbus.Conn
	name   string // of this item on the bus
	props  *prop.Properties
	menu   *menu
	do     func(view.Action)
	owners chan *dbus.Signal // closed with conn
	log    *slog.Logger
}

// ItemOptions are the settings of NewItem.
type ItemOptions struct {
	Bus   string // Required. Address of the session bus.
	ID    string // Required. The program's, the same each time.
	Title string // Required.
	// Do starts an action and returns at once. Required.
	Do  func(view.Action)
	Log *slog.Logger // Required.
}

// NewItem puts an item on the bus, where no panel sees it before Run. Who calls
// it calls Run.
func NewItem(o ItemOptions) (*Item, error) {
	conn, err := dbus.Connect(o.Bus)
	if err != nil {
		return nil, fmt.Errorf("connect to session bus: %w", err)
	}
	// The name that the specification asks for; a sandbox may refuse it, and
	// panels take a connection's own one as well.
	name := fmt.Sprintf("%s-%d-1", itemIface, os.Getpid())
	if r, err := conn.RequestName(name, dbus.NameFlagDoNotQueue); err != nil || r != dbus.RequestNameReplyPrimaryOwner {
		name = conn.Names()[0]
	}
	it := &Item{conn: conn, name: name, do: o.Do, owners: make(chan *dbus.Signal, 16), log: o.Log}
	it.menu = newMenu(o.Do, func(signal string, args ...any) { it.emit(menuPath, menuIface, signal, args...) })
	if err := it.export(o); err != nil {
		_ = conn.Close() // of no use without its objects
		return nil, err
	}
	return it, nil
}

// export puts the objects on the bus and subscribes to the panels' coming, before
// anybody looks for one: so none is missed.
func (it *Item) export(o ItemOptions) error {
	var err error
	it.props, err = prop.Export(it.conn, itemPath, prop.Map{itemIface: {
		"Category":      fixed("ApplicationStatus"),
		"Id":            fixed(o.ID),
		"Title":         fixed(o.Title),
		"Status":        fixed("Active"),
		"WindowId":      fixed(int32(0)),
		"IconThemePath": fixed(""),
		"IconName":      fixed(""),
		"IconPixmap":    followed([]pixmap{}),
		"ToolTip":       followed(tooltip{Pictures: []pixmap{}}),
		"ItemIsMenu":    fixed(true), // a click opens the menu, where panels know this
		"Menu":          fixed(menuPath),
	}})
	if err != nil {
		return fmt.Errorf("export tray icon: %w", err)
	}
	menuProps, err := prop.Export(it.conn, menuPath, prop.Map{menuIface: {
		"Version":       fixed(uint32(3)),
		"TextDirection": fixed("ltr"),
		"Status":        fixed("normal"),
		"IconThemePath": fixed([]string{}),
	}})
	if err != nil {
		return fmt.Errorf("export tray menu: %w", err)
	}
	for _, object := range []struct {
		path  dbus.ObjectPath
		iface string
		calls any
		props []introspect.Property
	}{
		{itemPath, itemIface, clicks{it}, it.props.Introspection(itemIface)},
		{menuPath, menuIface, calls{it.menu}, menuProps.Introspection(menuIface)},
	} {
		described := introspect.NewIntrospectable(&introspect.Node{Name: string(object.path), Interfaces: []introspect.Interface{
			prop.IntrospectData,
			{Name: object.iface, Methods: introspect.Methods(object.calls), Properties: object.props},
		}})
		if err := it.conn.Export(object.calls, object.path, object.iface); err != nil {
			return fmt.Errorf("export %s: %w", object.iface, err)
		}
		if err := it.conn.Export(described, object.path, "org.freedesktop.DBus.Introspectable"); err != nil {
			return fmt.Errorf("export %s: %w", object.iface, err)
		}
	}
	it.conn.Signal(it.owners)
	err = it.conn.AddMatchSignal(dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchInterface("org.freedesktop.DBus"),
		dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, watcherName))
	if err != nil {
		return fmt.Errorf("watch for panels: %w", err)
	}
	return nil
}

func fixed(v any) *prop.Prop { return &prop.Prop{Value: v, Emit: prop.EmitConst} }

// followed is a property whose changes have a signal of the item's own, which is the
// one that panels follow. SetMust, when it emits one too, panics where the bus is gone.
func followed(v any) *prop.Prop { return &prop.Prop{Value: v, Emit: prop.EmitFalse} }

// Run shows the item on the panel that is there and on each that starts later,
// until ctx is done or the bus is gone. Then it is gone from the bus.
func (it *Item) Run(ctx context.Context) {
	defer it.conn.Close()
	it.register(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case s, ok := <-it.owners:
			if !ok {
				return
			}
			// NameOwnerChanged(name, old owner, new owner)
			if len(s.Body) == 3 && s.Body[0] == watcherName && s.Body[2] != "" {
				it.register(ctx)
			}
		}
	}
}

// register tells the panel of the item. That there is none is the usual reason
// for a failure, and no matter: one that starts is told then.
func (it *Item) register(ctx context.Context) {
	call := it.conn.Object(watcherName, watcherPath).CallWithContext(ctx, watcherName+".RegisterStatusNotifierItem", dbus.FlagNoAutoStart, it.name)
	if call.Err != nil {
		it.log.Info("tray icon not registered", "error", call.Err)
	}
}

// SetMenu shows a menu.
func (it *Item) SetMenu(m view.Menu) { it.menu.set(m) }

// SetTooltip sets the text beside the pointer.
func (it *Item) SetTooltip(text string) {
	it.props.SetMust(itemIface, "ToolTip", tooltip{Pictures: []pixmap{}, Title: text})
	it.emit(itemPath, itemIface, "NewToolTip")
}

// SetIcon shows the picture of a condition, in each of its sizes.
func (it *Item) SetIcon(condition view.Icon, dark bool) {
	var pictures []pixmap
	for _, data := range assets.TrayIcons(string(condition), dark) {
		p, err := pixmapOf(data)
		if err != nil {
			panic(fmt.Sprintf("embedded icon of %s: %v", condition, err)) // assets/render made it
		}
		pictures = append(pictures, p)
	}
	it.props.SetMust(itemIface, "IconPixmap", pictures)
	it.emit(itemPath, itemIface, "NewIcon")
}

// emit sends a signal. It can fail only when the bus is gone, and the icon with it.
func (it *Item) emit(path dbus.ObjectPath, iface, signal string, args ...any) {
	if err := it.conn.Emit(path, iface+"."+signal, args...); err != nil {
		it.log.Info("tray signal not sent", "signal", signal, "error", err)
	}
}

// clicks are what panels call for the icon itself. ContextMenu is left out, which
// tells them to show the menu themselves.
type clicks struct{ it *Item }

// Activate opens the window: GNOME calls it for a double click.
func (c clicks) Activate(_, _ int32) *dbus.Error {
	c.it.do(view.Action{Verb: view.Open})
	return nil
}

// SecondaryActivate is the middle button.
func (c clicks) SecondaryActivate(x, y int32) *dbus.Error { return c.Activate(x, y) }

// A tooltip is (sa(iiay)ss).
type tooltip struct {
	Icon        string
	Pictures    []pixmap
	Title, Text string
}

// A pixmap is a picture as the interface has it: ARGB in network byte order, the
// colours not multiplied with alpha.
type pixmap struct {
	W, H int32
	Pix  []byte
}

func pixmapOf(data []byte) (pixmap, error) {
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return pixmap{}, fmt.Errorf("read icon: %w", err)
	}
	b := img.Bounds()
	p := pixmap{W: int32(b.Dx()), H: int32(b.Dy()), Pix: make([]byte, 0, 4*b.Dx()*b.Dy())}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			p.Pix = append(p.Pix, c.A, c.R, c.G, c.B)
		}
	}
	return p, nil
}
