package view

import (
	"fmt"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// A Page is a page of the window. The words are remembered on disk.
type Page string

const (
	PageServers  Page = "servers"
	PageAccounts Page = "accounts"
	PageActivity Page = "activity"
	PageClients  Page = "clients"
	PageTeam     Page = "team"
	PageDoctor   Page = "doctor"
	PageSettings Page = "settings"
)

// Pages are the pages in the rail's order.
var Pages = []Page{PageServers, PageAccounts, PageActivity, PageClients, PageTeam, PageDoctor, PageSettings}

// Label returns the page's name.
func (p Page) Label(t *Texts) string {
	switch p {
	case PageAccounts:
		return t.Window.Accounts
	case PageActivity:
		return t.Window.Activity
	case PageClients:
		return t.Clients.Title
	case PageTeam:
		return t.Team.Page
	case PageDoctor:
		return t.Window.Doctor
	case PageSettings:
		return t.Window.Settings
	}
	return t.Window.Servers
}

// A Foot is what stands at the foot of the rail.
type Foot struct {
	Mark    Mark
	Agent   string
	Version string
}

// FootOf returns the foot of the rail; version is the app's own.
func FootOf(in Input, version string) Foot {
	f := Foot{Mark: Good, Agent: in.Texts.Window.AgentRuns, Version: Name(version)}
	w := &in.Texts.Window
	switch s := in.State; {
	case s == nil && in.Problem == nil:
		f.Mark, f.Agent = Working, w.AgentStarting
	case s == nil && in.Problem.Code == hint.Stopped, s != nil && s.Stopped:
		f.Mark, f.Agent = Resting, w.AgentStopped
	case s == nil:
		f.Mark, f.Agent = Needs, w.AgentAway
	case s.Paused:
		f.Mark, f.Agent = Resting, w.AgentPaused
	}
	return f
}

// A Problem is an error as a window shows it: what happened, what to do, a button
// that does it, and details to copy. Where the sentences are in another language
// than the window's, Title says the kind of failure in the window's.
type Problem struct {
	Title   string // may be empty
	What    string
	Do      string // may be empty
	Button  string // may be empty
	Action  Action // of Button
	Details string // may be empty
}

// ProblemOf returns the problem for err; server is the one it is about, if any.
func ProblemOf(t *Texts, err *hint.Error, server string) Problem {
	what, known := t.told(err.What)
	p := Problem{What: line(what), Do: line(t.hint(err.Do))}
	if !known {
		p.Title = t.kindOfFailure(err.Code)
	}
	switch err.Code {
	case hint.SignInNeeded:
		if server != "" {
			p.Button, p.Action = t.Servers.SignIn, Action{SignIn, server}
		}
	case hint.Locked:
		p.Button, p.Action = t.Window.Unlock, Action{Verb: Unlock}
	case hint.Paused:
		p.Button, p.Action = t.Window.ResumeIt, Action{Verb: Resume}
	case hint.Stopped:
		p.Button, p.Action = t.Window.StartIt, Action{Verb: Start}
	}
	if err.Cause != nil {
		p.Details = clean(err.Error())
	}
	return p
}

func (t *Texts) kindOfFailure(code hint.Code) string {
	w := &t.Window
	switch code {
	case hint.Usage:
		return w.Usage
	case hint.NotFound:
		return w.NotFound
	case hint.Exists:
		return w.Exists
	case hint.SignInNeeded:
		return w.SignInNeeded
	case hint.ApprovalNeeded:
		return w.ApprovalNeeded
	case hint.Locked:
		return w.Locked
	case hint.Paused:
		return w.Paused
	case hint.Stopped:
		return w.Stopped
	case hint.Refused:
		return w.Refused
	case hint.Unreachable:
		return w.Unreachable
	}
	return w.Failed
}

// Banner returns what every page shows above its content: why there is no agent,
// a locked vault, a config file that cannot be read, a pause. ok is false if
// there is nothing to say.
func Banner(in Input) (p Problem, ok bool) {
	t, s := in.Texts, in.State
	switch {
	case s == nil && in.Problem == nil:
		return Problem{}, false
	case s == nil:
		p = ProblemOf(t, in.Problem, "")
		p.Button, p.Action = t.Window.StartIt, Action{Verb: Start}
		return p, true
	case s.Problem != nil:
		return ProblemOf(t, s.Problem, ""), true
	case s.Paused:
		return Problem{What: t.Window.Paused, Button: t.Window.ResumeIt, Action: Action{Verb: Resume}}, true
	case locked(s) && s.Vault.Problem != nil:
		p = ProblemOf(t, s.Vault.Problem, "")
		p.Button, p.Action = t.Window.Unlock, Action{Verb: Unlock}
		return p, true
	case locked(s):
		return Problem{What: t.Window.Locked, Button: t.Window.Unlock, Action: Action{Verb: Unlock}}, true
	}
	return Problem{}, false
}

// AsksPassphrase reports whether unlocking needs a passphrase: the keyring asks
// by itself.
func AsksPassphrase(in Input) bool { return in.State != nil && in.State.Vault.Backend == "passphrase" }

// kind says a kind of account in the window's language.
func (t *Texts) kind(k account.Kind) string {
	switch k {
	case account.OAuth:
		return t.Accounts.KindOAuth
	case account.GoogleKey:
		return t.Accounts.KindKey
	case account.Google:
		return t.Accounts.KindGoogle
	case account.GoogleImpersonate:
		return t.Accounts.KindActAs
	case account.GoogleADC:
		return t.Accounts.KindADC
	case account.ClientCredentials:
		return t.Accounts.KindClient
	case account.Static:
		return t.Accounts.KindStatic
	case "":
		return t.Accounts.KindOther
	}
	return string(k)
}

// moment says a time exactly, for details and hovers.
func moment(at time.Time) string { return at.Local().Format("2006-01-02 15:04:05") }

// findServer returns the server of that name, or nil.
func findServer(s *local.State, name string) *local.ServerState {
	if s == nil {
		return nil
	}
	for i := range s.Servers {
		if s.Servers[i].Name == name {
			return &s.Servers[i]
		}
	}
	return nil
}

// programs says how many programs use a server.
func (t *Texts) programs(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return t.Servers.UsedByOne
	}
	return fmt.Sprintf(t.Servers.UsedByMany, n)
}
