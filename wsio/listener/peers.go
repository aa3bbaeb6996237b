package listener

import (
	"net"
	"net/netip"
	"slices"
)

// Peers is a set of machines whose word is believed. The zero value is nobody.
type Peers struct {
	Prefixes []netip.Prefix // of IP addresses; an IPv4 address is the same however it is written
	Unix     bool           // those who connect through a unix socket
}

// HasIP reports whether an address is in one of the prefixes.
func (p Peers) HasIP(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return slices.ContainsFunc(p.Prefixes, func(prefix netip.Prefix) bool { return prefix.Contains(ip) })
}

// Has reports whether the machine at the other end of a connection is one of them.
func (p Peers) Has(peer net.Addr) bool {
	switch a := peer.(type) {
	case *net.TCPAddr:
		return p.HasIP(a.AddrPort().Addr())
	case *net.UnixAddr:
		return p.Unix
	}
	return false
}

// TCPAddr is an address in the one way in which a device's is written: IPv4 as such, no zone.
func TCPAddr(ip netip.Addr, port uint16) *net.TCPAddr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(ip.Unmap().WithZone(""), port))
}
