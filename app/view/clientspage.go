package view

import (
	"fmt"
	"slices"
	"strings"

	"keyporter/broker/local"
)

// A ClientRow is one row of the page Clients: an MCP client that is on this
// computer.
type ClientRow struct {
	ID      string
	Title   string
	Mark    Mark
	Line    string   // which servers stand in it, or what is wrong
	File    string   // the first of its files
	More    int      // how many others it has
	Lost    bool     // it has lost servers, and they can be put back
	Choose  bool     // its servers can be chosen
	Problem *Problem // its file cannot be read
}

// ClientRows returns the rows of the page Clients: those that need the user first,
// then by name; and a line on those that are not here, which may be empty.
func ClientRows(in Input, clients []local.MCPClient) (rows []ClientRow, away string) {
	t := &in.Texts.Clients
	var missing []string
	for i := range clients {
		c := &clients[i]
		if !c.Found && len(c.Configs) == 0 {
			missing = append(missing, Name(c.Name))
			continue
		}
		rows = append(rows, clientRow(in, c))
	}
	slices.SortStableFunc(rows, func(a, b ClientRow) int {
		if a.Mark == b.Mark || a.Mark != Needs && b.Mark != Needs {
			return 0
		}
		if a.Mark == Needs {
			return -1
		}
		return 1
	})
	if len(missing) > 0 {
		away = fmt.Sprintf(t.Away, strings.Join(missing, in.Texts.Accounts.Comma))
	}
	return rows, away
}

func clientRow(in Input, c *local.MCPClient) ClientRow {
	t := &in.Texts.Clients
	r := ClientRow{ID: c.ID, Title: Name(c.Name), Mark: Good, Lost: len(c.Lost) > 0, Choose: c.Found && c.Problem == nil}
	if len(c.Configs) > 0 {
		r.File, r.More = clean(c.Configs[0]), len(c.Configs)-1
	}
	names := some(&in.Texts.Accounts, c.Servers, 4)
	switch {
	case r.Lost:
		r.Mark, r.Line = Needs, fmt.Sprintf(t.Lost, some(&in.Texts.Accounts, c.Lost, 4))
	case c.Problem != nil:
		p := ProblemOf(in.Texts, c.Problem, "")
		r.Mark, r.Line, r.Problem = Needs, t.Unread, &p
	case len(c.Servers) == 0:
		r.Mark, r.Line = Working, t.None
	default:
		r.Line = fmt.Sprintf(t.Has, names)
	}
	return r
}

// ClientsWith returns a line that says which clients have a server, empty if none
// has, and their IDs.
func ClientsWith(t *Texts, clients []local.MCPClient, server string) (line string, ids []string) {
	var names []string
	for i := range clients {
		if c := &clients[i]; slices.Contains(c.Servers, server) {
			names, ids = append(names, c.Name), append(ids, c.ID)
		}
	}
	if len(names) == 0 {
		return "", nil
	}
	return fmt.Sprintf(t.Clients.In, some(&t.Accounts, names, 3)), ids
}

// A ServerChoice is a server that a client may have.
type ServerChoice struct {
	Server string // as it is
	Label  string
	On     bool
}

// ChoicesOf returns the servers that a client can get, with those on that it has
// or should have.
func ChoicesOf(in Input, c *local.MCPClient) []ServerChoice {
	if in.State == nil {
		return nil
	}
	var out []ServerChoice
	for i := range in.State.Servers {
		s := in.State.Servers[i].Name
		out = append(out, ServerChoice{Server: s, Label: Name(s), On: slices.Contains(c.Servers, s) || slices.Contains(c.Lost, s)})
	}
	return out
}

// Changes returns what has to be put in and taken out so that a client has the
// servers that are on.
func Changes(c *local.MCPClient, choices []ServerChoice) (in, out []string) {
	for _, ch := range choices {
		has := slices.Contains(c.Servers, ch.Server)
		switch {
		case ch.On && !has:
			in = append(in, ch.Server)
		case !ch.On && (has || slices.Contains(c.Lost, ch.Server)):
			out = append(out, ch.Server)
		}
	}
	return in, out
}

// LostBy returns the notices of clients that have lost servers.
func LostBy(s *local.State) []local.Notice {
	if s == nil {
		return nil
	}
	var lost []local.Notice
	for _, n := range s.Notices {
		if n.Kind == local.NoticeClientLost {
			lost = append(lost, n)
		}
	}
	return lost
}
