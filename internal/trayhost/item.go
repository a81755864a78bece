package trayhost

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"

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

// Icon returns the picture that the panel would show.
func (it *Item) Icon(ctx context.Context) (image.Image, error) {
	var pictures []struct {
		W, H int32
		Pix  []byte
	}
	if err := it.property(ctx, "IconPixmap", &pictures); err != nil {
		return nil, err
	}
	if len(pictures) == 0 {
		return nil, errors.New("the tray icon has no picture")
	}
	p := pictures[0]
	w, h := int(p.W), int(p.H)
	if w <= 0 || h <= 0 || len(p.Pix) != 4*w*h {
		return nil, fmt.Errorf("the tray icon's picture of %d by %d has %d bytes", w, h, len(p.Pix))
	}
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h { // ARGB in network byte order
		q := p.Pix[4*i:]
		img.Set(i%w, i/w, color.NRGBA{R: q[1], G: q[2], B: q[3], A: q[0]})
	}
	return img, nil
}

// WaitIcon waits for a picture that ok accepts.
func (it *Item) WaitIcon(ctx context.Context, ok func(image.Image) bool) error {
	err := it.host.until(ctx, func() (bool, error) {
		img, err := it.Icon(ctx)
		return err == nil && ok(img), err
	})
	if err != nil {
		return fmt.Errorf("wait for tray icon: %w", err)
	}
	return nil
}
