package session

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"keyporter/app/view"
	"keyporter/broker/account"
	"keyporter/broker/local"
	"keyporter/internal/hint"
)

// newest returns what the window was shown last.
func (w *world) newest() view.Input {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.inputs) == 0 {
		return view.Input{}
	}
	return w.inputs[len(w.inputs)-1]
}

func TestWindowSeesEachState(t *testing.T) {
	run(t, notion(local.Ready), func(w *world) {
		if in := w.newest(); in.State == nil || in.State.Servers[0].State != local.Ready {
			t.Fatalf("the window saw %+v", in)
		}
		n := len(w.inputs)
		for range 5 {
			w.states <- notion(local.SignInNeeded)
		}
		settle()
		if got := len(w.inputs) - n; got > 2 {
			t.Errorf("changes that came together were shown %d times", got)
		}
	})
}

func TestWindowKnowsWhereTheBrowserStands(t *testing.T) {
	run(t, notion(local.SignInNeeded), func(w *world) {
		w.Do(view.Action{Verb: view.SignIn, Server: "Notion"})
		settle()
		const page = "https://id.example.com/Notion"
		if got := w.newest().Pages["Notion"]; got != page {
			t.Errorf("the page is %q", got)
		}
		w.Do(view.Action{Verb: view.OpenPage, Server: "Notion"})
		settle()
		if want := []string{page, page}; !slices.Equal(w.opened, want) {
			t.Errorf("opened %v, want %v", w.opened, want)
		}
		w.finish <- nil
		settle()
		if got := w.newest().Pages; len(got) > 0 {
			t.Errorf("after the sign-in there are pages: %v", got)
		}
		w.Do(view.Action{Verb: view.OpenPage, Server: "Notion"})
		settle()
		if len(w.opened) != 2 {
			t.Error("a page of a sign-in that is over was opened")
		}
	})
}

func TestOpenGoesToTheWindow(t *testing.T) {
	run(t, notion(local.Ready), func(w *world) {
		w.Do(view.Action{Verb: view.Open, Server: "Notion"})
		w.Do(view.Action{Verb: view.AddServer})
		settle()
		if w.has("open Notion") != 1 || w.has("add_server ") != 1 {
			t.Errorf("calls are %q", w.calls)
		}
	})
}

func TestLanguageOfTheSettingsCountsAtOnce(t *testing.T) {
	run(t, notion(local.Ready), func(w *world) {
		s := notion(local.Ready)
		s.Settings.Language = account.Japanese
		w.states <- s
		settle()
		contains(t, w.last(), "すべて準備完了")
		if w.newest().Texts != view.TextsIn(view.Japanese) {
			t.Error("the window is not in Japanese")
		}
		w.states <- notion(local.Ready)
		settle()
		contains(t, w.last(), "everything is ready")
	})
}

func TestAskEndsWithTheSessionOrItsContext(t *testing.T) {
	for _, end := range []string{"context", "session"} {
		run(t, notion(local.Ready), func(w *world) {
			ctx, cancel := context.WithCancel(context.Background()) // one of the bubble
			defer cancel()
			var got error
			w.Ask(ctx, func(ctx context.Context, _ Desk) error {
				<-ctx.Done()
				return ctx.Err()
			}, func(err error) { got = err })
			synctest.Wait()
			if end == "context" {
				cancel()
			} else {
				w.Do(view.Action{Verb: view.Quit})
			}
			settle()
			if !errors.Is(got, context.Canceled) {
				t.Errorf("%s: the work ended with %v", end, got)
			}
		})
	}
}

func TestAskWithoutAnAgentSaysSo(t *testing.T) {
	run(t, nil, func(w *world) {
		w.note(func() { w.dial = hint.New(hint.Stopped, "Stopped.", "") })
		close(w.states)
		settle()
		var got error
		w.Ask(context.Background(), func(context.Context, Desk) error { return nil }, func(err error) { got = err })
		settle()
		if hint.CodeOf(got) != hint.Unreachable {
			t.Errorf("it says %v", got)
		}
	})
}
