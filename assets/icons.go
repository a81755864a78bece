package assets

import (
	"embed"
	"fmt"
	"runtime"
)

//go:generate go run ./render

// Icon is the program's icon, a PNG of 512 pixels made from icon.svg.
//
//go:embed icon.png
var Icon []byte

//go:embed icons/*.png
var icons embed.FS

// Conditions are the conditions that TrayIcon has a picture of.
var Conditions = []string{"ready", "attention", "busy", "paused"}

// Panels are the kinds of panel that pictures are drawn for.
var Panels = []string{"dark", "light"}

// Sizes are the sizes that pictures exist in, in pixels.
var Sizes = []int{22, 44, 64}

// IconFile names the picture of a condition for a kind of panel.
func IconFile(condition, panel string, size int) string {
	return fmt.Sprintf("icons/tray-%s-%s-%d.png", condition, panel, size)
}

// TrayIcons returns the PNGs for a condition in all Sizes. A condition that has no
// picture looks as "attention" does.
func TrayIcons(condition string, darkPanel bool) [][]byte {
	panel := "light"
	if darkPanel {
		panel = "dark"
	}
	var all [][]byte
	for _, size := range Sizes {
		png, err := icons.ReadFile(IconFile(condition, panel, size))
		if err != nil {
			return TrayIcons("attention", darkPanel)
		}
		all = append(all, png)
	}
	return all
}

// TrayIcon returns the name and the PNG for a condition, in the one size that does
// where there can be only one. A condition that has no picture looks as
// "attention" does.
func TrayIcon(condition string, darkPanel bool) (name string, png []byte) {
	panel, size := "light", 44 // panels of 22 to 24 pixels, once and twice
	if darkPanel {
		panel = "dark"
	}
	if runtime.GOOS == "windows" { // becomes an ICO, which Windows scales
		size = 64
	}
	name = IconFile(condition, panel, size)
	png, err := icons.ReadFile(name)
	if err != nil {
		return TrayIcon("attention", darkPanel)
	}
	return name, png
}
