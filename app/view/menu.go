// Package view turns the agent's state into what people see: rows, labels, icon
// names, words for times. Its functions are pure: no Fyne, no I/O, no clock; the
// time comes in with the state. No text that it makes can hold a secret, because
// no state does.
//
// Build gives the tray's menu as a value, IconOf the tray icon's condition.
package view

// A Menu is the tray's menu as a value. Two menus that are equal
// (reflect.DeepEqual) look and act the same.
type Menu struct {
	Items []Item
}

// An Item is one row of a menu.
type Item struct {
	// Key names the row among all rows of the menu. A row keeps its key while
	// its text changes, so that a row on the screen can be changed in place.
	Key       string
	Separator bool // a line; nothing but Key counts
	Mark      Mark // shown before Text; may be empty
	Text      string
	Enabled   bool
	Action    Action // the zero Action does nothing
	Items     []Item // a submenu
}

// Label returns the row's text with its mark.
func (i *Item) Label() string {
	if i.Mark == "" {
		return i.Text
	}
	return string(i.Mark) + " " + i.Text
}

// A Mark is a condition as a shape, for people who do not see colours.
type Mark string

const (
	Good    Mark = "●"  // ready
	Needs   Mark = "▲"  // needs the user
	Working Mark = "◌"  // under way, or not tried yet
	Resting Mark = "❚❚" // paused
)

// A Verb is what a row does when it is chosen.
type Verb string

const (
	SignIn       Verb = "sign_in"
	SwitchUser   Verb = "switch_user" // sign in as somebody else
	CancelSignIn Verb = "cancel_sign_in"
	SignOut      Verb = "sign_out"
	CopyConfig   Verb = "copy_config"
	Unlock       Verb = "unlock"
	Pause        Verb = "pause"
	Resume       Verb = "resume"
	Start        Verb = "start" // the agent, after keyporter stop
	Quit         Verb = "quit"

	RepairClient Verb = "repair_client" // an MCP client that has lost servers

	Allow Verb = "allow" // a program what it asks for
	Deny  Verb = "deny"

	Open      Verb = "open"        // the window, at Server's page if it is set
	AddServer Verb = "add_server"  // the window's sheet that adds one
	AllOfThem Verb = "all_of_them" // the window's list of servers

	// Only in the window.
	Approve  Verb = "approve"   // an account's tokens for a server's address
	OpenPage Verb = "open_page" // the page of a sign-in, once more
)

// An Action is what choosing a row asks for.
type Action struct {
	Verb Verb
	// Server is the name as it is, not as shown, of SignIn, SwitchUser, CancelSignIn,
	// SignOut and CopyConfig; of RepairClient the client's ID; of Allow and Deny the
	// approval's ID.
	Server string
}
