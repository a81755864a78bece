// Package session is the tray app's conversation with the agent: it watches the
// state, gives out each menu that follows from it, and does what the user
// chooses. It knows no Fyne; app puts windows in front of it and tests plain
// functions.
//
// Run owns all goroutines: one watches, one draws, one keeps the notifications,
// and one for each action under way. A caller makes a Session with New, starts
// Run and calls Do.
package session

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"reflect"
	"sync"
	"time"

	"keyporter/app/view"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// An Agent is what a session asks the agent. *local.Client fits.
type Agent interface {
	Watch(ctx context.Context, w local.Watch, show func(*local.State) error) error
	SignIn(ctx context.Context, r local.SignInRequest, tell func(*local.SignInEvent) error) error
	CancelSignIn(ctx context.Context, n local.Name) error
	Pause(ctx context.Context) error
	Resume(ctx context.Context) error
	Desk
	Close()
}

var _ Agent = (*local.Client)(nil)

// A Notifier shows desktop notifications. It is safe for concurrent use.
type Notifier interface {
	// Show shows n in place of what has the same id. clicked, with the action of what
	// was clicked on, may be called more than once, also after Show returned; it
	// returns at once.
	Show(ctx context.Context, id string, n view.Note, clicked func(view.Action)) error
	// Close takes the notification away; one that is not there is no error.
	Close(ctx context.Context, id string) error
}

// A Frame is all that the tray shows.
type Frame struct {
	Menu view.Menu
	Icon view.Icon
}

// Options are the settings of a Session.
type Options struct {
	// Connect returns a connection to the agent; the session closes it. start
	// is true at first and when the user asks for a start: then a stop is to be
	// ended. Otherwise an agent that was stopped stays so, and the error has
	// the code hint.Stopped. Required.
	Connect func(ctx context.Context, start bool) (Agent, error)
	// Show shows a frame that differs from the last one. It is called from one
	// goroutine. Required.
	Show func(Frame)
	// ShowWindow shows what the window is made from, at most once in redrawGap,
	// after each change and whenever times read differently. It is called from
	// the goroutine that calls Show. Optional.
	ShowWindow func(view.Input)
	// OpenURL opens a page in the browser, in a private window where there is one
	// if private is set. Required.
	OpenURL func(ctx context.Context, url string, private bool) error
	// Copy puts text into the clipboard. Required.
	Copy func(text string)
	// Quit is called when the user chooses to quit; it makes Run's context end.
	// Required.
	Quit func()
	// Command is the absolute path of keyporter, for configs. Required.
	Command string
	// OpenWindow opens the window where a says: Open, AddServer or AllOfThem. Optional.
	OpenWindow func(a view.Action)
	// Language is the system's; the user's settings may name another one.
	// Required.
	Language view.Language
	// Notifier shows what waits for the user. Optional; nil shows it in the
	// menu only.
	Notifier Notifier
	// Log is for what the menu does not tell. Optional.
	Log *slog.Logger
}

func (o *Options) check() error {
	switch {
	case o.Connect == nil:
		return errors.New("session: Connect is missing")
	case o.Show == nil:
		return errors.New("session: Show is missing")
	case o.OpenURL == nil:
		return errors.New("session: OpenURL is missing")
	case o.Copy == nil:
		return errors.New("session: Copy is missing")
	case o.Quit == nil:
		return errors.New("session: Quit is missing")
	case o.Command == "":
		return errors.New("session: Command is missing")
	case o.Language == "":
		return errors.New("session: Language is missing")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.OpenWindow == nil {
		o.OpenWindow = func(view.Action) {}
	}
	if o.ShowWindow == nil {
		o.ShowWindow = func(view.Input) {}
	}
	return nil
}

// A Session is one tray's conversation with the agent.
type Session struct {
	o Options

	changed chan struct{} // holds one: something to draw
	notices chan struct{} // holds one: the notices may differ
	kick    chan struct{} // holds one: connect now, and start the agent

	mu      sync.Mutex
	agent   Agent // nil without a connection
	state   *local.State
	problem *hint.Error
	texts   *view.Texts
	private map[string]bool               // it is in a private window
	pages   map[string]string             // the sign-in's address in the browser, by server
	waiting map[string]context.CancelFunc // sign-ins under way here, by server
	failed  map[string]*hint.Error
	news    chan struct{}   // closed and made anew at each change
	ran     bool            // Run has begun
	early   []func()        // asked before Run
	actions context.Context // of actions, for the life of Run; nil before and after
	work    sync.WaitGroup  // added to only while actions is set
}

// New returns a session that is not connected yet.
func New(o Options) (*Session, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	return &Session{
		o:       o,
		texts:   view.TextsIn(o.Language),
		pages:   map[string]string{},
		private: map[string]bool{},
		changed: make(chan struct{}, 1),
		notices: make(chan struct{}, 1),
		kick:    make(chan struct{}, 1),
		news:    make(chan struct{}),
		waiting: map[string]context.CancelFunc{},
		failed:  map[string]*hint.Error{},
	}, nil
}

// Run keeps the session until ctx is done. It returns when everything that it
// started has ended; notifications are closed then.
func (s *Session) Run(ctx context.Context) {
	s.mu.Lock()
	s.actions, s.ran = ctx, true
	early := s.early
	s.early = nil
	s.mu.Unlock()
	for _, ask := range early {
		ask()
	}

	var parts sync.WaitGroup
	parts.Go(func() { s.watch(ctx) })
	parts.Go(func() { s.draw(ctx) })
	parts.Go(func() { s.notify(ctx) })
	<-ctx.Done()

	s.mu.Lock()
	s.actions = nil
	s.mu.Unlock()
	parts.Wait()
	s.work.Wait()
}

// Frame returns what the tray is to show now.
func (s *Session) Frame() Frame { return frame(s.Input()) }

// Input returns what everything that is shown now is made from.
func (s *Session) Input() view.Input { return s.input(time.Now()) }

func frame(in view.Input) Frame { return Frame{Menu: view.Build(in), Icon: view.IconOf(in)} }

func (s *Session) input(now time.Time) view.Input {
	s.mu.Lock()
	defer s.mu.Unlock()
	waiting := make(map[string]bool, len(s.waiting))
	for name := range s.waiting {
		waiting[name] = true
	}
	return view.Input{
		Texts: s.texts, Now: now, State: s.state, Problem: s.problem,
		Waiting: waiting, Pages: maps.Clone(s.pages), Failed: maps.Clone(s.failed),
	}
}

// redrawGap is the least time between two frames: a menu that is drawn anew can
// lose a click, so changes that come together are shown together.
const redrawGap = 100 * time.Millisecond

// draw shows each frame that differs from the one before, and everything to the
// window, which compares by page.
func (s *Session) draw(ctx context.Context) {
	var last Frame
	for {
		in := s.Input()
		if f := frame(in); !reflect.DeepEqual(f, last) {
			s.o.Show(f)
			last = f
		}
		s.o.ShowWindow(in)
		if !sleep(ctx, redrawGap) {
			return
		}
		var tick <-chan time.Time
		if next := view.WordsChange(in); !next.IsZero() {
			tick = time.After(next.Sub(in.Now))
		}
		select {
		case <-s.changed:
		case <-tick:
		case <-ctx.Done():
			return
		}
	}
}

// set changes what is guarded by mu and has it drawn.
func (s *Session) set(change func()) {
	s.mu.Lock()
	change()
	close(s.news)
	s.news = make(chan struct{})
	s.mu.Unlock()
	signal(s.changed)
}

// signal puts a value into a channel that holds one, unless one is there.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// sleep waits for d and reports whether ctx is still going on.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
