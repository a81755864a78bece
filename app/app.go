// Package app is the tray app: a Fyne application around a session with the
// agent. It decides nothing about tokens; it shows what the agent says and asks
// it for what the user chooses.
//
// State flows one way: the session's goroutine receives it and makes a frame,
// one fyne.Do shows the frame. Clicks go the other way: the session starts the
// work and the callback returns at once.
package app

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"

	"fyne.io/fyne/v2"
	fyneapp "fyne.io/fyne/v2/app"
	"fyne.io/fyne/v2/theme"

	_ "keyporter/app/fynelog" // before Fyne is initialised
	"keyporter/app/session"
	"keyporter/app/tray"
	"keyporter/app/view"
	"keyporter/app/window"
	"keyporter/assets"
	"keyporter/broker/local"
	"keyporter/internal/autostart"
	"keyporter/internal/instance"
	"keyporter/internal/notify"
	"keyporter/internal/paths"
)

// ID names the application to the desktop.
const ID = autostart.TrayID

// Options are the settings of Run.
type Options struct {
	Paths   paths.Paths // Required.
	Version string      // Required.
	// Getenv reads the environment; os.Getenv. Required.
	Getenv func(string) string
	// OpenURL opens a page in the browser, in a private window where there is one
	// if private is set. Required.
	OpenURL func(ctx context.Context, url string, private bool) error
	// Exit ends the process; os.Exit. Required.
	Exit func(code int)
	// AtLogin says that nobody started the app but the login: without a panel it
	// waits for one, and it opens no window. Optional.
	AtLogin bool
	Window  bool         // Optional. Open the window too.
	Link    string       // Optional. A keyporter link to show, here or in the app that runs.
	Log     *slog.Logger // Optional.
}

func (o *Options) check() error {
	switch {
	case o.Paths == paths.Paths{}:
		return errors.New("app: Paths is missing")
	case o.Version == "":
		return errors.New("app: Version is missing")
	case o.Getenv == nil:
		return errors.New("app: Getenv is missing")
	case o.OpenURL == nil:
		return errors.New("app: OpenURL is missing")
	case o.Exit == nil:
		return errors.New("app: Exit is missing")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Run shows the tray until the user quits or ctx is done, and then ends the process
// with the code 0 (see loop). It has to be called on the main goroutine, once in a
// process. If the app runs already, that one opens its window, and Run returns at
// once. Without a panel for the icon the window opens instead, and without servers
// too. An error has words for the user (hint.Error): without a display or a session
// bus there is nothing to show a tray on.
func Run(ctx context.Context, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	panel, err := checkDesktop(ctx, o.Getenv, o.Log)
	if err != nil {
		return err
	}
	command, err := bridgeCommand(o.Getenv)
	if err != nil {
		return err
	}
	if err := o.leaveLink(); err != nil {
		return err
	}
	only, err := o.alone(ctx)
	if errors.Is(err, instance.ErrRuns) {
		return nil
	} else if err != nil {
		return err
	}
	a := newApp(o.Version)
	notes := notify.New(o.Getenv)
	demo := &demoServer{path: beside(command, "keyporter-demo")}
	putAway := sync.OnceFunc(func() {
		demo.close()
		notes.Close()
		only.close()
	})
	defer putAway()
	ctx, quit := context.WithCancel(ctx)
	defer quit()

	var face *tray.Tray
	var win *window.Window
	language := view.LanguageOf(o.Getenv)
	teach := !o.AtLogin // whoever starts it with no servers is shown how to add one
	s, err := session.New(session.Options{
		Connect: o.connect,
		Show: func(f session.Frame) {
			fyne.Do(func() {
				if ctx.Err() == nil {
					face.Show(f.Menu, f.Icon)
				}
			})
		},
		ShowWindow: func(in view.Input) {
			fyne.Do(func() {
				if ctx.Err() != nil {
					return
				}
				if win.Show(in); in.State != nil && teach {
					if teach = false; len(in.State.Servers) == 0 {
						win.Open()
					}
				}
			})
		},
		OpenWindow: func(a view.Action) { fyne.Do(func() { open(win, a) }) },
		OpenURL:    o.OpenURL,
		Copy:       func(text string) { fyne.Do(func() { a.Clipboard().SetContent(text) }) },
		Quit:       quit,
		Command:    command,
		Language:   language,
		Notifier:   notifier{notes},
		Log:        o.Log,
	})
	if err != nil {
		return err
	}
	a.Settings().SetTheme(window.NewTheme())
	win, err = window.New(window.Options{
		App: a, Back: s, Version: o.Version, Command: command,
		Remember: filepath.Join(o.Paths.State, "window.json"),
		Places:   view.Places{Config: o.Paths.ConfigFile(), State: o.Paths.State, Log: o.Paths.Audit()},
		Tools:    func(ctx context.Context, server string) ([]string, error) { return tools(ctx, command, server) },
		Demo:     demo.start,
		Login:    startAtLogin(o.Getenv),
	}, s.Input())
	if err != nil {
		return err
	}
	place, stay, err := newPanel(a, s.Do, &o)
	if err != nil {
		return err
	}
	face = tray.New(place)
	followPanel(a, face, o.Getenv)
	first := s.Frame()
	face.Show(first.Menu, first.Icon) // before a.Run: Fyne starts its tray there

	show := func() {
		if link := o.takeLink(); link != "" {
			win.Join(link)
		} else {
			win.Open()
		}
	}
	if o.Window || o.Link != "" || !panel && !o.AtLogin {
		show()
	}
	var work sync.WaitGroup
	work.Go(func() { stay(ctx) })
	work.Go(func() { s.Run(ctx) })
	work.Go(func() { only.follow(ctx, func() { fyne.Do(show) }) })
	loop(ctx, quit, a.Run, func(ended <-chan struct{}) {
		work.Wait()
		putAway()
		endTray(a, ended)
		o.Exit(0)
	})
	return nil
}

// open opens the window where a says, on the UI goroutine.
func open(w *window.Window, a view.Action) {
	switch {
	case a.Verb == view.AddServer:
		w.AddServer()
	case a.Verb == view.AllOfThem:
		w.OpenServers()
	case a.Server != "":
		w.OpenServer(a.Server)
	default:
		w.Open()
	}
}

// newApp makes the Fyne application.
func newApp(version string) fyne.App {
	icon := fyne.NewStaticResource("keyporter.png", assets.Icon)
	fyneapp.SetMetadata(fyne.AppMetadata{ID: ID, Name: "Keyporter", Version: version, Icon: icon, Migrations: map[string]bool{"fyneDo": true}})
	a := fyneapp.NewWithID(ID)
	a.SetIcon(icon)
	return a
}

// followPanel draws the icon for the panel, now and after the theme changed.
func followPanel(a fyne.App, t *tray.Tray, getenv func(string) string) {
	t.SetDarkPanel(darkPanel(getenv, a.Settings().ThemeVariant() == theme.VariantDark))
	a.Settings().AddListener(func(s fyne.Settings) {
		dark := darkPanel(getenv, s.ThemeVariant() == theme.VariantDark)
		fyne.Do(func() { t.SetDarkPanel(dark) })
	})
}

// connect reaches the agent, and starts it where that is right.
func (o *Options) connect(ctx context.Context, start bool) (session.Agent, error) {
	how := local.UnlessStopped
	if start {
		how = local.Always
	}
	c, err := local.Dial(ctx, local.DialOptions{Paths: o.Paths, Start: how, Log: o.Log})
	if err != nil {
		return nil, err
	}
	return c, nil
}
