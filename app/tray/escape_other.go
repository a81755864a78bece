//go:build !linux && !windows

package tray

// escape changes nothing: menus have no access keys here.
func escape(label string) string { return label }
