package main

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"keyporter/broker/local"
	"keyporter/internal/trayhost"
)

// windows returns a channel that hears of each window that appears on the
// display. It speaks the X Window System Protocol (version 11) as far as that
// takes: connection setup, ChangeWindowAttributes, MapNotify.
func windows(t *testing.T, d *desktop) <-chan uint32 {
	t.Helper()
	c := must(net.Dial("unix", "/tmp/.X11-unix/X"+strings.TrimPrefix(d.display, ":")))(t)
	le := binary.LittleEndian
	must(c.Write([]byte{'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0}))(t)
	head := make([]byte, 8)
	must(io.ReadFull(c, head))(t)
	if head[0] != 1 {
		t.Fatal("the display refused the connection")
	}
	setup := make([]byte, 4*int(le.Uint16(head[6:])))
	must(io.ReadFull(c, setup))(t)
	vendor, formats := int(le.Uint16(setup[16:])), int(setup[21])
	root := setup[32+(vendor+3)/4*4+8*formats:][:4]

	const eventMask, substructureNotify = 1 << 11, 1 << 19
	request := []byte{2, 0, 4, 0}
	request = append(request, root...)
	request = le.AppendUint32(request, eventMask)
	request = le.AppendUint32(request, substructureNotify)
	must(c.Write(request))(t)
	// The answer to GetInputFocus says that the server has done what came before.
	must(c.Write([]byte{43, 0, 1, 0}))(t)
	must(io.ReadFull(c, make([]byte, 32)))(t)

	mapped, ended := make(chan uint32, 16), make(chan struct{})
	go func() {
		defer close(ended)
		for event := make([]byte, 32); ; {
			if _, err := io.ReadFull(c, event); err != nil {
				return
			}
			const mapNotify = 19
			if event[0]&0x7f == mapNotify && event[12] == 0 { // not override-redirect: no menu or tooltip
				mapped <- le.Uint32(event[8:])
			}
		}
	}()
	t.Cleanup(func() {
		check(t, c.Close())
		<-ended
	})
	return mapped
}

// runs starts the tray app and an agent for it, and waits until it is in host's panel.
func (d *desktop) runs(t *testing.T, ctx context.Context, host *trayhost.Host) (agent *fakeAgent, first *program, item *trayhost.Item, mapped <-chan uint32) {
	t.Helper()
	agent = serveAgent(t, d.home+"/kp", state("ready"))
	mapped = windows(t, d)
	first = start(t, d.environ())
	item = must(host.Item(ctx))(t)
	receive(t, ctx, agent.watchers)
	must(item.WaitRow(ctx, "Open Keyporter…"))(t)
	return agent, first, item, mapped
}

// TestSecondStartOpensTheWindowOfTheFirst also looks at the entry Open Keyporter….
func TestSecondStartOpensTheWindowOfTheFirst(t *testing.T) {
	ctx, d := testContext(t), newDesktop(t)
	host := newHost(t, ctx, d)
	agent, first, item, mapped := d.runs(t, ctx, host)
	if len(mapped) > 0 {
		t.Error("a window is there though nobody asked for one")
	}
	second := start(t, d.environ())
	second.wait(t, ctx, 0)
	receive(t, ctx, mapped)
	if len(agent.watchers) > 0 {
		t.Error("the second one went to the agent")
	}
	check(t, item.Quit(ctx, "Quit (bridges keep running)"))
	first.wait(t, ctx, 0)
	// It is free again.
	third := start(t, d.environ("XDG_CURRENT_DESKTOP="), "--window")
	receive(t, ctx, mapped)
	must(host.Item(ctx))(t)
	check(t, third.cmd.Process.Signal(syscall.SIGTERM))
	third.wait(t, ctx, 0)
}

func TestWithoutAPanelTheWindowOpens(t *testing.T) {
	ctx, d := testContext(t), newDesktop(t)
	agent := serveAgent(t, d.home+"/kp", state("ready"))
	mapped := windows(t, d)
	p := start(t, d.environ())
	receive(t, ctx, mapped)
	receive(t, ctx, agent.watchers)
	check(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.wait(t, ctx, 0)

	// At login a panel may come later.
	looking := lookingForPanels(t, d)
	p = start(t, d.environ(), "--at-login")
	receive(t, ctx, agent.watchers)
	receive(t, ctx, looking)
	if len(mapped) > 0 {
		t.Error("the login opens a window")
	}
	check(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.wait(t, ctx, 0)
}

func TestAStartWithoutServersOpensTheWindow(t *testing.T) {
	ctx, d := testContext(t), newDesktop(t)
	empty := state("ready")
	empty.Servers = []local.ServerState{}
	agent := serveAgent(t, d.home+"/kp", empty)
	host := newHost(t, ctx, d)
	mapped := windows(t, d)
	p := start(t, d.environ(), "--at-login")
	receive(t, ctx, agent.watchers)
	item := must(host.Item(ctx))(t)
	must(item.WaitRow(ctx, "Keyporter — no servers yet"))(t)
	check(t, item.Quit(ctx, "Quit (bridges keep running)"))
	p.wait(t, ctx, 0)
	if len(mapped) > 0 {
		t.Error("the login opens a window")
	}
	start(t, d.environ())
	receive(t, ctx, mapped)
}

func TestWindowOutlivesTheSessionBus(t *testing.T) {
	ctx, d := testContext(t), newDesktop(t)
	agent := serveAgent(t, d.home+"/kp", state("ready"))
	mapped := windows(t, d)
	p := start(t, d.environ(), "--window")
	receive(t, ctx, mapped)
	receive(t, ctx, agent.watchers)
	d.endBus()
	agent.set(state(local.SignInNeeded))
	p.out.wait(t, ctx, "tray signal not sent")
	check(t, p.cmd.Process.Signal(syscall.SIGTERM))
	p.wait(t, ctx, 0)
}
