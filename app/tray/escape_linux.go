package tray

func escape(label string) string { return forDBus(label) }
