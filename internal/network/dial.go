package network

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"keyporter/broker/account"
	"keyporter/internal/hint"
)

// Dial returns a dial function like d's that looks at each address just before the
// connection is made, so that a name cannot change its mind in between. A name of
// this computer that leads elsewhere is refused: what goes there need not be
// encrypted. So are the addresses at which clouds hand out credentials, and link-local
// ones behind a name of the internet.
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

// checkAddress says why no connection is made to an address that host is, or leads to.
//
// Devices without a router have link-local addresses (RFC 3927, RFC 4291 section
// 2.5.6). Who types one, or a name that such devices give themselves (RFC 6762),
// means it; a name of the internet has no business there.
func checkAddress(host string, to netip.Addr) error {
	switch {
	case account.Loopback(host) && !to.IsLoopback():
		return hint.New(hint.Refused, fmt.Sprintf("%s should be this computer, but leads elsewhere, to %s.", host, to),
			"Use the address 127.0.0.1, and ask whoever runs your network.")
	case Metadata(to):
		return hint.New(hint.Refused, fmt.Sprintf("%s leads to %s, where clouds keep credentials.", host, to), "Ask the owner of the server which address is right.")
	case Embedded(to).IsLinkLocalUnicast() && (to.Is6() && Embedded(to).Is4() || !ofTheLink(host)):
		return hint.New(hint.Refused, fmt.Sprintf("%s leads to %s, where only devices without a router are.", host, to),
			"If the server is such a device, use that address in place of its name.")
	}
	return nil
}

// ofTheLink reports whether a host is an address itself or a name of multicast DNS.
func ofTheLink(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil || strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), ".local")
}
