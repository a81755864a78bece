//go:build unix

// Package peertest plays another user at a socket, for tests of who may speak there.
// Only root can be somebody else: a user namespace without root has one user, unless
// the system gave this one more of them (/etc/subuid), which few do.
package peertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
)

// Nobody is the user that is played.
const Nobody = 65534

const (
	program   = "/proc/self/exe"
	knocks    = "peertest-knocks" // with the socket, and what to say
	squats    = "peertest-squats" // likewise
	listening = "listening\n"
)

// Possible reports whether this process can play another user.
func Possible() bool {
	_, err := os.Stat(program)
	return os.Getuid() == 0 && err == nil
}

// Main is called by an init of the tests. Where Knock or Squat has started the test
// binary, it does what they want and does not return.
func Main() {
	if len(os.Args) != 4 {
		return
	}
	switch socket, says := os.Args[2], os.Args[3]; os.Args[1] {
	case knocks:
		fmt.Print(Say(socket, says))
	case squats:
		if err := squat(socket, says); err != nil {
			fmt.Print(err)
			syscall.Exit(1)
		}
	default:
		return
	}
	syscall.Exit(0) // not os.Exit, with which the race detector waits a second
}

// Say says something at a socket, as this user, and returns all that comes back.
func Say(socket, says string) string {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return "cannot connect: " + err.Error()
	}
	defer c.Close()
	_, _ = io.WriteString(c, says) // may be too late
	b, _ := io.ReadAll(c)          // a reset is as good as an end
	return string(b)
}

// squat listens until the standard input ends, says something to each who connects,
// and then prints what it was told.
func squat(socket, says string) error {
	l, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	if err := os.Chmod(socket, 0o777); err != nil {
		return err
	}
	told := make(chan string) // once, at the end
	go func() {
		var all bytes.Buffer
		for {
			c, err := l.Accept()
			if err != nil {
				told <- all.String()
				return
			}
			_, _ = io.WriteString(c, says)
			_, _ = all.ReadFrom(c)
			c.Close()
		}
	}()
	fmt.Print(listening)
	_, _ = io.Copy(io.Discard, os.Stdin)
	l.Close()
	fmt.Print(<-told)
	return nil
}

// Knock is Say as another user. dir takes a copy of the test binary, and
// has to be open to everybody.
func Knock(ctx context.Context, dir, socket, says string) (string, error) {
	return KnockAs(ctx, Nobody, dir, socket, says)
}

// KnockAs is Knock as a certain user.
func KnockAs(ctx context.Context, uid uint32, dir, socket, says string) (string, error) {
	cmd, err := as(ctx, uid, dir, knocks, socket, says)
	if err != nil {
		return "", err
	}
	out, err := cmd.Output()
	return string(out), err
}

// Squat lets another user listen at a socket, and say something to each who connects.
// told ends that, and returns what was said to them. dir is as for Knock; the
// socket's folder is one that everybody can write to.
func Squat(ctx context.Context, dir, socket, says string) (told func() (string, error), err error) {
	cmd, err := as(ctx, Nobody, dir, squats, socket, says)
	if err != nil {
		return nil, err
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	end := func() (string, error) {
		in.Close()
		said, err := io.ReadAll(out)
		return string(said), errors.Join(err, cmd.Wait())
	}
	first := make([]byte, len(listening))
	if n, _ := io.ReadFull(out, first); string(first) != listening {
		rest, err := end()
		return nil, fmt.Errorf("it does not listen: %s%s (%w)", first[:n], rest, err)
	}
	return end, nil
}

// as makes a command that runs a copy of the test binary as a user.
func as(ctx context.Context, uid uint32, dir string, args ...string) (*exec.Cmd, error) {
	self, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	child, err := writeProgram(dir, self)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, child, args...)
	cmd.Dir, cmd.Env, cmd.Stderr = "/", []string{}, os.Stderr
	if int(uid) != os.Getuid() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	}
	return cmd, nil
}

// writeProgram writes a file that is to be started. A child of another test that
// inherited it, open for writing, would keep it from being started.
func writeProgram(dir string, content []byte) (string, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	f, err := os.CreateTemp(dir, "child")
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	return f.Name(), errors.Join(err, f.Chmod(0o755), f.Close())
}
