package tray

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
)

// pixmap makes a PNG that fyne.io/systray v1.12.2 shows as it should look. Its
// argbForImage takes the low byte of each 16-bit channel, multiplied with alpha,
// so that half-transparent pixels, the edges of every shape, come out in random
// colours; and panels expect colours that are not multiplied. This chooses for
// each such channel the value whose low byte is nearest to the wanted one.
func pixmap(data []byte) ([]byte, error) {
	src, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read icon: %w", err)
	}
	b := src.Bounds()
	img := image.NewNRGBA(b)
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := color.NRGBAModel.Convert(src.At(x, y)).(color.NRGBA)
			if c.A == 0x7f || c.A == 0xfe { // the only two for which no value comes near
				c.A++
			}
			if c.A != 0 && c.A != 0xff {
				c = color.NRGBA{R: lowByte(c.R, c.A), G: lowByte(c.G, c.A), B: lowByte(c.B, c.A), A: c.A}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		return nil, fmt.Errorf("write icon: %w", err)
	}
	return out.Bytes(), nil
}

// lowByte returns the channel for which systray comes nearest to want.
func lowByte(want, alpha uint8) uint8 {
	best, distance := uint8(0), 256
	for v := range 256 {
		r, _, _, _ := color.NRGBA{R: uint8(v), A: alpha}.RGBA()
		if d := max(int(uint8(r)), int(want)) - min(int(uint8(r)), int(want)); d < distance {
			best, distance = uint8(v), d
		}
	}
	return best
}
