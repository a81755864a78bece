package tray

import (
	"bytes"
	"image/color"
	"image/png"
	"testing"

	"keyporter/assets"
)

func TestUnderscoreInANameIsShown(t *testing.T) {
	if got := escape("● sales_data_2"); got != "● sales__data__2" {
		t.Errorf("escape = %q", got)
	}
}

// TestPixmapSurvivesSystray does to the picture what fyne.io/systray does, and
// looks at it as a panel does.
func TestPixmapSurvivesSystray(t *testing.T) {
	for _, condition := range assets.Conditions {
		_, data := assets.TrayIcon(condition, true)
		want, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		data, err = pixmap(data)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		edges := 0
		for y := range img.Bounds().Dy() {
			for x := range img.Bounds().Dx() {
				r, g, b, a := img.At(x, y).RGBA()
				got := color.NRGBA{R: uint8(r), G: uint8(g), B: uint8(b), A: uint8(a)}
				w := color.NRGBAModel.Convert(want.At(x, y)).(color.NRGBA)
				if w.A != 0 && w.A != 0xff {
					edges++
				}
				if far(got.A, w.A) || w.A != 0 && (far(got.R, w.R) || far(got.G, w.G) || far(got.B, w.B)) {
					t.Fatalf("%s at %d,%d is shown as %v, want %v", condition, x, y, got, w)
				}
			}
		}
		if edges == 0 {
			t.Errorf("%s has no soft edge, so it proves nothing", condition)
		}
	}
}

func far(a, b uint8) bool { return max(a, b)-min(a, b) > 6 }
