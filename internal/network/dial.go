package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"keyporter/broker/account"
	"keyporter/internal/hint"
)

// Dial returns a dial function like d's that looks at each address just before the
// connection is made, so that a name cannot change its mind in between. A name of
// this computer that leads elsewhere is refused: what goes there need not be
// encrypted. So are the addresses at which clouds hand out credentials.
func Dial(d *net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		guarded := *d
		guarded.Control = func(network, resolved string, c syscall.RawConn) error {
			to, err := netip.ParseAddrPort(resolved)
			if err == nil {
				err = checkAddress(host, to.Addr().Unmap().WithZone(""))
			}
			if err != nil || d.Control == nil {
				return err
			}
			return d.Control(network, resolved, c)
		}
		return guarded.DialContext(ctx, network, address)
	}
}

// Where clouds hand a machine its credentials: nearly all of them at the first,
// Amazon to containers and over IPv6 elsewhere, Alibaba and Oracle at their own.
var metadata = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), netip.MustParseAddr("169.254.170.2"), netip.MustParseAddr("169.254.170.23"),
	netip.MustParseAddr("fd00:ec2::254"), netip.MustParseAddr("fd00:ec2::23"),
	netip.MustParseAddr("100.100.100.200"), netip.MustParseAddr("192.0.0.192"),
}

func checkAddress(host string, to netip.Addr) error {
	switch {
	case account.Loopback(host) && !to.IsLoopback():
		return hint.New(hint.Refused, fmt.Sprintf("%s should be this computer, but leads elsewhere, to %s.", host, to),
			"Use the address 127.0.0.1, and ask whoever runs your network.")
	case slices.Contains(metadata, to):
		return hint.New(hint.Refused, fmt.Sprintf("%s leads to %s, where clouds keep credentials.", host, to), "Ask the owner of the server which address is right.")
	}
	return nil
}
