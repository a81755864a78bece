package hint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
)

func TestAnErrorKeepsItsWordsAcrossTheLocalAPI(t *testing.T) {
	b, err := json.Marshal(Wrap(errors.New("connection refused"), Unreachable, "It is away.", "Try again."))
	if err != nil {
		t.Fatal(err)
	}
	var got Error
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if got.Code != Unreachable || got.Text() != "It is away. Try again." || got.Error() != "It is away: connection refused" {
		t.Errorf("got %+v from %s", got, b)
	}
}

func TestTheOutermostWordsCount(t *testing.T) {
	inner := New(Locked, "The vault is locked.", "")
	outer := Wrap(fmt.Errorf("ask: %w", inner), SignInNeeded, "Nobody is signed in.", "Sign in.")
	if h := Of(fmt.Errorf("call: %w", outer)); h != outer {
		t.Errorf("Of = %+v", h)
	}
	for _, c := range []struct {
		err    error
		code   Code
		person bool
	}{
		{outer, SignInNeeded, true},
		{errors.Join(errors.New("x"), inner), Locked, true},
		{New("", "No code.", ""), Failed, false},
		{errors.New("no words"), Failed, false},
		{context.DeadlineExceeded, Unreachable, false},
	} {
		if code, person := CodeOf(c.err), NeedsPerson(c.err); code != c.code || person != c.person {
			t.Errorf("%v: code %q, needs a person %t; want %q, %t", c.err, code, person, c.code, c.person)
		}
	}
	if Of(nil) != nil || NeedsPerson(nil) {
		t.Error("no error has words or needs a person")
	}
}

func TestANameIsOneWordOfACommandLine(t *testing.T) {
	for in, want := range map[string]string{"notion": "notion", "at work": `"at work"`, "日本 1": `"日本 1"`} {
		if got := Arg(in); got != want {
			t.Errorf("Arg(%q) = %s, want %s", in, got, want)
		}
	}
}
