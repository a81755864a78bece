// Command render makes the PNG files of package assets from the drawings beside
// them: icon.svg, and icons/tray-CONDITION.svg for panels that are dark or light.
// Run it with go generate ./assets. What it makes is committed; a test compares.
//
// The drawings have the colours for a dark panel. Those for a light one follow
// from a table here, so that there is one drawing for each condition.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"github.com/fyne-io/oksvg"
	"github.com/srwiley/rasterx"

	"keyporter/assets"
)

const iconSize = 512 // pixels of icon.png

// onLight are the colours for a light panel, each after the one for a dark panel.
var onLight = strings.NewReplacer(
	"#f4f6f8", "#23292f",
	"#ffb224", "#d35400",
	"#6cc0ff", "#0b6bcb",
	"#9aa3ac", "#7b838b",
)

func main() {
	dir := flag.String("dir", ".", "the folder of package assets")
	flag.Parse()
	if err := run(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "render:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	files, err := renderAll(dir)
	if err != nil {
		return err
	}
	for name, img := range files {
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			return fmt.Errorf("encode %s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// renderAll draws every picture; the keys are file names inside dir.
func renderAll(dir string) (map[string]*image.RGBA, error) {
	files := map[string]*image.RGBA{}
	app, err := os.ReadFile(filepath.Join(dir, "icon.svg"))
	if err != nil {
		return nil, err
	}
	if files["icon.png"], err = render(string(app), iconSize); err != nil {
		return nil, fmt.Errorf("icon.svg: %w", err)
	}
	for _, condition := range assets.Conditions {
		source := filepath.Join("icons", "tray-"+condition+".svg")
		drawing, err := os.ReadFile(filepath.Join(dir, source))
		if err != nil {
			return nil, err
		}
		for _, panel := range assets.Panels {
			svg := string(drawing)
			if panel == "light" {
				svg = onLight.Replace(svg)
			}
			for _, size := range assets.Sizes {
				img, err := render(svg, size)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", source, err)
				}
				files[assets.IconFile(condition, panel, size)] = img
			}
		}
	}
	return files, nil
}

// render draws a square picture. A drawing with an element that the renderer does
// not know is an error.
func render(svg string, size int) (*image.RGBA, error) {
	icon, err := oksvg.ReadIconStream(strings.NewReader(svg), oksvg.StrictErrorMode)
	if err != nil {
		return nil, fmt.Errorf("read drawing: %w", err)
	}
	icon.SetTarget(0, 0, float64(size), float64(size))
	img := image.NewRGBA(image.Rect(0, 0, size, size))
	icon.Draw(rasterx.NewDasher(size, size, rasterx.NewScannerGV(size, size, img, img.Bounds())), 1)
	return img, nil
}
