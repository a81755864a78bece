package vault

// WithSteps returns options with which heard gets the name of each step of a
// change on disk, just before it.
func WithSteps(o Options, heard func(step string)) Options {
	o.at = heard
	return o
}
