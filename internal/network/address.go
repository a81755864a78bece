package network

import (
	"net/netip"
	"slices"
)

// metadata is where clouds hand a machine its credentials: most of them at
// 169.254.169.254; Amazon also to containers, Scaleway, Tencent and OpenStack also
// elsewhere on the link; Azure, Alibaba and Oracle off it; Amazon, Google, Oracle and
// Scaleway over IPv6.
var metadata = []netip.Prefix{
	netip.MustParsePrefix("169.254.169.0/24"), netip.MustParsePrefix("169.254.170.0/24"),
	netip.MustParsePrefix("169.254.42.42/32"), netip.MustParsePrefix("169.254.0.23/32"), netip.MustParsePrefix("fe80::a9fe:a9fe/128"),
	netip.MustParsePrefix("168.63.129.16/32"), netip.MustParsePrefix("100.100.100.200/32"), netip.MustParsePrefix("192.0.0.192/32"),
	netip.MustParsePrefix("fd00:ec2::/32"), netip.MustParsePrefix("fd20:ce::254/128"),
	netip.MustParsePrefix("fd00:c1::a9fe:a9fe/128"), netip.MustParsePrefix("fd00:42::42/128"),
}

// Metadata reports whether clouds hand out credentials at a, or at the IPv4 address
// that a carries.
func Metadata(a netip.Addr) bool {
	return slices.ContainsFunc(carried(a), func(a netip.Addr) bool {
		return slices.ContainsFunc(metadata, func(p netip.Prefix) bool { return p.Contains(a) })
	})
}

// Embedded returns the IPv4 address that a stands for, or a itself, without a zone: an
// address behind NAT64 is as private as the IPv4 address in it.
func Embedded(a netip.Addr) netip.Addr { return carried(a)[0] }

// carriers are the prefixes that carry an IPv4 address, and where its bytes are: RFC
// 6052 section 2.2, RFC 8215 (of whose prefix any part may be used), RFC 3056 section
// 2, RFC 4291 section 2.5.5.1, RFC 4380 section 4.
var carriers = []struct {
	prefix netip.Prefix
	at     [4]int
	mask   byte
}{
	{prefix: netip.MustParsePrefix("64:ff9b::/96"), at: [4]int{12, 13, 14, 15}},
	{prefix: netip.MustParsePrefix("64:ff9b:1::/48"), at: [4]int{12, 13, 14, 15}},
	{prefix: netip.MustParsePrefix("64:ff9b:1::/48"), at: [4]int{6, 7, 9, 10}},
	{prefix: netip.MustParsePrefix("64:ff9b:1::/48"), at: [4]int{7, 9, 10, 11}},
	{prefix: netip.MustParsePrefix("64:ff9b:1::/48"), at: [4]int{9, 10, 11, 12}},
	{prefix: netip.MustParsePrefix("2002::/16"), at: [4]int{2, 3, 4, 5}},
	{prefix: netip.MustParsePrefix("::/96"), at: [4]int{12, 13, 14, 15}},
	{prefix: netip.MustParsePrefix("2001::/32"), at: [4]int{12, 13, 14, 15}, mask: 0xff},
}

// carried returns the IPv4 addresses that a may stand for, the likeliest first, or a
// itself.
func carried(a netip.Addr) (all []netip.Addr) {
	a = a.WithZone("").Unmap()
	if !a.Is6() || a.IsLoopback() || a.IsUnspecified() {
		return []netip.Addr{a}
	}
	b := a.As16()
	for _, c := range carriers {
		if c.prefix.Contains(a) {
			all = append(all, netip.AddrFrom4([4]byte{b[c.at[0]] ^ c.mask, b[c.at[1]] ^ c.mask, b[c.at[2]] ^ c.mask, b[c.at[3]] ^ c.mask}))
		}
	}
	// ISATAP, RFC 5214 section 6.1, under any prefix.
	if b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
		all = append(all, netip.AddrFrom4([4]byte(b[12:])))
	}
	if all == nil {
		all = []netip.Addr{a}
	}
	return all
}
