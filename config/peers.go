package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// ParsePeers reads a list such as addresses.trusted-proxies: IP addresses, prefixes, and the word unix for everyone who comes
// through a unix socket. Prefixes of IPv4 addresses written as IPv6 ones are not understood.
func ParsePeers(items []string) (prefixes []netip.Prefix, unix bool, err error) {
	for _, item := range items {
		if item == "unix" {
			unix = true
			continue
		}
		prefix, err := parsePrefix(item)
		if err != nil {
			return nil, false, err
		}
		prefixes = append(prefixes, prefix)
	}
	return prefixes, unix, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	const fix = "write an address, a prefix such as 10.0.0.0/8, or unix"
	prefix, err := netip.ParsePrefix(text)
	if ip, ipErr := netip.ParseAddr(text); ipErr == nil {
		prefix, err = netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	switch {
	case err != nil || prefix.Addr().Zone() != "" || !prefix.IsValid():
		return prefix, flawf(fix, "%s is neither an address nor a prefix", show(text))
	case prefix.Addr().Is4In6():
		return prefix, flawf("write it as IPv4, such as 10.0.0.0/8", "%s is IPv4 in the clothes of IPv6", show(text))
	case prefix.Bits() == 0:
		return prefix, flawf("write the prefixes of your proxies alone", "%s believes every stranger", show(text))
	case prefix != prefix.Masked():
		return prefix, flawf("write "+prefix.Masked().String(), "%s has bits set behind its prefix", show(text))
	}
	return prefix, nil
}

// addresses checks the lists of believed peers, and that a header and those whose header it is come together.
func (c *checker) addresses() {
	a := &c.cfg.Addresses
	for _, list := range []struct {
		path  string
		items []string
	}{{"addresses.proxy-protocol", a.ProxyProtocol}, {"addresses.trusted-proxies", a.TrustedProxies}} {
		for i, item := range list.items {
			path := fmt.Sprintf("%s[%d]", list.path, i)
			if _, _, err := ParsePeers([]string{item}); err != nil {
				c.refuse(path, err)
			} else if item == "unix" && c.sound("listen") && !c.listensAt("unix://") {
				c.refuse(path, flawf("write unix:///path in listen, or remove it", "no listen address is a unix socket"))
			}
		}
	}
	if !c.sound("addresses.header", "addresses.trusted-proxies") {
		return
	}
	switch {
	case a.Header == "none" && len(a.TrustedProxies) > 0:
		c.refuse("addresses.trusted-proxies", flawf("set addresses.header to the one that they write", "no header is read"))
	case a.Header != "none" && len(a.TrustedProxies) == 0:
		c.refuse("addresses.header", flawf("list your proxies in addresses.trusted-proxies", "nobody is trusted to write it"))
	}
}

// listensAt reports whether a listen address begins so.
func (c *checker) listensAt(scheme string) bool {
	for _, text := range c.cfg.Listen {
		if strings.HasPrefix(text, scheme) {
			return true
		}
	}
	return false
}
