// Package lazy has values that are made when they are first wanted. What a program
// makes before main costs every launch of it, and bridges are launched all day.
package lazy

import (
	"regexp"
	"sync"
)

// Regexp returns a function that gives the regular expression s, which is compiled
// once. It panics at the first use if s is none.
func Regexp(s string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(s) })
}
