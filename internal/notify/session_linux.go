package notify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/godbus/dbus/v5"
)

// busAddress says where the session bus is. A program that a host started with
// little environment finds it in the runtime folder of its user.
func busAddress(getenv func(string) string) string {
	if a := getenv("DBUS_SESSION_BUS_ADDRESS"); a != "" {
		return a
	}
	run := getenv("XDG_RUNTIME_DIR")
	if run == "" {
		run = fmt.Sprintf("/run/user/%d", os.Getuid())
	}
	return "unix:path=" + dbus.EscapeBusAddressValue(run+"/bus")
}

// dialBus connects to a bus on a unix socket. It starts no bus, and runs no
// program that an address names. The connection outlives ctx.
func dialBus(ctx context.Context, address string) (*dbus.Conn, error) {
	for a := range strings.SplitSeq(address, ";") { // alternatives
		if !strings.HasPrefix(a, "unix:") {
			return nil, errors.New("the address of the session bus is not one of a unix socket")
		}
	}
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, end) // ends a greeting that takes too long
	conn, err := dbus.Connect(address, dbus.WithContext(life), dbus.WithSignalHandler(dbus.NewSequentialSignalHandler()))
	if err == nil {
		err = match(ctx, conn)
	}
	if err != nil || !stop() {
		end()
		if conn != nil {
			conn.Close()
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("connect to the session bus: %w", err)
	}
	return conn, nil
}

// match asks for the signals of the service, and for news of its going.
func match(ctx context.Context, conn *dbus.Conn) error {
	for _, m := range [][]dbus.MatchOption{
		{dbus.WithMatchSender(service), dbus.WithMatchInterface(service), dbus.WithMatchObjectPath(object)},
		{dbus.WithMatchSender("org.freedesktop.DBus"), dbus.WithMatchInterface("org.freedesktop.DBus"),
			dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, service)},
	} {
		if err := conn.AddMatchSignalContext(ctx, m...); err != nil {
			return err
		}
	}
	return nil
}

// A session is one connection to the bus and what is shown through it.
type session struct {
	conn    *dbus.Conn
	signals chan *dbus.Signal // closed by conn
	ended   chan struct{}     // closed when hear has returned

	mu      sync.Mutex
	owner   string // who the service is; others may send signals too, but are not heard
	shown   map[uint32]Notification
	numbers map[string]uint32 // by ID
	showing bool              // Notify is under way
	early   map[uint32]string // what happened to numbers that Notify has yet to return
}

func newSession(ctx context.Context, conn *dbus.Conn) *session {
	s := &session{conn: conn, signals: make(chan *dbus.Signal, 64), ended: make(chan struct{}),
		shown: map[uint32]Notification{}, numbers: map[string]uint32{}}
	conn.Signal(s.signals)
	// It may fail: the bus starts the service later, and says so with a signal.
	_ = conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetNameOwner", 0, service).Store(&s.owner)
	return s
}

func (s *session) call(ctx context.Context, method string, args ...any) *dbus.Call {
	return s.conn.Object(service, object).CallWithContext(ctx, service+"."+method, 0, args...)
}

// hear handles signals until the connection ends.
func (s *session) hear() {
	for sig := range s.signals {
		switch sig.Name {
		case signalAction, signalClosed:
			if len(sig.Body) < 1 || sig.Sender != s.serviceOwner() {
				continue
			}
			if id, ok := sig.Body[0].(uint32); ok {
				s.happened(id, event(sig))
			}
		case signalOwner:
			if sig.Sender == "org.freedesktop.DBus" && len(sig.Body) == 3 && sig.Body[0] == service {
				s.newOwner(fmt.Sprint(sig.Body[2]))
			}
		}
	}
	s.conn.Close() // ends what godbus keeps for a connection that broke
}

func (s *session) serviceOwner() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.owner
}

// newOwner notes who the service is now. Numbers of the one before mean nothing
// to it.
func (s *session) newOwner(name string) {
	s.mu.Lock()
	before := s.owner
	s.owner = name
	s.mu.Unlock()
	if before != "" && before != name {
		s.forgetAll()
	}
}

// event is what a signal says: that a notification is over, or which of its actions
// was chosen.
func event(sig *dbus.Signal) string {
	if sig.Name != signalAction || len(sig.Body) < 2 {
		return sig.Name
	}
	return sig.Name + " " + fmt.Sprint(sig.Body[1])
}

// answer returns what an action of n does, or nil.
func (n *Notification) answer(event string) func() {
	action, ok := strings.CutPrefix(event, signalAction)
	if !ok {
		return nil
	}
	action = strings.TrimSpace(action)
	for i, b := range n.Buttons {
		if action == strconv.Itoa(i) {
			return b.Do
		}
	}
	return n.OnClick
}

// happened tells a click and forgets the notification, so that it is told once.
func (s *session) happened(id uint32, event string) {
	s.mu.Lock()
	n, ok := s.shown[id]
	if ok {
		delete(s.shown, id)
		delete(s.numbers, n.ID)
	} else if s.showing && !strings.HasPrefix(s.early[id], signalAction) {
		s.early[id] = event
	}
	s.mu.Unlock()
	if do := n.answer(event); ok && do != nil {
		do()
	}
}

// begin returns the number of what is shown for id, or 0. Signals that
// overtake the answer to Notify are kept until end.
func (s *session) begin(id string) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.showing, s.early = true, map[uint32]string{}
	return s.numbers[id]
}

// end notes that n is shown under a number.
func (s *session) end(number uint32, n Notification, ok bool) {
	s.mu.Lock()
	signal, over := s.early[number]
	s.showing, s.early = false, nil
	if ok {
		delete(s.shown, s.numbers[n.ID])
		s.shown[number], s.numbers[n.ID] = n, number
	}
	s.mu.Unlock()
	if ok && over {
		s.happened(number, signal)
	}
}

// forget returns the number of what is shown for id. Its clicks are no longer
// told.
func (s *session) forget(id string) (uint32, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	number, ok := s.numbers[id]
	delete(s.numbers, id)
	delete(s.shown, number)
	return number, ok
}

func (s *session) forgetAll() []uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []uint32
	for number := range s.shown {
		all = append(all, number)
	}
	clear(s.shown)
	clear(s.numbers)
	return all
}
