package scan

import (
	"fmt"
	"slices"
	"strings"

	"keyporter/broker/install"
)

// flag names that take a header field, and those that take NAME=VALUE.
var (
	headerFlags   = []string{"--header", "-H", "--headers"}
	variableFlags = []string{"-e", "--env", "--environment"}
)

// command reads what is started. Older files of Zed have it as an object.
func (r *reader) command(v *install.Value) {
	c := first(v, "command", "cmd")
	args := v.Get("args")
	if c != nil && c.Kind == install.Object {
		c, args = first(c, "path", "command"), c.Get("args")
		r.environment(v.Get("command").Get("env"))
	}
	r.program.Command, r.program.Dir = text(c), text(first(v, "cwd", "working_directory"))
	if args == nil {
		return
	}
	for i := range args.Elements {
		r.program.Args = append(r.program.Args, args.Elements[i].Text)
	}
	for i := range args.Elements {
		r.argument(args.Elements, i)
	}
}

// argument looks at the i-th argument of a program.
func (r *reader) argument(args []install.Value, i int) {
	v := &args[i]
	if v.Kind != install.String {
		return
	}
	before := ""
	if i > 0 {
		before = args[i-1].Text
	}
	name, value, joined := strings.Cut(v.Text, "=")
	switch {
	case slices.Contains(headerFlags, before):
		r.headerArgument(v, v.Text, args, i)
	case joined && slices.Contains(headerFlags, name):
		r.headerArgument(v, value, args, i)
	case i > 1 && slices.Contains(headerFlags, args[i-2].Text) && !strings.ContainsAny(before, ": "):
		// The value of "Name" "value", which was looked at with its name.
	case slices.Contains(variableFlags, before):
		if joined {
			r.variable(v.Start, "argument "+before+" "+name, name, value)
		}
	case strings.Contains(v.Text, "://") && !strings.ContainsAny(v.Text, " \n"):
		r.addressArgument(v, joined)
	case joined && strings.HasPrefix(name, "-"):
		r.variable(v.Start, "argument "+name, strings.TrimLeft(name, "-"), value)
	case strings.HasPrefix(before, "--") && !strings.Contains(before, "=") && (!strings.HasPrefix(v.Text, "-") || drawn(v.Text) && !strings.HasPrefix(v.Text, "--")):
		if before == "--static-oauth-client-info" {
			r.clientArgument(v)
			return
		}
		r.variable(v.Start, "argument "+before, strings.TrimLeft(before, "-"), v.Text)
	default:
		r.variable(v.Start, fmt.Sprintf("argument %d", i+1), "", v.Text)
	}
}

// headerArgument looks at "Name: value", and at "Name" "value" in two arguments as
// mcp-proxy has it.
func (r *reader) headerArgument(v *install.Value, field string, args []install.Value, i int) {
	name, value, ok := strings.Cut(field, ":")
	if !ok && i+1 < len(args) && args[i+1].Kind == install.String && !strings.Contains(field, " ") {
		if kind, ok := inHeader(field, args[i+1].Text); ok {
			r.found(args[i+1].Start, kind, "argument --header "+field, credential(args[i+1].Text))
		}
		return
	}
	if kind, secret := inHeader(strings.TrimSpace(name), value); ok && secret {
		r.found(v.Start, kind, "argument --header "+strings.TrimSpace(name), credential(value))
	}
}

func (r *reader) addressArgument(v *install.Value, joined bool) {
	at := *v
	if before, rest, ok := strings.Cut(v.Text, "="); joined && ok && strings.HasPrefix(before, "-") && !strings.Contains(before, "://") {
		at.Text = rest
	}
	n := len(r.e.Findings)
	r.location(&at)
	for i := range r.e.Findings[n:] {
		r.e.Findings[n+i].Place = "argument, " + r.e.Findings[n+i].Place
	}
}

// clientArgument looks at the JSON of a registered client.
func (r *reader) clientArgument(v *install.Value) {
	if strings.HasPrefix(v.Text, "@") {
		return // the plan reads it
	}
	if s := clientInfo(v.Text).Secret; literal(s) {
		r.found(v.Start, APIKey, "client secret", s)
	}
}
