package tray

import "strings"

// forDBus keeps an underscore in a name from marking an access key: in a label of
// com.canonical.dbusmenu two stand for one.
func forDBus(label string) string { return strings.ReplaceAll(label, "_", "__") }

// forWindows keeps an ampersand from marking an access key, and a tab from moving the
// rest of the label to the column of shortcuts.
func forWindows(label string) string {
	return strings.NewReplacer("&", "&&", "\t", " ").Replace(label)
}
