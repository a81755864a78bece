package fakemcp

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// newMCP returns the MCP server with its tools.
func newMCP(now func() time.Time) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "fakemcp", Title: "Demo server", Version: "1"}, &mcp.ServerOptions{
		Instructions: "Tells the time, adds numbers, greets people, and says who is calling.",
	})
	readOnly := &mcp.ToolAnnotations{ReadOnlyHint: true}
	mcp.AddTool(s, &mcp.Tool{Name: "get_time", Description: "The time in a time zone.", Annotations: readOnly},
		func(_ context.Context, _ *mcp.CallToolRequest, in timeIn) (*mcp.CallToolResult, timeOut, error) {
			return getTime(now(), in)
		})
	mcp.AddTool(s, &mcp.Tool{Name: "whoami", Description: "Who the server takes the caller for, from the token of the request.", Annotations: readOnly}, whoami)
	mcp.AddTool(s, &mcp.Tool{Name: "add", Description: "The sum of two numbers."}, add)
	mcp.AddTool(s, &mcp.Tool{Name: "greet", Description: "A greeting.", Annotations: readOnly}, greet)
	return s
}

type timeIn struct {
	TimeZone string `json:"time_zone,omitempty" jsonschema:"an IANA time zone such as Asia/Tokyo; without it UTC"`
}

type timeOut struct {
	Time     string `json:"time"`
	TimeZone string `json:"time_zone"`
}

func getTime(now time.Time, in timeIn) (*mcp.CallToolResult, timeOut, error) {
	name := in.TimeZone
	if name == "" || name == "Local" { // the server's own zone is nobody's business
		name = "UTC"
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, timeOut{}, fmt.Errorf("%q is not a time zone", name)
	}
	out := timeOut{Time: now.In(zone).Format(time.RFC3339), TimeZone: zone.String()}
	return text(out.Time), out, nil
}

// An Identity is who a token speaks for, as the server read it. It is also the
// result of whoami.
type Identity struct {
	Authenticated bool      `json:"authenticated"`
	Subject       string    `json:"subject,omitempty"`
	Email         string    `json:"email,omitempty"`
	ClientID      string    `json:"client_id,omitempty"`
	Issuer        string    `json:"issuer,omitempty"`
	Audience      []string  `json:"audience,omitempty"`
	Scopes        []string  `json:"scopes,omitempty"`
	ExpiresAt     time.Time `json:"expires_at,omitzero"`
}

// String says it in a sentence.
func (i Identity) String() string {
	if !i.Authenticated {
		return "Nobody is signed in: this server asks for no token."
	}
	who := i.Email
	if who == "" {
		who = i.Subject
	}
	s := fmt.Sprintf("%s, known from %s, for %s", who, i.Issuer, strings.Join(i.Audience, " and "))
	if len(i.Scopes) > 0 {
		s += ", with " + strings.Join(i.Scopes, " and ")
	}
	return s + "."
}

func whoami(_ context.Context, req *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, Identity, error) {
	id := identityOf(req)
	return text(id.String()), id, nil
}

// identityOf returns what the bearer check found out about the request's token.
func identityOf(req *mcp.CallToolRequest) Identity {
	if req.Extra == nil || req.Extra.TokenInfo == nil {
		return Identity{}
	}
	id, _ := req.Extra.TokenInfo.Extra[identityKey].(Identity)
	return id
}

type addIn struct {
	A float64 `json:"a" jsonschema:"the first number"`
	B float64 `json:"b" jsonschema:"the second number"`
}

type addOut struct {
	Sum float64 `json:"sum"`
}

func add(_ context.Context, _ *mcp.CallToolRequest, in addIn) (*mcp.CallToolResult, addOut, error) {
	sum := in.A + in.B
	return text(fmt.Sprint(sum)), addOut{sum}, nil
}

type greetIn struct {
	Name string `json:"name" jsonschema:"whom to greet"`
}

type greetOut struct {
	Greeting string `json:"greeting"`
}

func greet(_ context.Context, _ *mcp.CallToolRequest, in greetIn) (*mcp.CallToolResult, greetOut, error) {
	out := greetOut{"Hello, " + in.Name + "!"}
	return text(out.Greeting), out, nil
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}
