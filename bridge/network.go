package bridge

import (
	"net"
	"net/netip"
)

// Network is what an address without a port counts as: an IPv4 address by itself, an IPv6 address with the others that have the
// same first bits. False for one that is none, such as that of a socket file.
func Network(address string, bits int) (netip.Prefix, bool) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}, false
	}
	a = a.Unmap().WithZone("")
	if a.Is4() {
		bits = 32
	}
	p, err := a.Prefix(bits)
	return p, err == nil
}

// site is how many bits of an IPv6 address the network of a site has in common (RFC 6177).
const site = 48

// neighbors names the group of the device's address.
func (s *session) neighbors() string { return Neighbors(s.dev.RemoteAddr().String()) }

// Neighbors names the group of an address, with or without a port, in the queues for what is slow: an IPv4 address is one by itself, an IPv6
// address is in one with its site, where one machine can have any number of networks. Whatever has no IP address is in one group.
func Neighbors(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		address = host
	}
	if n, ok := Network(address, site); ok {
		return n.String()
	}
	return ""
}
