//go:build !linux && !darwin

package notify

import "context"

// nothing shows nothing. On Windows a notification needs an app identity or a
// script; a script would hold text that strangers wrote.
type nothing struct{}

type platform = nothing

func newPlatform(func(string) string) platform { return nothing{} }

func (nothing) show(context.Context, Notification) error { return ErrUnavailable }
func (nothing) withdraw(context.Context, string) error   { return nil }
func (nothing) close()                                   {}
