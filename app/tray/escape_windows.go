package tray

import "strings"

// escape keeps an ampersand from marking an access key, and a tab from moving the
// rest of the label to the column of shortcuts.
func escape(label string) string {
	return strings.NewReplacer("&", "&&", "\t", " ").Replace(label)
}
