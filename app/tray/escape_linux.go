package tray

import "strings"

// escape keeps an underscore in a name from marking an access key: in a label of
// com.canonical.dbusmenu two stand for one.
func escape(label string) string { return strings.ReplaceAll(label, "_", "__") }
