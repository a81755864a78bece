package view

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

// A Finding is what the sheet that adds a server says about an address.
type Finding struct {
	Mark Mark
	Text string
	Try  string // another address that is likely the right one; may be empty
	Use  string // the button that takes it
}

// FindingOf says what a server was found to be.
func FindingOf(t *Texts, p *local.Probed) Finding {
	f := Finding{Mark: Good, Text: found(t, p)}
	if p.Trouble != "" {
		f.Mark = Needs
		f.Text = trouble(t, p)
	}
	if p.Known != "" {
		f.Mark, f.Text = Needs, f.Text+" "+fmt.Sprintf(t.Add.Known, Name(p.Known))
	}
	if p.Try != "" {
		f.Try, f.Use = p.Try, fmt.Sprintf(t.Add.UseTry, clip(clean(p.Try), 60))
	}
	return f
}

func found(t *Texts, p *local.Probed) string {
	text := t.Add.FoundPlain
	if p.Version != "" {
		text = fmt.Sprintf(t.Add.Found, Name(p.Version))
	}
	switch p.Wants {
	case local.WantsNothing:
		return text + " " + t.Add.Open
	case local.WantsSignIn:
		if p.Guessed {
			return text + " " + t.Add.WantsEither
		}
		if p.Provider == "" {
			return text + " " + t.Add.SignsInSelf
		}
		return text + " " + fmt.Sprintf(t.Add.SignsIn, Name(p.Provider))
	case local.WantsClient:
		return text + " " + t.Add.WantsClient
	case local.WantsIDToken:
		return text + " " + t.Add.WantsKey
	}
	return text + " " + t.Add.WantsToken
}

func trouble(t *Texts, p *local.Probed) string {
	a := &t.Add
	switch p.Trouble {
	case local.TroubleAddress:
		if strings.HasPrefix(p.URL, "http://") && p.Try != "" {
			return a.NotSecure
		}
		return a.BadAddress
	case local.TroubleUnreachable:
		return a.NotReached + " " + a.Anyway
	case local.TroubleNotFound:
		return a.NotFound
	case local.TroubleMoved:
		return a.Moved
	case local.TroubleServer:
		return a.ServerDown + " " + a.Anyway
	case local.TroubleRefused:
		return a.Refused
	case local.TroubleSignIn:
		return a.SignInOdd + " " + a.Anyway
	}
	return a.NotMCP
}

// A WayKind is a way to get into a server.
type WayKind string

const (
	WayAccount WayKind = "account"   // one that is there
	WaySignIn  WayKind = "sign_in"   // with the browser
	WayKey     WayKind = "key"       // a service-account key
	WayActAs   WayKind = "act_as"    // a service account without a key, through a Google account
	WayToken   WayKind = "token"     // pasted
	WayClient  WayKind = "client_id" // a sign-in with a client id from the administrator
	WayNothing WayKind = "nothing"
)

// A Way is one choice of the second step.
type Way struct {
	Kind    WayKind
	Account string // of WayAccount
	Label   string
}

// WaysOf returns the ways that may fit, the best first. p may be nil: nothing is
// known about the server.
func WaysOf(t *Texts, p *local.Probed) []Way {
	a := &t.Add
	signIn := Way{Kind: WaySignIn, Label: a.WithSelf}
	if p != nil && p.Provider != "" {
		signIn.Label = fmt.Sprintf(a.WithSignIn, Name(p.Provider))
	}
	key := Way{Kind: WayKey, Label: a.WithKey}
	actAs := Way{Kind: WayActAs, Label: a.WithActAs}
	token := Way{Kind: WayToken, Label: a.WithToken}
	client := Way{Kind: WayClient, Label: a.WithClient}
	nothing := Way{Kind: WayNothing, Label: a.WithNothing}
	if p == nil {
		return []Way{signIn, key, token, client, nothing}
	}
	var ways []Way
	for _, name := range p.Accounts[:min(len(p.Accounts), 4)] {
		ways = append(ways, Way{Kind: WayAccount, Account: name, Label: fmt.Sprintf(a.UseAccount, Name(name))})
	}
	switch p.Wants {
	case local.WantsNothing:
		return append(ways, nothing, signIn, token)
	case local.WantsSignIn:
		if p.Guessed {
			return append(ways, signIn, key, actAs, token, client)
		}
		return append(ways, signIn, client, token)
	case local.WantsClient:
		return append(ways, client, token)
	case local.WantsIDToken:
		return append(ways, key, actAs, token)
	case local.WantsKey:
		return append(ways, token, key, signIn)
	}
	return append(ways, signIn, key, token, client, nothing)
}

// ThroughAccounts returns the accounts that can act as a service account.
func ThroughAccounts(in Input) []string {
	var names []string
	if in.State == nil {
		return names
	}
	for _, a := range in.State.Accounts {
		if a.Kind == account.Google || a.Kind == account.GoogleADC || a.Kind == account.GoogleKey {
			names = append(names, a.Name)
		}
	}
	return names
}

// ProposeName returns a name for a server, from its address, that is free.
func ProposeName(address string, taken []string) string {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Hostname() == "" {
		return ""
	}
	base := u.Hostname()
	for part := range strings.SplitSeq(u.Hostname(), ".") {
		if part != "mcp" && part != "www" && part != "api" {
			base = part
			break
		}
	}
	if account.Loopback(u.Hostname()) {
		base = "local"
	}
	return FreeName(base, taken)
}

// FreeName returns base, or the first of base-2, base-3 … that is not taken.
func FreeName(base string, taken []string) string {
	name := base
	for n := 2; slices.Contains(taken, name); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}

// DemoName is the name of the demo server, unless it is taken.
const DemoName = "demo"

// CheckName says in the window's language what is wrong with a name for a new
// server, or "".
func CheckName(t *Texts, name string, s *local.State) string {
	switch {
	case account.CheckName(name) != nil:
		return t.Add.NameBad
	case findServer(s, name) != nil:
		return t.Add.NameTake
	}
	return ""
}

// ToolsLine says which tools were found: "3 tools found: …".
func ToolsLine(t *Texts, names []string) string {
	switch n := len(names); n {
	case 0:
		return t.Add.ToolsNone
	case 1:
		return fmt.Sprintf(t.Add.ToolsOne, Name(names[0]))
	default:
		return fmt.Sprintf(t.Add.ToolsMany, n, some(&t.Accounts, names, 6))
	}
}

// OriginOf returns the origin of an address, as it is asked about and as the
// audience that most servers want; the address itself if it has none.
func OriginOf(address string) string {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Host == "" {
		return address
	}
	return cmp.Or(account.Origin(u), address)
}

// A SignInView is what the sheet shows while somebody signs in to a server.
type SignInView struct {
	Ready   bool
	Waiting bool
	Page    string // the address where the browser stands; may be empty
	Problem *Problem
}

// SignInOf returns how the sign-in to a server stands.
func SignInOf(in Input, server string) SignInView {
	sv := findServer(in.State, server)
	if sv == nil {
		return SignInView{Waiting: in.Waiting[server], Page: in.Pages[server]}
	}
	c := in.condition(sv)
	v := SignInView{Ready: c == ready, Waiting: c == signingIn, Page: in.Pages[server]}
	if p := cmp.Or(in.Failed[server], sv.Problem); p != nil && !v.Ready && !v.Waiting {
		pr := ProblemOf(in.Texts, p, "")
		v.Problem = &pr
	}
	return v
}

// IsReady reports whether a server can be used as it is.
func IsReady(s *local.ServerState) bool { return s.State == local.Ready }

// ServerNames returns the names of the servers that there are.
func ServerNames(in Input) []string {
	if in.State == nil {
		return nil
	}
	var names []string
	for i := range in.State.Servers {
		names = append(names, in.State.Servers[i].Name)
	}
	return names
}

// AccountNameFor returns a name for a new account that is free: base, or base
// with a number.
func AccountNameFor(in Input, base string) string {
	name := base
	for n := 2; findAccount(in.State, name) != nil; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}
