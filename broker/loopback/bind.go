package loopback

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"syscall"

	"keyporter/internal/hint"
)

// bind listens on both loopback addresses at one port, the one of the redirect
// URI's host first: whoever else held that port on the other address would get
// the answers of browsers that prefer it. A port in the redirect URI is the only
// one tried; else the preferred ones, then free ones.
func bind(ctx context.Context, redirect *url.URL, preferred []int) ([]net.Listener, error) {
	if p := redirect.Port(); p != "" && p != "0" {
		port, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return nil, hint.New(hint.Usage, fmt.Sprintf("%s is not a port.", p), "Use a port from 1 to 65535.")
		}
		ls, err := bindPort(ctx, redirect.Hostname(), int(port))
		if err != nil {
			if !inUse(err) {
				return nil, hint.Wrap(err, hint.Failed, fmt.Sprintf("The port %d, at which the browser has to come back, cannot be opened.", port),
					"Give another redirect URI that the authorization server knows.")
			}
			return nil, hint.Wrap(err, hint.Failed, taken(int(port)), release(int(port)))
		}
		return ls, nil
	}
	for _, port := range preferred {
		if port <= 0 || port > 65535 {
			continue
		}
		if ls, err := bindPort(ctx, redirect.Hostname(), port); err == nil {
			return ls, nil
		}
	}
	var err error
	for range 16 {
		var ls []net.Listener
		if ls, err = bindPort(ctx, redirect.Hostname(), 0); err == nil {
			return ls, nil
		}
	}
	return nil, hint.Wrap(err, hint.Failed, "No port on this computer could be opened for the browser to come back to.", "Try again.")
}

// inUse reports whether a port could not be bound because somebody has it.
func inUse(err error) bool {
	const windows = syscall.Errno(10048) // WSAEADDRINUSE, which package syscall has no name for
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, windows)
}

// bindPort listens on both addresses at one port; 0 takes a free one.
func bindPort(ctx context.Context, host string, port int) ([]net.Listener, error) {
	first, second := "127.0.0.1", "::1"
	if host == "::1" {
		first, second = second, first
	} else if ip := net.ParseIP(host); ip != nil {
		first = ip.String()
	}
	l, err := listen(ctx, first, port)
	if err != nil {
		return nil, err
	}
	port = l.Addr().(*net.TCPAddr).Port
	other, err := listen(ctx, second, port)
	if err == nil {
		return []net.Listener{l, other}, nil
	}
	// A computer without the other kind of address is fine; a port in use is not.
	probe, missing := listen(ctx, second, 0)
	if missing != nil {
		return []net.Listener{l}, nil
	}
	_ = probe.Close()
	_ = l.Close()
	return nil, err
}

func listen(ctx context.Context, host string, port int) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
}
