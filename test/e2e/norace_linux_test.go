//go:build !race

package e2e

// buildFlags are those with which packages are compiled already.
var buildFlags []string
