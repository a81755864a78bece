package view

import (
	"slices"
	"time"

	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// An Input is what a menu is built from.
type Input struct {
	Texts *Texts    // Required.
	Now   time.Time // Required.

	State   *local.State // nil: there is no connection to the agent
	Problem *hint.Error  // with a nil State: why; nil while the first try is under way

	// Waiting are the servers for which this program has a sign-in under way,
	// shown as such before the agent says so.
	Waiting map[string]bool
	// Pages are the addresses where the browser stands for them, by server.
	Pages map[string]string
	// Failed are the last failures of what the user asked for, by server.
	Failed map[string]*hint.Error
}

// An Icon is the condition of the tray icon.
type Icon string

const (
	IconReady     Icon = "ready"
	IconAttention Icon = "attention"
	IconBusy      Icon = "busy"
	IconPaused    Icon = "paused"
)

// IconOf returns the icon for in. What needs the user outranks what is under way.
func IconOf(in Input) Icon {
	s := in.State
	switch {
	case s == nil && in.Problem == nil:
		return IconBusy
	case s == nil && in.Problem.Code == hint.Stopped:
		return IconPaused
	case s == nil:
		return IconAttention
	case s.Paused || s.Stopped:
		return IconPaused
	case s.Problem != nil || locked(s) || waits(s) || len(LostBy(s)) > 0:
		return IconAttention
	}
	icon := IconReady
	for i := range s.Servers {
		switch c := in.condition(&s.Servers[i]); {
		case c.needsUser():
			return IconAttention
		case c == signingIn:
			icon = IconBusy
		}
	}
	return icon
}

// waits reports whether a program waits for an approval.
func waits(s *local.State) bool {
	return slices.ContainsFunc(s.Approvals, func(a local.Approval) bool { return a.State == local.ApprovalWaiting })
}

// locked reports whether the vault waits for an unlock.
func locked(s *local.State) bool {
	if s.Vault.Open {
		return false
	}
	if s.Vault.Problem != nil {
		return true
	}
	for i := range s.Servers {
		if s.Servers[i].State == local.Locked {
			return true
		}
	}
	return false
}

// A condition is a server's status as the menu tells it.
type condition string

const (
	ready          condition = "ready"
	untried        condition = "untried"
	signedOut      condition = "signed out"
	signingIn      condition = "signing in"
	approvalNeeded condition = "approval needed"
	lockedAway     condition = "locked" // one row for the whole vault speaks for it
	paused         condition = "paused"
	unreachable    condition = "unreachable" // tried again without the user
	broken         condition = "broken"
)

func (c condition) needsUser() bool {
	return c == signedOut || c == approvalNeeded || c == broken
}

func (c condition) mark() Mark {
	switch c {
	case ready:
		return Good
	case untried, signingIn, unreachable:
		return Working
	case paused:
		return Resting
	}
	return Needs
}

// condition returns the condition of s. A status that this version does not know
// counts as a failure.
func (in *Input) condition(s *local.ServerState) condition {
	if in.Waiting[s.Name] && s.State != local.Ready {
		return signingIn
	}
	switch s.State {
	case local.Ready:
		return ready
	case local.Unknown:
		return untried
	case local.SignInNeeded:
		return signedOut
	case local.SigningIn:
		return signingIn
	case local.ApprovalNeeded:
		return approvalNeeded
	case local.Locked:
		return lockedAway
	case local.Paused:
		return paused
	}
	if s.Problem != nil && s.Problem.Code == hint.Unreachable {
		return unreachable
	}
	return broken
}
