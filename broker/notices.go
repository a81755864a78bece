package broker

import (
	"cmp"
	"context"
	"slices"
	"time"

	"keyporter/broker/account"
	"keyporter/broker/local"
)

// noticeAgain is how long after a notice was shown on the desktop it is shown
// again, when calls still wait for it.
const noticeAgain = 10 * time.Minute

// A notice is one thing that waits for the user, however many bridges ask.
type notice struct {
	local.Notice
	shown time.Time // when it was last shown by the agent
}

// raiseNotice asks the user to sign in to a server, which program wants to use, if
// that is known. The tray shows it if one is connected, else the agent does. One
// that waits for long already counts as new, so that the tray shows it again.
func (b *Broker) raiseNotice(server, program string) {
	b.raiseSignIn(server, program, false)
}

// signedOut tells the user that a server has ended a sign-in. It is the same notice
// as that of a program which wants the server, so there is one for both.
func (b *Broker) signedOut(s *account.Server) {
	if s.SignIn == "" || s.SignIn == account.SignInNotify {
		b.raiseSignIn(s.Name, "", true)
	}
}

func (b *Broker) raiseSignIn(server, program string, signedOut bool) {
	var show *local.Notice // a copy
	b.update(func() {
		if b.underWay(b.attemptName(server)) != nil {
			return
		}
		i := slices.IndexFunc(b.notices, func(n *notice) bool { return n.Kind == local.NoticeSignIn && n.Server == server })
		if i < 0 {
			b.notices = append(b.notices, &notice{Notice: local.Notice{
				ID: "sign-in " + server, Kind: local.NoticeSignIn, Server: server, SignedOut: signedOut, At: b.opt.Now(),
			}})
			i = len(b.notices) - 1
		}
		n := b.notices[i]
		if b.opt.Now().Sub(n.At).Abs() >= noticeAgain {
			n.At, n.Program, n.SignedOut = b.opt.Now(), "", signedOut
		}
		n.Program = cmp.Or(n.Program, program)
		n.Scopes = b.stepUps[server].missing
		show = b.toShow(n)
	})
	if show != nil {
		b.showNotice(*show, func() { b.noticeClicked(server) })
	}
}

// toShow returns a copy of a notice if the agent has to show it on the desktop: no
// tray is there to do it, and it was not shown just now. b.mu is held.
func (b *Broker) toShow(n *notice) *local.Notice {
	if b.trays > 0 || b.opt.Notify == nil && n.Kind != local.NoticeApproval || b.opt.Ask == nil && n.Kind == local.NoticeApproval || b.choices().Notifications == account.NotificationsOff ||
		!n.shown.IsZero() && b.opt.Now().Sub(n.shown).Abs() < noticeAgain {
		return nil
	}
	n.shown = b.opt.Now()
	shown := n.Notice
	return &shown
}

func (b *Broker) showNotice(n local.Notice, click func()) {
	b.task(func(ctx context.Context) {
		if err := b.opt.Notify(ctx, n, click); err != nil {
			b.opt.Log.Warn("notification not shown", "err", err)
		}
	})
}

// noticeClicked is the user's click on a notification that the agent showed: a
// person wants to sign in, so the browser opens.
func (b *Broker) noticeClicked(server string) {
	s, err := b.signInServer(server)
	if err != nil {
		return
	}
	b.task(func(context.Context) {
		if err := b.startSignIn(s, person); err != nil {
			b.opt.Log.Warn("sign-in from a notification", "server", server, "err", err)
		}
	})
}

// dropNotice withdraws the notices of a server. b.mu is held.
func (b *Broker) dropNotice(server string) {
	b.dropNotices(func(n *notice) bool {
		return n.Kind == local.NoticeSignIn && (n.Server == server || b.attemptName(n.Server) == server)
	})
}

// dropNotices withdraws notices. b.mu is held.
func (b *Broker) dropNotices(which func(*notice) bool) {
	b.notices = slices.DeleteFunc(b.notices, func(n *notice) bool {
		if !which(n) {
			return false
		}
		b.withdraw(n)
		return true
	})
}

// withdrawNotices takes the agent's own notifications away, because a tray shows
// them from now on.
func (b *Broker) withdrawNotices() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.notices {
		b.withdraw(n)
	}
}

// withdraw takes one notification away without waiting for it. b.mu is held.
func (b *Broker) withdraw(n *notice) {
	if n.shown.IsZero() || b.opt.Withdraw == nil {
		return
	}
	n.shown = time.Time{}
	id := n.ID
	b.spawn(func(ctx context.Context) {
		if err := b.opt.Withdraw(ctx, id); err != nil {
			b.opt.Log.Debug("notification not withdrawn", "err", err)
		}
	})
}

// task runs f in a goroutine that Run waits for. f returns once its context is
// done. It reports false, and runs nothing, when the Broker is ending.
func (b *Broker) task(f func(context.Context)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.spawn(f)
}

// spawn is task with b.mu held.
func (b *Broker) spawn(f func(context.Context)) bool {
	if b.closing {
		return false
	}
	b.tasks.Go(func() { f(b.life) })
	return true
}
