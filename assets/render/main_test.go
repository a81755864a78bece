package main

import (
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"keyporter/assets"
)

// TestCommittedPicturesAreTheDrawings renders everything anew. Processors round
// differently, so a step in a channel is no difference.
func TestCommittedPicturesAreTheDrawings(t *testing.T) {
	files, err := renderAll("..")
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + len(assets.Conditions)*len(assets.Panels)*len(assets.Sizes); len(files) != want {
		t.Fatalf("rendered %d pictures, want %d", len(files), want)
	}
	for name, want := range files {
		got := read(t, filepath.Join("..", name))
		if got.Bounds() != want.Bounds() {
			t.Errorf("%s is %v, want %v", name, got.Bounds(), want.Bounds())
			continue
		}
		if p, off := differs(got, want); off {
			t.Errorf("%s differs from its drawing at %v: run go generate ./assets", name, p)
		}
	}
}

// TestConditionsLookDifferent compares the pictures of one panel and size with
// each other: a badge that vanished would make two of them equal.
func TestConditionsLookDifferent(t *testing.T) {
	for _, panel := range assets.Panels {
		for i, a := range assets.Conditions {
			for _, b := range assets.Conditions[i+1:] {
				x := read(t, filepath.Join("..", assets.IconFile(a, panel, 22)))
				y := read(t, filepath.Join("..", assets.IconFile(b, panel, 22)))
				if _, off := differs(x, y); !off {
					t.Errorf("%s and %s look the same on a %s panel", a, b, panel)
				}
			}
		}
	}
}

func read(t *testing.T, name string) image.Image {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return img
}

// differs returns the first point where a and b are more than two steps of 255
// apart in a channel.
func differs(a, b image.Image) (image.Point, bool) {
	const step = 2 * 0x101
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			r, g, bl, al := a.At(x, y).RGBA()
			r2, g2, b2, a2 := b.At(x, y).RGBA()
			for _, d := range []int{int(r) - int(r2), int(g) - int(g2), int(bl) - int(b2), int(al) - int(a2)} {
				if d > step || d < -step {
					return image.Pt(x, y), true
				}
			}
		}
	}
	return image.Point{}, false
}
