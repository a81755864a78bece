package window

import (
	"encoding/json"
	"os"

	"fyne.io/fyne/v2"

	"keyporter/app/view"
	"keyporter/internal/atomicfile"
)

// Sizes of the window: at first, and the least.
const (
	firstWidth, firstHeight = 920, 620
	leastWidth, leastHeight = 640, 420
)

// A memory is what the window remembers: an own file, because Fyne writes its
// preferences in place and may miss the last ones.
type memory struct {
	Width  float32   `json:"width"`
	Height float32   `json:"height"`
	Page   view.Page `json:"page"`
}

// recall reads the memory. What cannot be read is as at first.
func recall(path string) memory {
	m := memory{Width: firstWidth, Height: firstHeight, Page: view.PageServers}
	if path == "" {
		return m
	}
	if b, err := os.ReadFile(path); err == nil {
		var read memory
		if json.Unmarshal(b, &read) == nil && read.Width >= leastWidth && read.Height >= leastHeight {
			m = read
		}
	}
	return m
}

func (m memory) write(path string) {
	if path == "" {
		return
	}
	b, err := json.Marshal(m)
	if err == nil {
		err = atomicfile.WriteFile(path, append(b, '\n'))
	}
	if err != nil {
		fyne.LogError("The window's size is not remembered", err)
	}
}
