package tray

func escape(label string) string { return forWindows(label) }
