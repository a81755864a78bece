package window

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/view"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// some is the state of a person with a few servers.
func some() *local.State {
	return &local.State{
		Agent: local.Agent{PID: 4711, Version: "v1.0.0", StartedAt: now.Add(-time.Hour)},
		Vault: local.VaultState{Backend: "keyring", Open: true},
		Servers: []local.ServerState{
			{Name: "Data platform", URL: "https://data-mcp-abc123.a.run.app/api/mcp", Account: "etl", Kind: account.GoogleKey, State: local.Ready,
				Identity: "etl@proj.iam.gserviceaccount.com", ExpiresAt: now.Add(58 * time.Minute), Renews: true, Bridges: 1, LastUsed: now.Add(-3 * time.Minute), Tools: 4},
			{Name: "Notion", URL: "https://mcp.notion.com/mcp", Account: "Notion", Kind: account.OAuth, State: local.Ready,
				Identity: "name@example.com", ExpiresAt: now.Add(42*time.Minute + 10*time.Second), Renews: true, Bridges: 2, LastUsed: now.Add(-8 * time.Second), Tools: 3},
			{Name: "Sales data", URL: "https://sales-mcp-xyz789.a.run.app/mcp", Account: "Sales data", Kind: account.OAuth, State: local.SignInNeeded, LastUsed: now.Add(-26 * time.Hour)},
			{Name: "Search", URL: "https://search.example.com/mcp", Account: "search-key", Kind: account.Static, State: local.Failed,
				Problem: hint.Wrap(fmt.Errorf("dial tcp 192.0.2.7:443: i/o timeout"), hint.Refused, "The server refused the token.", "Ask its owner for a new one.")},
			{Name: "Wiki", URL: "https://wiki.example.com/mcp", Kind: account.OAuth, State: local.Unknown},
		},
		Accounts: []local.AccountState{
			{Name: "Notion", Kind: account.OAuth, State: local.Ready, Identity: "name@example.com", UsedBy: []string{"Notion"},
				Origins: []string{"https://mcp.notion.com"}, ExpiresAt: now.Add(42 * time.Minute), AddedAt: now.Add(-12 * 24 * time.Hour)},
			{Name: "Sales data", Kind: account.OAuth, State: local.SignInNeeded, UsedBy: []string{"Sales data"}, Origins: []string{"https://sales-mcp-xyz789.a.run.app"}},
			{Name: "etl", Kind: account.GoogleKey, State: local.Ready, Identity: "etl@proj.iam.gserviceaccount.com", UsedBy: []string{"Data platform"},
				Origins: []string{"https://data-mcp-abc123.a.run.app"}, KeyID: "a1b2", AddedAt: now.Add(-112 * 24 * time.Hour)},
			{Name: "search-key", Kind: account.Static, State: local.Ready, UsedBy: []string{"Search"}, Origins: []string{"https://search.example.com"}, AddedAt: now.Add(-40 * 24 * time.Hour)},
		},
		Bridges: 3,
	}
}

// asking is the state of a person who is asked about programs.
func asking() *local.State {
	s := some()
	s.Settings.Approvals = account.ApprovalsFirstUse
	s.Approvals = []local.Approval{
		{ID: "4f1d02aa", State: local.ApprovalWaiting, Program: "/usr/bin/python3", PID: 4242, Server: "Notion", Identity: "name@example.com", At: now.Add(-20 * time.Second)},
		{ID: "11111111", State: local.ApprovalAllowed, Program: "/opt/Claude/claude-desktop", Server: "Data platform", Identity: "etl@proj.iam.gserviceaccount.com", At: now.Add(-3 * 24 * time.Hour)},
		{ID: "22222222", State: local.ApprovalDenied, Program: "/home/name/" + strings.Repeat("a-long-folder/", 9) + "bin/node", Account: "program/github", At: now.Add(-2 * time.Hour)},
	}
	return s
}

// none is the state of a person who has just installed it.
func none() *local.State {
	return &local.State{Agent: local.Agent{Version: "v1.0.0"}, Vault: local.VaultState{Backend: "keyring", Open: true}}
}

// many are n servers with long names.
func many(n int) *local.State {
	s := none()
	for i := range n {
		sv := local.ServerState{
			Name: fmt.Sprintf("%02d %s", i, strings.Repeat("Sehr langer Name ", 3)), URL: "https://" + strings.Repeat("long-", 12) + "host.europe-west1.example-company.com:8443/api/mcp",
			Kind: account.OAuth, State: local.Ready, Identity: strings.Repeat("first.last.", 6) + "@example.com", ExpiresAt: now.Add(time.Hour), Bridges: 12,
		}
		if i%7 == 3 {
			sv.Name, sv.State = fmt.Sprintf("%02d %s", i, strings.Repeat("営業データ分析基盤", 5)), local.SignInNeeded
		}
		s.Servers = append(s.Servers, sv)
		s.Accounts = append(s.Accounts, local.AccountState{Name: sv.Name, Kind: account.GoogleKey, State: local.Ready, Identity: sv.Identity,
			UsedBy: []string{sv.Name, sv.Name, sv.Name, sv.Name}, Origins: []string{sv.URL, sv.URL, sv.URL}, KeyID: "a1b2", AddedAt: now.Add(-200 * 24 * time.Hour)})
	}
	return s
}

// calls is a log of a busy hour.
func calls(w *world) {
	tools := []string{"search", "fetch", "create_pages", "query"}
	servers := []string{"Notion", "Data platform", "Sales data"}
	for i := range 900 {
		r := local.AuditRecord{
			Time: now.Add(-time.Duration(900-i)*4*time.Second - time.Duration(i%13)*time.Second), Event: "call", Program: []string{"Claude Desktop", "python3"}[i%5/4],
			Server: servers[i%7%3], Method: "tools/call", Name: tools[i%4], Outcome: "ok",
			Latency: time.Duration(90+40*(i/60)%200+i%37*3) * time.Millisecond, BytesOut: 320, BytesIn: int64(800 + i%9*700),
		}
		if i%41 == 0 {
			r.Outcome, r.Server = "sign_in_needed", "Sales data"
		}
		switch {
		case i == 893:
			r.Outcome, r.Server = "http_503", "Data platform"
		case i == 897: // it never left this computer
			r.Outcome, r.Server, r.Latency, r.BytesOut, r.BytesIn = "sign_in_needed", "Sales data", 0, 0, 0
		case i%60 < 20 && i%3 > 0:
			continue
		}
		w.agent.log = append(w.agent.log, r)
	}
}

// A picture is one golden picture: a state, and the clicks that lead to it.
type picture struct {
	name  string
	state *local.State
	setup []func(*world)
	lead  func(w *world)
}

// pages are how many of pictures show a page as it mostly is.
const pages = 9

var pictures = []picture{
	{"servers", some(), nil, nil},
	{"servers-none", none(), nil, nil},
	{"server", some(), []func(*world){calls, programs}, func(w *world) { w.OpenServer("Notion") }},
	{"accounts", some(), nil, func(w *world) { w.goTo(view.PageAccounts) }},
	{"activity", some(), []func(*world){calls}, func(w *world) { w.goTo(view.PageActivity); w.elapse() }},
	{"settings", some(), nil, func(w *world) { w.goTo(view.PageSettings) }},
	{"clients", some(), []func(*world){programs}, func(w *world) { w.goTo(view.PageClients) }},
	{"doctor", some(), []func(*world){ill}, func(w *world) { w.goTo(view.PageDoctor) }},
	{"team", team(), nil, func(w *world) { w.goTo(view.PageTeam) }},
	{"doctor-problem", some(), []func(*world){ill}, func(w *world) { w.goTo(view.PageDoctor); w.scrollDown() }},
	{"settings-fixed", team(), nil, func(w *world) { w.goTo(view.PageSettings) }},
	{"settings-programs", asking(), nil, func(w *world) { w.goTo(view.PageSettings) }},
	{"team-none", none(), nil, func(w *world) { w.goTo(view.PageTeam) }},
	{"team-link", some(), nil, func(w *world) { w.Join("keyporter://join?url=https%3A%2F%2Fexample.com%2Fteam") }},
	{"team-review", some(), []func(*world){reviewed}, func(w *world) { w.Join("https://example.com/team"); w.tap(w.Window.t.Team.Review) }},
	{"team-share", some(), nil, func(w *world) { w.goTo(view.PageTeam); w.tap(w.Window.t.Team.Preview) }},
	{"servers-long", many(1), nil, nil},
	{"servers-50", many(50), nil, nil},
	{"server-problem", some(), nil, func(w *world) { w.OpenServer("Search") }},
	{"server-clients", some(), []func(*world){programs}, func(w *world) { w.OpenServer("Wiki"); w.scrollDown() }},
	{"server-advanced", some(), nil, func(w *world) { w.OpenServer("Notion"); w.openAdvanced() }},
	{"accounts-none", none(), nil, func(w *world) { w.goTo(view.PageAccounts) }},
	{"accounts-long", many(3), nil, func(w *world) { w.goTo(view.PageAccounts) }},
	{"activity-none", none(), nil, func(w *world) { w.goTo(view.PageActivity) }},
	{"clients-keys", some(), []func(*world){programs, leaks}, func(w *world) { w.goTo(view.PageClients); w.scrollDown() }},
	{"clients-keys-moved", some(), []func(*world){programs, leaks}, func(w *world) {
		w.goTo(view.PageClients)
		w.tap(w.Window.t.Keys.Move)
		w.agent.scanned = moved
		w.tap(w.Window.t.Keys.Move)
	}},
	{"clients-none", none(), nil, func(w *world) { w.goTo(view.PageClients) }},
	{"clients-choose", some(), []func(*world){programs}, func(w *world) { w.goTo(view.PageClients); w.tap(w.Window.t.Clients.Change) }},
	{"clients-chosen", some(), []func(*world){programs}, func(w *world) { chooseAll(w); w.tap(w.Window.t.Window.Save) }},
	{"away", nil, []func(*world){func(w *world) {
		w.in.Problem = hint.Wrap(fmt.Errorf("connect: connection refused"), hint.Unreachable, "The Keyporter agent does not answer.", "Start it again.")
	}}, nil},
	{"add-1", some(), []func(*world){google}, func(w *world) { w.tap(w.Window.t.Servers.Add); typeAddress(w) }},
	{"add-2", some(), []func(*world){google}, func(w *world) {
		w.tap(w.Window.t.Servers.Add)
		typeAddress(w)
		w.tap(w.Window.t.Window.Next)
	}},
	{"add-3", some(), []func(*world){google}, func(w *world) {
		w.tap(w.Window.t.Servers.Add)
		typeAddress(w)
		w.tap(w.Window.t.Window.Next)
		w.tap(fmt.Sprintf(w.Window.t.Add.WithSignIn, "Google"))
		w.tap(w.Window.t.Add.SignInIt)
		s := some()
		s.Servers = append(s.Servers, local.ServerState{Name: "sales", State: local.Ready})
		w.see(s)
	}},
	{"remove", some(), nil, func(w *world) { w.OpenServer("Notion"); w.tap(w.Window.t.Window.Remove) }},
	{"import", some(), nil, func(w *world) { w.goTo(view.PageAccounts); w.tap(w.Window.t.Accounts.Import) }},
	{"rotate", some(), nil, func(w *world) { w.goTo(view.PageAccounts); w.tap(w.Window.t.Accounts.Rotate) }},
}

// programs are the MCP clients of a person who uses several.
func programs(w *world) {
	w.agent.clients = []local.MCPClient{
		{ID: "claude-desktop", Name: "Claude Desktop", Found: true, Configs: []string{"/home/name/.config/Claude/claude_desktop_config.json"},
			Servers: []string{"Data platform", "Notion", "Sales data", "Search", "Wiki"}},
		{ID: "cursor", Name: "Cursor", Found: true, Configs: []string{"/home/name/.cursor/mcp.json"}, Servers: []string{}, Lost: []string{"Data platform", "Notion"}},
		{ID: "vscode", Name: "VS Code", Found: true, Configs: []string{"/home/name/.config/Code/User/mcp.json", "/home/name/shop/.vscode/mcp.json"}, Servers: []string{"Wiki"}},
		{ID: "zed", Name: "Zed", Found: true, Configs: []string{"/home/name/.config/zed/settings.json"}, Servers: []string{},
			Problem: hint.New(hint.Failed, "The file /home/name/.config/zed/settings.json cannot be understood at line 12, column 3: a comma or } is missing.", "Mend it and try again; nothing was changed.")},
		{ID: "codex", Name: "Codex CLI", Found: true, Configs: []string{"/home/name/.codex/config.toml"}, Servers: []string{}},
		{ID: "windsurf", Name: "Windsurf", Configs: []string{}, Servers: []string{}}, {ID: "lm-studio", Name: "LM Studio", Configs: []string{}, Servers: []string{}},
		{ID: "goose", Name: "Goose", Configs: []string{}, Servers: []string{}},
	}
}

// leaks puts keys into programs' files.
func leaks(w *world) {
	w.agent.scanned = local.Scanned{Found: []local.RawKey{
		{File: "/home/name/.config/Claude/claude_desktop_config.json", Line: 14, Client: "Claude Desktop", Entry: "github", Place: "env GITHUB_PERSONAL_ACCESS_TOKEN", Kind: "api_key", Tail: "1k2l"},
		{File: "/home/name/.cursor/mcp.json", Line: 3, Client: "Cursor", Entry: "linear", Place: "header Authorization", Kind: "bearer", Tail: "cdef"},
		{File: "/home/name/.mcp-auth/mcp-remote-v1/0a1b_tokens.json", Line: 1, Place: "file", Kind: "tokens"},
	}}
}

// moved is what a move of them says.
var moved = local.Scanned{
	Found: []local.RawKey{}, Moved: []local.MovedEntry{{Entry: "github", Run: "github"}, {Entry: "linear", Server: "linear"}}, Removed: []string{"/home/name/.mcp-auth/mcp-remote-v1/0a1b_tokens.json"},
	CanUndo: now, Problems: []*hint.Error{hint.New(hint.Failed, "The file /home/name/.codex/config.toml is read-only, so it was left alone.", "Make it writable if Keyporter may edit it, then try again.")},
}

// chooseAll opens the first client's sheet and changes each box.
func chooseAll(w *world) {
	w.goTo(view.PageClients)
	w.tap(w.Window.t.Clients.Change)
	w.objects(func(o fyne.CanvasObject) {
		if c, ok := o.(*check); ok {
			c.SetChecked(!c.Checked)
		}
	})
}

func google(w *world) {
	w.agent.probed = &local.Probed{URL: "https://sales.example.com/mcp", Wants: local.WantsSignIn, Provider: "Google", Issuer: "https://accounts.google.com",
		Version: "2025-11-25", Name: "sales", Kind: account.OAuth, Accounts: []string{"Notion"}}
}

func typeAddress(w *world) {
	w.t.Helper()
	e, ok := w.win.Canvas().Focused().(*entry)
	if !ok {
		w.t.Fatalf("the address has no focus, but %T", w.win.Canvas().Focused())
	}
	test.Type(e, "https://sales.example.com/mcp")
	w.elapse()
}

// TestPictures compares each page in both languages and both themes with its
// picture in testdata. KEYPORTER_PICTURES=write makes them anew; then look at each.
// KEYPORTER_PICTURES=docs makes those of the README instead (make screenshots).
func TestPictures(t *testing.T) {
	if os.Getenv("KEYPORTER_PICTURES") == "docs" {
		screenshots(t)
		return
	}
	if undetected(t) {
		return
	}
	t.Run("at twice the size", atTwiceTheSize)
	for i, p := range pictures {
		for _, l := range []view.Language{view.English, view.Japanese} {
			for _, dark := range []bool{false, true} {
				if i >= pages && dark != (l == view.Japanese) {
					continue // of sheets and of odd states, English light and Japanese dark
				}
				name := fmt.Sprintf("%s-%s-%s", p.name, l, map[bool]string{false: "light", true: "dark"}[dark])
				t.Run(name, func(t *testing.T) { compare(t, name, draw(t, p, l, dark, 1)) })
			}
		}
	}
}

// shown are the pictures that the README shows.
var shown = []string{"servers", "server", "accounts", "activity", "clients", "team", "doctor", "add-1", "settings"}

// screenshots writes the README's pictures in both languages, twice as large as
// on a plain screen.
func screenshots(t *testing.T) {
	for _, p := range pictures {
		if !slices.Contains(shown, p.name) {
			continue
		}
		for _, l := range []view.Language{view.English, view.Japanese} {
			name := fmt.Sprintf("%s-%s.png", p.name, l)
			t.Run(name, func(t *testing.T) {
				write(t, filepath.Join("..", "..", "docs", "images", name), draw(t, p, l, false, 2))
			})
		}
	}
}

// atTwiceTheSize finds a page that grows the window on a fine screen: at 2x a
// picture has twice the pixels of that at 1x each way.
func atTwiceTheSize(t *testing.T) {
	for _, p := range pictures[:pages] {
		once, twice := draw(t, p, view.English, false, 1), draw(t, p, view.English, false, 2)
		if once.Bounds().Max.Mul(2) != twice.Bounds().Max {
			t.Errorf("%s is %v and %v", p.name, once.Bounds(), twice.Bounds())
		}
	}
}

// draw makes a picture at a scale.
func draw(t *testing.T, p picture, l view.Language, dark bool, scale float32) image.Image {
	t.Helper()
	w := open(t, l, dark, p.state, p.setup...)
	if p.lead != nil {
		p.lead(w)
	}
	if c, ok := w.win.Canvas().(test.WindowlessCanvas); ok {
		c.SetScale(scale)
	}
	return w.win.Canvas().Capture()
}

func compare(t *testing.T, name string, got image.Image) {
	t.Helper()
	path := filepath.Join("testdata", name+".png")
	if os.Getenv("KEYPORTER_PICTURES") == "write" {
		write(t, path, got)
		return
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	want, err := png.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	if !same(got, want) {
		failed := filepath.Join("testdata", "failed", name+".png")
		write(t, failed, got)
		t.Errorf("the window looks different from %s; see %s", path, failed)
	}
}

func same(a, b image.Image) bool {
	if a.Bounds() != b.Bounds() {
		return false
	}
	if p, q := pixels(a), pixels(b); p != nil && bytes.Equal(p, q) {
		return true
	}
	for y := a.Bounds().Min.Y; y < a.Bounds().Max.Y; y++ {
		for x := a.Bounds().Min.X; x < a.Bounds().Max.X; x++ {
			r, g, bl, _ := a.At(x, y).RGBA()
			r2, g2, b2, _ := b.At(x, y).RGBA()
			if far(r, r2) || far(g, g2) || far(bl, b2) {
				return false
			}
		}
	}
	return true
}

// pixels are the bytes of an opaque picture, or nil if it is stored otherwise.
func pixels(i image.Image) []byte {
	switch i := i.(type) {
	case *image.NRGBA:
		return i.Pix
	case *image.RGBA:
		return i.Pix
	}
	return nil
}

// far allows for the last bits: another processor may round edges otherwise.
func far(a, b uint32) bool { return max(a, b)-min(a, b) > 6<<8 }

func write(t *testing.T, path string, img image.Image) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	enc := png.Encoder{CompressionLevel: png.BestCompression}
	if err := enc.Encode(f, img); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// ill makes the doctor find a server whose token is for somebody else, and a
// program that looks into connections.
func ill(w *world) {
	ok := func(id local.CheckID, subject, seen string) {
		w.agent.checks = append(w.agent.checks, &local.Check{ID: id, Subject: subject, Result: local.CheckOK, Seen: seen})
	}
	ok(local.CheckPrograms, "", "keyporter v1.0.0, agent v1.0.0, linux/amd64; MCP clients launch /usr/bin/keyporter")
	ok(local.CheckAgent, "", "process 4711, since 2026-11-21 13:03:30, 3 bridges")
	ok(local.CheckKeyring, "", "the vault's key is in the keyring")
	ok(local.CheckVault, "", "/home/name/.local/state/keyporter/vault.age is open and can be written")
	ok(local.CheckLog, "", "as it was written: 812 records")
	ok(local.CheckDNS, "Notion", "mcp.notion.com is 203.0.113.7")
	w.agent.checks = append(w.agent.checks, &local.Check{ID: local.CheckTLS, Subject: "Notion", Result: local.CheckNote, Seen: "TLS 1.3, issued by Zscaler Intermediate Root CA, good until 2026-12-01",
		Problem: hint.New(hint.Failed, "Zscaler opens this connection on its way and looks into it; this computer trusts it.", "Nothing needs to be done while it works; if the server refuses requests, ask your IT to leave this host alone.")})
	ok(local.CheckAnswer, "Notion", "HTTP 401, with the place of its metadata, protocol of the legacy era")
	w.agent.checks = append(w.agent.checks,
		&local.Check{ID: local.CheckClaims, Subject: "Notion", Result: local.CheckFailed, Seen: "JWT of https://as.example.com for https://mcp.notion.com/mcp",
			Problem: hint.New(hint.Refused, "The token is for https://mcp.notion.com/mcp and the server is https://mcp.notion.com/mcp/; verifiers such as FastMCP's compare each character, the slash at the end included.",
				"Ask for https://mcp.notion.com/mcp/ exactly, with keyporter set Notion resource=ADDRESS (or audience=ADDRESS), or ask the owner of the server to accept both.")},
		&local.Check{ID: local.CheckRoundTrip, Subject: "Notion", Result: local.CheckSkipped, After: local.CheckClaims})
	ok(local.CheckClient, "Claude Desktop", "~/.config/Claude/claude_desktop_config.json: Notion")
	ok(local.CheckAutostart, "", "on: /usr/bin/keyporter-tray")
}

// scrollDown shows the end of a page.
func (w *world) scrollDown() {
	w.objects(func(o fyne.CanvasObject) {
		if s, ok := o.(*container.Scroll); ok {
			s.ScrollToBottom()
		}
	})
}

// openAdvanced unfolds the advanced fields and scrolls to them.
func (w *world) openAdvanced() {
	var scroll *container.Scroll
	w.objects(func(o fyne.CanvasObject) {
		switch o := o.(type) {
		case *container.Scroll:
			if scroll == nil {
				scroll = o
			}
		case *widget.Accordion:
			o.Open(0)
		}
	})
	scroll.ScrollToBottom()
}
