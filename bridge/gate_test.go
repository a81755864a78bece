package bridge

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"
	"weak"

	"keyporter/bridge/frame"
)

func scan(t *testing.T, text string) frame.Frame {
	t.Helper()
	f, err := frame.Scan([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// now is a context for messages that are not to wait for room.
func now() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// What waits is bounded in memory, not only in what the client wrote.
func TestTinyMessagesThatWaitTakeNoMoreMemoryThanLargeOnes(t *testing.T) {
	g := gate{most: 1}
	f := scan(t, `{"jsonrpc":"2.0","id":1,"method":"m"}`)
	g.enter(now(), f) // goes through
	for last := -1; last < len(g.backlog); {
		last = len(g.backlog)
		g.enter(now(), f)
	}
	each := int(unsafe.Sizeof(f)) + len(f.Raw)
	if n := len(g.backlog); n < 10_000 || n*each > maxBacklog+each || cap(g.backlog)*each > maxBacklog*5/4 {
		t.Errorf("%d messages wait and take %d bytes, with room for %d", n, n*each, cap(g.backlog)*each)
	}
}

// They do not count as calls, but a server that accepts none gathers only so many.
func TestNotificationsThatAreWorkedOnAreBoundedByMemory(t *testing.T) {
	g := gate{most: 1}
	f := scan(t, `{"jsonrpc":"2.0","method":"m"}`)
	n := 0
	for g.enter(now(), f) {
		n++
	}
	if each := len(f.Raw) + workCost; n < 1000 || n*each > maxHeld+each {
		t.Errorf("%d notifications are worked on", n)
	}
	if call := scan(t, `{"jsonrpc":"2.0","id":1,"method":"m"}`); g.busy != 0 || g.enter(now(), call) {
		t.Errorf("a call goes through, or %d are worked on", g.busy)
	}
}

func TestAMessageThatWasLetThroughIsNotKept(t *testing.T) {
	g := gate{most: 1}
	text := `{"jsonrpc":"2.0","id":1,"method":"m","params":"` + strings.Repeat("x", 1<<20) + `"}`
	var taken []weak.Pointer[byte]
	enter := func() {
		f := scan(t, text)
		taken = append(taken, weak.Make(&f.Raw[0]))
		g.enter(now(), f)
	}
	enter() // is worked on
	enter()
	enter()
	enter()
	if !g.remove("1") {
		t.Fatal("what waits is not found")
	}
	if !g.leave(frame.Frame{}) {
		t.Fatal("nothing waits")
	}
	if _, ok := g.next(func(frame.Frame) {}); !ok {
		t.Fatal("nothing goes through")
	}
	runtime.GC()
	for i, p := range taken[:3] {
		if p.Value() != nil {
			t.Errorf("message %d is kept, though it went through or was taken back", i)
		}
	}
	if taken[3].Value() == nil || len(g.backlog) != 1 {
		t.Errorf("%d messages wait, want the last one", len(g.backlog))
	}
}

// A call that a client took back just as its turn came was answered all the same.
func TestACallIsTakenBackAtTheMomentItsTurnComes(t *testing.T) {
	b := &bridge{gate: gate{most: 1}, ctx: t.Context(), opts: Options{Now: time.Now}}
	b.gate.enter(now(), scan(t, modernCall(1, "first")))
	b.gate.enter(now(), scan(t, modernCall(2, "second")))
	b.gate.leave(scan(t, modernCall(1, "first")))
	cancel := scan(t, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2,`+modernMeta+`}}`)
	done := make(chan bool)
	var c *call
	b.gate.next(func(f frame.Frame) {
		go func() { done <- b.takeBack(cancel) }()
		for !running("bridge.(*gate).remove") { // which waits for the lock that is held here
			runtime.Gosched()
		}
		c = b.newCall(f)
		c.key, c.version = frame.Key(f.ID), b.eraOf(&f)
		b.calls.add(c)
	})
	if all := <-done; !all || context.Cause(c.ctx) != errCancelled {
		t.Errorf("the call is not taken back: %v, %v", all, context.Cause(c.ctx))
	}
}

// running reports whether a goroutine is in a function.
func running(function string) bool {
	stacks := make([]byte, 1<<20)
	return strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), function+"(")
}
