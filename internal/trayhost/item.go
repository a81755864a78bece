package trayhost

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"slices"

	"github.com/godbus/dbus/v5"
)

// An Item is a tray icon.
type Item struct {
	host *Host
	dest string
	path dbus.ObjectPath
}

// property reads a property of the item into value.
func (it *Item) property(ctx context.Context, name string, value any) error {
	var v dbus.Variant
	err := it.host.conn.Object(it.dest, it.path).
		CallWithContext(ctx, "org.freedesktop.DBus.Properties.Get", 0, itemIface, name).Store(&v)
	if err == nil {
		err = dbus.Store([]any{v.Value()}, value)
	}
	if err != nil {
		return fmt.Errorf("read %s of tray icon: %w", name, err)
	}
	return nil
}

// Title returns the item's title.
func (it *Item) Title(ctx context.Context) (string, error) {
	var s string
	err := it.property(ctx, "Title", &s)
	return s, err
}

// Tooltip returns the text that is shown beside the pointer.
func (it *Item) Tooltip(ctx context.Context) (string, error) {
	var tip struct {
		Icon     string
		Pictures []pixmap
		Title    string
		Text     string
	}
	err := it.property(ctx, "ToolTip", &tip)
	return tip.Title, err
}

// A pixmap is a picture: ARGB in network byte order.
type pixmap struct {
	W, H int32
	Pix  []byte
}

// Icon returns the picture that a panel of size pixels would show: the least that
// is large enough, else the last.
func (it *Item) Icon(ctx context.Context, size int) (image.Image, error) {
	var pictures []pixmap
	if err := it.property(ctx, "IconPixmap", &pictures); err != nil {
		return nil, err
	}
	if len(pictures) == 0 {
		return nil, errors.New("the tray icon has no picture")
	}
	p := pictures[len(pictures)-1]
	for _, q := range slices.Backward(pictures) {
		if int(q.H) >= size {
			p = q
		}
	}
	w, h := int(p.W), int(p.H)
	if w <= 0 || h <= 0 || len(p.Pix) != 4*w*h {
		return nil, fmt.Errorf("the tray icon's picture of %d by %d has %d bytes", w, h, len(p.Pix))
	}
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		q := p.Pix[4*i:]
		img.Set(i%w, i/w, color.NRGBA{R: q[1], G: q[2], B: q[3], A: q[0]})
	}
	return img, nil
}

// WaitIcon waits for a picture of size pixels that ok accepts.
func (it *Item) WaitIcon(ctx context.Context, size int, ok func(image.Image) bool) error {
	err := it.host.until(ctx, func() (bool, error) {
		img, err := it.Icon(ctx, size)
		return err == nil && ok(img), err
	})
	if err != nil {
		return fmt.Errorf("wait for tray icon: %w", err)
	}
	return nil
}
