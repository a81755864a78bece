package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/godbus/dbus/v5"
)

const (
	service = "org.freedesktop.Notifications"
	object  = dbus.ObjectPath("/org/freedesktop/Notifications")

	signalAction = service + ".ActionInvoked"
	signalClosed = service + ".NotificationClosed"
	signalOwner  = "org.freedesktop.DBus.NameOwnerChanged"

	// answerLimit bounds each answer of the bus and of the desktop's service,
	// which the bus may have to start first.
	answerLimit = 5 * time.Second
	// closeLimit bounds what Close waits for.
	closeLimit = 2 * time.Second
)

type platform = *desktop

// A desktop speaks to the notification service.
type desktop struct {
	getenv func(string) string
	turn   chan struct{} // holds a value while somebody shows, withdraws or closes

	mu      sync.Mutex
	session *session // nil without a connection
	closed  bool
}

func newPlatform(getenv func(string) string) platform {
	return &desktop{getenv: getenv, turn: make(chan struct{}, 1)}
}

// take waits for the turn; give ends it.
func (d *desktop) take(ctx context.Context) error {
	select {
	case d.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *desktop) give() { <-d.turn }

func (d *desktop) show(ctx context.Context, n Notification) error {
	if err := d.take(ctx); err != nil {
		return err
	}
	defer d.give()
	limit, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	s, err := d.connect(limit)
	if err == nil {
		err = s.notify(limit, n)
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%w: %v", ErrUnavailable, err)
	}
	return nil
}

func (d *desktop) withdraw(ctx context.Context, id string) error {
	if err := d.take(ctx); err != nil {
		return err
	}
	defer d.give()
	s := d.current()
	if s == nil {
		return nil
	}
	shown, ok := s.forget(id)
	if !ok {
		return nil
	}
	limit, cancel := context.WithTimeout(ctx, answerLimit)
	defer cancel()
	// The service answers with an error when the user was faster.
	if err := s.call(limit, "CloseNotification", shown).Err; err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return nil
}

func (d *desktop) close() {
	s := d.silence()
	if s != nil {
		s.conn.Close()
		<-s.ended // not in turn: a click may be waiting for its own
	}
}

// silence refuses what comes from now on and withdraws what is shown.
func (d *desktop) silence() *session {
	d.turn <- struct{}{}
	defer d.give()
	d.mu.Lock()
	d.closed = true
	s := d.session
	d.mu.Unlock()
	if s == nil {
		return nil
	}
	limit, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	for _, id := range s.forgetAll() {
		if s.call(limit, "CloseNotification", id).Err != nil && limit.Err() != nil {
			break
		}
	}
	return s
}

func (d *desktop) current() *session {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.session
}

// connect returns the connection that is there, or a new one. The caller has
// the turn.
func (d *desktop) connect(ctx context.Context) (*session, error) {
	d.mu.Lock()
	s, closed := d.session, d.closed
	d.mu.Unlock()
	if closed {
		return nil, errors.New("the notifier is closed")
	}
	if s != nil {
		return s, nil
	}
	conn, err := dialBus(ctx, busAddress(d.getenv))
	if err != nil {
		return nil, err
	}
	s = newSession(ctx, conn)
	d.mu.Lock()
	d.session = s
	d.mu.Unlock()
	go func() {
		defer close(s.ended)
		s.hear()
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.session == s {
			d.session = nil
		}
	}()
	return s, nil
}

// notify shows n. See the specification, "org.freedesktop.Notifications.Notify".
func (s *session) notify(ctx context.Context, n Notification) error {
	var can []string
	if err := s.call(ctx, "GetCapabilities").Store(&can); err != nil {
		return err
	}
	body := n.Text
	if slices.Contains(can, "body-markup") {
		body = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(body)
	}
	actions := []string{}
	if n.OnClick != nil && slices.Contains(can, "actions") {
		actions = append(actions, "default", "")
		if n.Button != "" {
			actions = append(actions, "act", n.Button)
		}
	}
	for i, b := range n.Buttons {
		if slices.Contains(can, "actions") {
			actions = append(actions, strconv.Itoa(i), b.Label)
		}
	}
	hints := map[string]dbus.Variant{
		"urgency":       dbus.MakeVariant(byte(1)), // normal
		"desktop-entry": dbus.MakeVariant("keyporter"),
	}
	replaces := s.begin(n.ID)
	var id uint32
	err := s.call(ctx, "Notify", "Keyporter", replaces, "", n.Title, body, actions, hints, int32(-1)).Store(&id)
	s.end(id, n, err == nil)
	return err
}
