package window

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/test"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"keyporter/app/session"
	"keyporter/app/view"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/broker/secret"
)

func TestMain(m *testing.M) {
	time.Local = time.UTC // pictures show times
	os.Exit(m.Run())
}

var now = time.Date(2026, 11, 21, 14, 3, 30, 0, time.UTC)

// A world is the window with a fake session and agent behind it, in Fyne's test
// app. Work is done in place, so everything that follows from a click has
// happened when the click returns; what waits for time waits for elapse.
type world struct {
	*Window
	t     *testing.T
	in    view.Input
	did   []view.Action
	late  []func() // what waits for time, in the order it was asked for
	agent agent
	lost  error // what Ask fails with
}

// An agent answers with what it holds and notes what it was asked.
type agent struct {
	session.Desk // nil: what no test asks
	calls        []string
	probed       *local.Probed
	record       account.Server
	log          []local.AuditRecord
	put          []local.PutServer
	accounts     []local.PutAccount
	verified     bool
	tools        string
	fail         error
	settings     map[string]string
	token        string
	asked        []local.LogRequest
	clients      []local.MCPClient
	reviewed     []local.ReviewRequest
	review       *local.Review
	joined       []local.JoinRequest
	shared       []local.ShareRequest
	checks       []*local.Check
	scanned      local.Scanned
	brokenOff    func(error) // ends the log that is followed, nil without one
}

func (a *agent) note(format string, args ...any) {
	a.calls = append(a.calls, fmt.Sprintf(format, args...))
}

func (a *agent) Probe(_ context.Context, r local.ProbeRequest) (*local.Probed, error) {
	a.note("probe %s", r.URL)
	return a.probed, a.fail
}
func (a *agent) ShowServer(_ context.Context, n local.Name) (*account.Server, error) {
	rec := a.record
	rec.Name = n.Name
	return &rec, nil
}
func (a *agent) AddServer(_ context.Context, s local.PutServer) (*local.AddedServer, error) {
	a.note("add server %s", s.Name)
	a.put = append(a.put, s)
	return &local.AddedServer{Server: local.ServerState{Name: s.Name, State: local.Unknown}}, a.fail
}
func (a *agent) SetServer(_ context.Context, s local.PutServer) (*local.AddedServer, error) {
	a.note("set server %s", s.Name)
	a.put = append(a.put, s)
	return &local.AddedServer{}, a.fail
}
func (a *agent) RemoveServer(_ context.Context, n local.Name) error {
	a.note("remove server %s", n.Name)
	return a.fail
}
func (a *agent) AddAccount(_ context.Context, p local.PutAccount) (*local.AccountState, error) {
	a.note("add account %s", p.Name)
	a.accounts = append(a.accounts, p)
	return &local.AccountState{Name: p.Name, Verified: a.verified}, a.fail
}
func (a *agent) RotateAccount(_ context.Context, p local.PutAccount) (*local.AccountState, error) {
	a.note("rotate %s", p.Name)
	a.accounts = append(a.accounts, p)
	return &local.AccountState{Name: p.Name, Verified: a.verified}, a.fail
}
func (a *agent) RemoveAccount(_ context.Context, n local.Name) (*local.RemovedAccount, error) {
	a.note("remove account %s", n.Name)
	return &local.RemovedAccount{}, nil
}
func (a *agent) SignOut(_ context.Context, r local.SignOutRequest) error {
	a.note("sign out %s %v", r.Name, r.Revoke)
	return a.fail
}
func (a *agent) Unlock(_ context.Context, r local.Unlock) error {
	a.note("unlock %d", len(r.Passphrase.Reveal()))
	return a.fail
}
func (a *agent) Token(context.Context, local.TokenRequest) (*local.Token, error) {
	return &local.Token{Value: plain(a.token)}, a.fail
}
func (a *agent) Answers(context.Context, local.Name) (*local.Answers, error) {
	return &local.Answers{Results: map[string]json.RawMessage{"tools/list": json.RawMessage(a.tools)}}, nil
}

func (a *agent) Approve(_ context.Context, n local.Answer) error {
	a.note("approve %s", n.Name)
	return a.fail
}

func (a *agent) Revoke(_ context.Context, n local.Name) error {
	a.note("revoke %s", n.Name)
	return a.fail
}

func (a *agent) Doctor(_ context.Context, r local.DoctorRequest, show func(*local.Check) error) error {
	a.note("doctor %s", r.Version)
	for _, c := range a.checks {
		if err := show(c); err != nil {
			return err
		}
	}
	return a.fail
}

func (a *agent) Scan(_ context.Context, r local.ScanRequest) (*local.Scanned, error) {
	a.note("scan %s", r.Action)
	out := a.scanned
	return &out, a.fail
}

// errStays is how a log that is followed goes on after Ask has returned.
var errStays = errors.New("the log goes on")

func (a *agent) Log(_ context.Context, r local.LogRequest, show func(*local.AuditRecord) error) error {
	a.asked = append(a.asked, r)
	for i := range a.log {
		if a.log[i].Time.Before(r.Since) {
			continue
		}
		if err := show(&a.log[i]); err != nil {
			return err
		}
	}
	if r.Follow {
		return errStays
	}
	return nil
}
func (a *agent) SetSettings(_ context.Context, s local.SetSettings) (*account.Choices, error) {
	a.settings = s.Values
	return &account.Choices{}, a.fail
}
func (a *agent) ShareProfile(_ context.Context, r local.ShareRequest) (*local.SharedProfile, error) {
	a.shared = append(a.shared, r)
	return &local.SharedProfile{
		Profile: []byte("{\n  \"version\": 1,\n  \"name\": \"Data team\",\n  \"servers\": {\n    \"Wiki\": {\n      \"url\": \"https://wiki.example.com/mcp\"\n    }\n  }\n}\n"),
		Servers: r.Servers, Searched: 7, Left: []local.Left{{Server: "Search", What: local.OwnSecret}, {Server: "Wiki", What: "proxy"}},
	}, a.fail
}
func (a *agent) ReviewProfile(_ context.Context, r local.ReviewRequest) (*local.Review, error) {
	a.reviewed = append(a.reviewed, r)
	return a.review, a.fail
}
func (a *agent) JoinProfile(_ context.Context, r local.JoinRequest) (*local.JoinedProfile, error) {
	a.joined = append(a.joined, r)
	return &local.JoinedProfile{}, a.fail
}
func (a *agent) ForgetProfile(_ context.Context, n local.Name) error {
	a.note("forget %s", n.Name)
	return a.fail
}
func (a *agent) InstallClient(_ context.Context, r local.InstallRequest) (*local.Installed, error) {
	a.note("install %s %v", r.Client, r.Servers)
	return &local.Installed{Backups: []string{"/home/name/.cursor/mcp.json.keyporter-backup"}}, a.fail
}

func (a *agent) Clients(context.Context) (*local.Clients, error) {
	return &local.Clients{Clients: a.clients}, a.fail
}
func (a *agent) UninstallClient(_ context.Context, r local.InstallRequest) (*local.Installed, error) {
	a.note("uninstall %s %v", r.Client, r.Servers)
	return &local.Installed{}, a.fail
}
func (a *agent) RepairClients(_ context.Context, r local.RepairRequest) (*local.Repaired, error) {
	a.note("repair %s", r.Client)
	return &local.Repaired{}, a.fail
}

// A back is the session.
type back struct{ w *world }

func (b back) Do(a view.Action) { b.w.did = append(b.w.did, a) }
func (b back) Ask(ctx context.Context, work func(context.Context, session.Desk) error, done func(error)) {
	if b.w.lost != nil {
		done(b.w.lost)
		return
	}
	err := work(ctx, &b.w.agent)
	if err == errStays {
		b.w.agent.brokenOff = done
		return
	}
	done(err)
}

// open shows the window in a language and a variant of the theme.
func open(t *testing.T, l view.Language, dark bool, state *local.State, change ...func(*world)) *world {
	t.Helper()
	app := test.NewTempApp(t)
	v := theme.VariantLight
	if dark {
		v = theme.VariantDark
	}
	app.Settings().SetTheme(look{Theme: theme.DefaultTheme(), only: &v})
	w := &world{t: t, in: view.Input{Texts: view.TextsIn(l), Now: now, State: state}}
	w.agent = agent{record: account.Server{URL: "https://mcp.notion.com/mcp"}, tools: `{"tools":[{"name":"search"},{"name":"fetch"},{"name":"create_pages"}]}`}
	for _, c := range change {
		c(w)
	}
	win, err := New(Options{
		App: app, Back: back{w}, Version: "v1.0.0", Command: "/usr/bin/keyporter",
		Places: view.Places{Config: "/home/name/.config/keyporter/config.json", State: "/home/name/.local/state/keyporter", Log: "/home/name/.local/state/keyporter/audit.jsonl"},
		After: func(_ time.Duration, f func()) func() {
			stopped := false
			w.late = append(w.late, func() {
				if !stopped {
					f()
				}
			})
			return func() { stopped = true }
		},
		Now:   func() time.Time { return now },
		Tools: func(context.Context, string) ([]string, error) { return []string{"get_time", "whoami", "add"}, nil },
		Demo:  func(context.Context) (string, error) { return "http://127.0.0.1:38470/mcp", nil },
		Login: &login{on: true},
	}, w.in)
	if err != nil {
		t.Fatal(err)
	}
	w.Window = win
	w.Open()
	t.Cleanup(w.Close)
	return w
}

type login struct{ on bool }

func (l *login) On() (bool, error) { return l.on, nil }
func (l *login) Set(on bool) error { l.on = on; return nil }

// elapse lets all waits end.
func (w *world) elapse() {
	late := w.late
	w.late = nil
	for _, f := range late {
		f()
	}
}

// see shows a new state.
func (w *world) see(s *local.State) {
	w.in.State = s
	w.Show(w.in)
}

// objects calls f with everything that is visible, the top sheet's objects if
// there is one.
func (w *world) objects(f func(fyne.CanvasObject)) {
	root := w.win.Content()
	if top := w.win.Canvas().Overlays().Top(); top != nil {
		root = top
	}
	var walk func(o fyne.CanvasObject)
	walk = func(o fyne.CanvasObject) {
		if !o.Visible() {
			return
		}
		f(o)
		switch c := o.(type) {
		case *fyne.Container:
			for _, child := range c.Objects {
				walk(child)
			}
		case fyne.Widget:
			for _, child := range test.WidgetRenderer(c).Objects() {
				walk(child)
			}
		}
	}
	walk(root)
}

// tap clicks on the button with that label.
func (w *world) tap(label string) {
	w.t.Helper()
	var found *button
	w.objects(func(o fyne.CanvasObject) {
		if b, ok := o.(*button); ok && b.Text == label && found == nil {
			found = b
		}
	})
	if found == nil {
		w.t.Fatalf("there is no button %q; there is\n%s", label, w.read())
	}
	test.Tap(found)
}

// read returns everything that can be read.
func (w *world) read() string {
	var all string
	w.objects(func(o fyne.CanvasObject) {
		switch o := o.(type) {
		case *widget.Label:
			all += o.Text + "\n"
		case *entry:
			if !o.Password {
				all += "{" + o.Text + "}\n"
			}
		case *check:
			all += o.Text + "\n"
		case *button:
			all += "[" + o.Text + "]\n"
		}
	})
	return all
}

func plain(s string) secret.Plain { return secret.Plain{Value: secret.New(s)} }
