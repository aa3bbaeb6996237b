package bridge

import "net/netip"

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
