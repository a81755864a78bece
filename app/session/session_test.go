package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"keyporter/app/view"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// A world is a session with fakes around it, inside a synctest bubble: after
// synctest.Wait everything that follows from the last step has happened.
type world struct {
	*Session
	Desk   // nil: what the tray does not ask
	mu     sync.Mutex
	frames []Frame
	inputs []view.Input
	opened []string
	copied []string
	calls  []string          // of the agent and the notifier
	starts []bool            // of Connect
	dial   error             // what Connect fails with
	refuse error             // what Watch fails with
	states chan *local.State // to the Watch under way; closed to end it
	clicks map[string]func()
	finish chan error // what SignIn returns
}

// run runs test with a session that is connected to an agent with state.
func run(t *testing.T, state *local.State, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &world{states: make(chan *local.State, 1), clicks: map[string]func(){}, finish: make(chan error)}
		s, err := New(Options{
			Connect: w.connect,
			Show:    func(f Frame) { w.note(func() { w.frames = append(w.frames, f) }) },
			OpenURL: func(_ context.Context, url string, private bool) error {
				if private {
					url += " in private"
				}
				w.note(func() { w.opened = append(w.opened, url) })
				return nil
			},
			Copy:       func(text string) { w.note(func() { w.copied = append(w.copied, text) }) },
			Quit:       cancel,
			Command:    "/opt/keyporter",
			Language:   view.English,
			OpenWindow: func(a view.Action) { w.call(string(a.Verb) + " " + a.Server) },
			ShowWindow: func(in view.Input) { w.note(func() { w.inputs = append(w.inputs, in) }) },
			Notifier:   notifier{w},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.Session = s
		s.Ask(ctx, func(context.Context, Desk) error { return nil }, func(err error) { w.call(fmt.Sprint("asked early: ", err)) })
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			s.Run(ctx)
		}()
		if state != nil {
			w.states <- state
		}
		settle()
		test(w)
		cancel()
		<-ended
	})
}

// settle lets the gap between two frames pass and all that follows happen.
func settle() {
	time.Sleep(2 * redrawGap) // in the bubble's time
	synctest.Wait()
}

func (w *world) note(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

func (w *world) call(s string) { w.note(func() { w.calls = append(w.calls, s) }) }

func (w *world) has(call string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, c := range w.calls {
		if c == call {
			n++
		}
	}
	return n
}

// last returns the labels of the frame shown last.
func (w *world) last() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.frames) == 0 {
		return ""
	}
	return labels(w.frames[len(w.frames)-1].Menu.Items)
}

func labels(items []view.Item) string {
	var b strings.Builder
	for i := range items {
		b.WriteString(items[i].Label() + "\n" + labels(items[i].Items))
	}
	return b.String()
}

func (w *world) connect(_ context.Context, start bool) (Agent, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.starts = append(w.starts, start)
	if w.dial != nil {
		return nil, w.dial
	}
	return w, nil
}

func (w *world) Watch(ctx context.Context, _ local.Watch, show func(*local.State) error) error {
	w.mu.Lock()
	states, refuse := w.states, w.refuse
	w.mu.Unlock()
	if refuse != nil {
		return refuse
	}
	for {
		select {
		case s, ok := <-states:
			if !ok {
				return errors.New("agent gone")
			}
			if err := show(s); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (w *world) SignIn(ctx context.Context, r local.SignInRequest, tell func(*local.SignInEvent) error) error {
	w.call("sign in " + r.Name)
	if r.Switch {
		w.call("switch " + r.Name)
	}
	if r.AgentOpen {
		return errors.New("the agent was asked to open the browser")
	}
	if err := tell(&local.SignInEvent{Open: "https://id.example.com/" + r.Name, Private: r.Switch}); err != nil {
		return err
	}
	select {
	case err := <-w.finish:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *world) CancelSignIn(_ context.Context, n local.Name) error {
	w.call("cancel " + n.Name)
	return hint.New(hint.NotFound, "No sign-in is under way.", "")
}

func (w *world) SignOut(_ context.Context, r local.SignOutRequest) error {
	w.call("sign out " + r.Name)
	return nil
}
func (w *world) Pause(context.Context) error                { w.call("pause"); return nil }
func (w *world) Resume(context.Context) error               { w.call("resume"); return nil }
func (w *world) Unlock(context.Context, local.Unlock) error { w.call("unlock"); return nil }

func (w *world) RepairClients(_ context.Context, r local.RepairRequest) (*local.Repaired, error) {
	w.call("repair " + r.Client)
	return &local.Repaired{}, nil
}

func (w *world) Approve(_ context.Context, n local.Answer) error {
	w.call("approve " + n.Name)
	return nil
}
func (w *world) Revoke(_ context.Context, n local.Name) error { w.call("revoke " + n.Name); return nil }

func (w *world) Close() {}

// A notifier notes what is shown.
type notifier struct{ *world }

func (n notifier) Show(_ context.Context, id string, note view.Note, clicked func(view.Action)) error {
	n.call("note " + id + ": " + note.Title)
	n.note(func() {
		n.clicks[id] = func() { clicked(note.Action) }
		if note.Answers != nil { // the first of its buttons, and what is beside them
			n.clicks[id] = func() { clicked(note.Answers[0].Action) }
			n.clicks[id+"/beside"] = func() { clicked(note.Action) }
		}
	})
	return nil
}

func (n notifier) Close(_ context.Context, id string) error {
	n.call("close " + id)
	return nil
}

func notion(status local.Status, notices ...local.Notice) *local.State {
	return &local.State{
		Vault:   local.VaultState{Backend: "keyring", Open: true},
		Servers: []local.ServerState{{Name: "Notion", Kind: account.OAuth, State: status}},
		Notices: notices,
	}
}

func contains(t *testing.T, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("no %q in\n%s", want, got)
	}
}

func TestSignInOpensTheBrowserHere(t *testing.T) {
	run(t, notion(local.SignInNeeded), func(w *world) {
		contains(t, w.last(), "▲ Sign in to Notion…")
		w.Do(view.Action{Verb: view.SignIn, Server: "Notion"})
		w.Do(view.Action{Verb: view.SignIn, Server: "Notion"}) // a second click joins
		settle()
		contains(t, w.last(), "Waiting for the browser… (cancel)")
		if w.has("sign in Notion") != 1 || len(w.opened) != 1 || w.opened[0] != "https://id.example.com/Notion" {
			t.Errorf("sign-ins %d, pages opened %v", w.has("sign in Notion"), w.opened)
		}
		w.finish <- nil
		w.states <- notion(local.Ready)
		settle()
		contains(t, w.last(), "everything is ready")
	})
}

func TestSomebodyElseSignsInInAPrivateWindow(t *testing.T) {
	run(t, notion(local.Ready), func(w *world) {
		w.Do(view.Action{Verb: view.SwitchUser, Server: "Notion"})
		settle()
		w.Do(view.Action{Verb: view.OpenPage, Server: "Notion"})
		settle()
		want := []string{"https://id.example.com/Notion in private", "https://id.example.com/Notion in private"}
		if w.has("switch Notion") != 1 || !slices.Equal(w.opened, want) {
			t.Errorf("switched %d times, pages opened %v", w.has("switch Notion"), w.opened)
		}
		w.finish <- nil
	})
}

func TestSignInThatFailsSaysWhy(t *testing.T) {
	run(t, notion(local.SignInNeeded), func(w *world) {
		w.Do(view.Action{Verb: view.SignIn, Server: "Notion"})
		settle()
		w.finish <- hint.New(hint.Refused, "The provider said no.", "Ask its owner.")
		settle()
		contains(t, w.last(), "The provider said no.\nAsk its owner.")
		if w.has("note failed/Notion: That did not work: Notion") != 1 {
			t.Errorf("no notification: %v", w.calls)
		}
		w.states <- notion(local.Ready)
		settle()
		if strings.Contains(w.last(), "said no") {
			t.Error("the failure outlives the sign-in")
		}
	})
}

func TestCancelIsNoFailure(t *testing.T) {
	run(t, notion(local.SignInNeeded), func(w *world) {
		w.Do(view.Action{Verb: view.SignIn, Server: "Notion"})
		settle()
		w.Do(view.Action{Verb: view.CancelSignIn, Server: "Notion"})
		settle()
		contains(t, w.last(), "▲ Sign in to Notion…")
		if w.has("cancel Notion") != 1 || len(w.clicks) != 0 {
			t.Errorf("calls are %v", w.calls)
		}
	})
}

func TestPlainActions(t *testing.T) {
	run(t, notion(local.Ready), func(w *world) {
		for _, v := range []view.Verb{view.SignOut, view.Pause, view.Resume, view.Unlock, view.CopyConfig} {
			w.Do(view.Action{Verb: v, Server: "Notion"})
		}
		settle()
		for _, call := range []string{"sign out Notion", "pause", "resume", "unlock", "note copied: Config copied"} {
			if w.has(call) != 1 {
				t.Errorf("%q happened %d times, want once", call, w.has(call))
			}
		}
		if len(w.copied) != 1 || !strings.Contains(w.copied[0], "/opt/keyporter") {
			t.Errorf("copied %q", w.copied)
		}
		w.Do(view.Action{Verb: view.Quit}) // run waits for the end of Run
		settle()
		w.Do(view.Action{Verb: view.Pause})
		settle()
		if w.has("pause") != 1 {
			t.Error("an action after the end was done")
		}
	})
}

func TestOneClickRestoresTheServersOfAClient(t *testing.T) {
	notice := local.Notice{ID: "lost cursor", Kind: local.NoticeClientLost, Client: "cursor", Program: "Cursor", Servers: []string{"Notion"}}
	run(t, notion(local.Ready, notice), func(w *world) {
		contains(t, w.last(), "▲ Restore the servers of Cursor")
		if w.has("note lost cursor: Cursor forgot its servers") != 1 {
			t.Fatalf("calls are %v", w.calls)
		}
		w.clicks["lost cursor"]()
		settle()
		if w.has("repair cursor") != 1 {
			t.Errorf("calls are %v", w.calls)
		}
		w.states <- notion(local.Ready)
		settle()
		if w.has("close lost cursor") != 1 {
			t.Error("the notification outlives the loss")
		}
	})
}

// Whatever kind of notice the agent has, the tray shows it, and the button does
// something that the notice is over with.
func TestEachKindOfNoticeIsShownWithAButtonThatActs(t *testing.T) {
	does := map[local.NoticeKind]string{local.NoticeSignIn: "sign in Notion", local.NoticeClientLost: "repair cursor", local.NoticeApproval: "approve a1"}
	for _, kind := range local.NoticeKinds() {
		t.Run(string(kind), func(t *testing.T) {
			notice := local.Notice{ID: "n1", Kind: kind, Server: "Notion", Client: "cursor", Program: "Cursor", Servers: []string{"Notion"}, Approval: "a1"}
			note, ok := view.NoteOf(view.TextsIn(view.English), notice)
			if !ok || note.Title == "" || note.Body == "" || note.Button == "" && len(note.Answers) == 0 {
				t.Fatalf("the notification is %+v, %v", note, ok)
			}
			run(t, notion(local.SignInNeeded), func(w *world) {
				w.states <- notion(local.SignInNeeded, notice) // while the tray is connected
				settle()
				if w.has("note n1: "+note.Title) != 1 {
					t.Fatalf("calls are %v", w.calls)
				}
				w.clicks["n1"]()
				settle()
				if does[kind] == "" || w.has(does[kind]) != 1 {
					t.Errorf("the button does not do %q: %v", does[kind], w.calls)
				}
			})
		})
	}
}

func TestAProgramThatAsksIsAnswered(t *testing.T) {
	run(t, notion(local.Ready, local.Notice{ID: "approval a1", Kind: local.NoticeApproval, Server: "Notion", Program: "/usr/bin/python3", Approval: "a1"}), func(w *world) {
		if w.has("note approval a1: A program asks for Notion") != 1 {
			t.Errorf("no notification: %v", w.calls)
		}
		w.clicks["approval a1/beside"]()
		w.Do(view.Action{Verb: view.Deny, Server: "a1"})
		settle()
		if w.has("revoke a1") != 1 || w.has("approve a1") != 0 {
			t.Errorf("calls are %v", w.calls)
		}
		w.Do(view.Action{Verb: view.Allow, Server: "a1"})
		settle()
		if w.has("approve a1") != 1 {
			t.Errorf("calls are %v", w.calls)
		}
	})
}

func TestOneNotificationForEachNotice(t *testing.T) {
	notice := local.Notice{ID: "n1", Kind: local.NoticeSignIn, Server: "Notion", Program: "Claude Desktop"}
	run(t, notion(local.SignInNeeded, notice), func(w *world) {
		w.states <- notion(local.SignInNeeded, notice)
		settle()
		close(w.states) // the agent restarts, with the same notice
		w.note(func() { w.states = make(chan *local.State, 1) })
		settle()
		w.states <- notion(local.SignInNeeded, notice)
		settle()
		if got := w.has("note n1: Sign in to Notion"); got != 1 {
			t.Fatalf("the notification was shown %d times, want once", got)
		}
		w.clicks["n1"]()
		settle()
		if w.has("sign in Notion") != 1 {
			t.Error("a click on the notification signs nobody in")
		}
		w.states <- notion(local.Ready)
		settle()
		if w.has("close n1") != 1 {
			t.Error("the notification outlives its notice")
		}
	})
}

func TestANoticeThatIsRaisedAgainMuchLaterIsShownAgain(t *testing.T) {
	notice := local.Notice{ID: "n1", Kind: local.NoticeSignIn, Server: "Notion", At: time.Now()}
	run(t, notion(local.SignInNeeded, notice), func(w *world) {
		for _, step := range []struct {
			later time.Duration
			want  int
		}{{time.Minute, 1}, {10 * time.Minute, 2}, {11 * time.Minute, 2}, {20 * time.Minute, 3}} {
			again := notice
			again.At = notice.At.Add(step.later)
			w.states <- notion(local.SignInNeeded, again)
			settle()
			if got := w.has("note n1: Sign in to Notion"); got != step.want {
				t.Errorf("raised again after %v: shown %d times, want %d", step.later, got, step.want)
			}
		}
	})
}

func TestWhatIsAskedBeforeTheStartIsAnsweredWhenTheAgentIsThere(t *testing.T) {
	run(t, notion(local.Ready), func(w *world) {
		if got := w.has("asked early: <nil>"); got != 1 {
			t.Errorf("what was asked before Run was answered %d times, want once", got)
		}
	})
}

func TestWhoWantsNoNotificationsGetsNone(t *testing.T) {
	notice := local.Notice{ID: "n1", Kind: local.NoticeSignIn, Server: "Notion"}
	quiet := func(off account.Notifications) *local.State {
		s := notion(local.SignInNeeded, notice)
		s.Settings.Notifications = off
		return s
	}
	run(t, quiet(account.NotificationsOff), func(w *world) {
		if w.has("note n1: Sign in to Notion") != 0 {
			t.Error("a notification was shown though they are off")
		}
		contains(t, w.last(), "Sign in to Notion")
		w.states <- quiet(account.NotificationsOn)
		settle()
		if w.has("note n1: Sign in to Notion") != 1 {
			t.Error("the notification that waits is not shown when they are on again")
		}
		w.states <- quiet(account.NotificationsOff)
		settle()
		if w.has("close n1") != 1 {
			t.Error("the notification stays after they were switched off")
		}
	})
}

func TestAStopIsKeptUntilTheUserEndsIt(t *testing.T) {
	run(t, notion(local.Ready), func(w *world) {
		w.note(func() { w.dial = hint.New(hint.Stopped, "Keyporter is stopped.", "") })
		close(w.states)
		settle()
		contains(t, w.last(), "Keyporter — stopped")
		time.Sleep(time.Minute)
		synctest.Wait()
		if len(w.starts) < 10 {
			t.Errorf("only %d tries in a minute: a start elsewhere would go unseen", len(w.starts))
		}
		for i, start := range w.starts {
			if start != (i == 0) {
				t.Fatalf("try %d: start is %v", i, start)
			}
		}
		w.note(func() { w.dial, w.states = nil, make(chan *local.State, 1) })
		n := len(w.starts)
		w.Do(view.Action{Verb: view.Start})
		settle()
		if len(w.starts) <= n || !w.starts[len(w.starts)-1] {
			t.Fatalf("the user's start was not passed on: %v", w.starts[n:])
		}
		w.states <- notion(local.Ready)
		settle()
		contains(t, w.last(), "everything is ready")
	})
}

func TestAnAgentOfAnotherVersionIsNamedAndLeftAloneUntilItIsReplaced(t *testing.T) {
	run(t, notion(local.Ready), func(w *world) {
		const what = "The Keyporter agent that runs is version 1, which is older than this program."
		w.note(func() { w.refuse = hint.New(hint.Failed, what, "Run keyporter stop, then keyporter start.") })
		close(w.states)
		settle()
		contains(t, w.last(), what)
		time.Sleep(time.Hour)
		synctest.Wait()
		for i, start := range w.starts {
			if start != (i == 0) {
				t.Fatalf("try %d: start is %v", i, start)
			}
		}
		if w.has("pause") > 0 || len(w.starts) > 3600/4 {
			t.Errorf("the tray asked %d times in an hour, and did %q", len(w.starts), w.calls)
		}
		w.note(func() { w.refuse, w.states = nil, make(chan *local.State, 1) })
		w.states <- notion(local.Ready)
		time.Sleep(lastRetry)
		settle()
		contains(t, w.last(), "everything is ready")
	})
}

func TestChangesThatComeTogetherAreOneFrame(t *testing.T) {
	run(t, notion(local.Ready), func(w *world) {
		n := len(w.frames)
		for _, s := range []local.Status{local.SignInNeeded, local.SigningIn, local.Failed, local.SignInNeeded, local.Ready} {
			w.states <- notion(s)
		}
		settle()
		if got := len(w.frames) - n; got > 2 {
			t.Errorf("%d frames for changes within %v, want 2 at most", got, redrawGap)
		}
		n = len(w.frames)
		w.states <- notion(local.Ready)
		settle()
		if len(w.frames) != n {
			t.Error("a state that looks the same was drawn anew")
		}
	})
}

func TestTimesGrowOldWithoutANewState(t *testing.T) {
	state := notion(local.Ready)
	state.Servers[0].ExpiresAt = time.Date(2000, 1, 1, 0, 42, 30, 0, time.UTC) // the bubble begins at midnight
	run(t, state, func(w *world) {
		contains(t, w.last(), "42 min left")
		time.Sleep(5 * time.Minute)
		settle()
		contains(t, w.last(), "37 min left")
	})
}

func TestOptionsNameWhatIsMissing(t *testing.T) {
	if _, err := New(Options{}); err == nil || !strings.Contains(err.Error(), "Connect") {
		t.Errorf("New says %v", err)
	}
}
