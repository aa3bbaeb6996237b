package handshake

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"mqtt-ws-bridge/wsio/listener"
)

// AddressHeader is the header in which proxies say for whom they speak.
type AddressHeader string

// The headers that can be believed. There is one at a time: a proxy that writes one of them passes the other on as a stranger
// wrote it.
const (
	NoHeader      AddressHeader = ""
	XForwardedFor AddressHeader = "X-Forwarded-For"
	Forwarded     AddressHeader = "Forwarded" // RFC 7239
)

// deviceAddr returns the address of the device that r comes from, or nil if that is the peer itself.
//
// The list is read from the right: its last item was written by the peer, the one before it by the machine that the last item
// names, and so on. Reading stops at the first machine that is not trusted, which is the device. It also stops at an item that
// is no address: what stands before it nobody trustworthy vouches for, so the device is taken to be the proxy that wrote it.
func (h *Handler) deviceAddr(r *http.Request) net.Addr {
	header := h.opts.AddressHeader
	if header == NoHeader || !h.trustsPeer(r) {
		return nil
	}
	var device net.Addr
	items := reversed{lines: r.Header.Values(string(header)), quoted: header == Forwarded}
	for {
		item, ok := items.next()
		if !ok {
			return device
		}
		if header == Forwarded {
			item, ok = forwardedFor(item)
		}
		node, isAddr := parseNode(item)
		if !ok || !isAddr {
			return device
		}
		device = listener.TCPAddr(node.Addr(), node.Port())
		if !h.opts.TrustedProxies.HasIP(node.Addr()) {
			return device
		}
	}
}

// trustsPeer reports whether the list may be looked at. The peer is whom the connection or its PROXY header names.
func (h *Handler) trustsPeer(r *http.Request) bool {
	if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		return h.opts.TrustedProxies.HasIP(peer.Addr())
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && h.opts.TrustedProxies.Has(local) // a unix socket, whose peers have no address
}

// reversed gives the items of a list header from right to left, a list spread over several lines included.
type reversed struct {
	lines  []string
	quoted bool // commas within quotes part nothing
	rest   string
	inside bool // rest is what is left of a line
}

// next returns the next item to the left without the spaces around it. An empty item is one too.
func (l *reversed) next() (item string, ok bool) {
	if !l.inside {
		if len(l.lines) == 0 {
			return "", false
		}
		l.rest, l.lines = l.lines[len(l.lines)-1], l.lines[:len(l.lines)-1]
	}
	comma := l.lastComma()
	item, l.inside = l.rest[comma+1:], comma >= 0
	l.rest = l.rest[:max(comma, 0)]
	return strings.Trim(item, " \t"), true
}

// lastComma finds the comma before the last item, or -1. Quotes are paired from the right, so that one which a stranger left
// open further left takes nothing from what the trusted proxy wrote.
func (l *reversed) lastComma() int {
	if !l.quoted {
		return strings.LastIndexByte(l.rest, ',')
	}
	within := false
	for i := len(l.rest) - 1; i >= 0; i-- {
		switch {
		case l.rest[i] == '"':
			within = !within
		case l.rest[i] == ',' && !within:
			return i
		}
	}
	return -1
}

// forwardedFor returns the value of the one parameter "for" of an item of Forwarded (RFC 7239 section 4). An item that does not
// follow the grammar has none. Backslashes in quotes are not understood: no address needs one.
func forwardedFor(item string) (value string, ok bool) {
	for item != "" {
		name, rest, found := strings.Cut(item, "=")
		if !found || !isToken(name) {
			return "", false
		}
		var v string
		if quoted, is := strings.CutPrefix(rest, `"`); is {
			end := strings.IndexAny(quoted, `"\`)
			if end < 0 || quoted[end] == '\\' {
				return "", false
			}
			v, rest = quoted[:end], quoted[end+1:]
		} else {
			end := strings.IndexByte(rest+";", ';')
			v, rest = rest[:end], rest[end:]
			if strings.ContainsAny(v, `" `+"\t") {
				return "", false
			}
		}
		if rest != "" {
			if rest[0] != ';' || len(rest) == 1 {
				return "", false
			}
			rest = rest[1:]
		}
		if strings.EqualFold(name, "for") {
			if ok {
				return "", false // RFC 7239 section 4: not more than once
			}
			value, ok = v, true
		}
		item = rest
	}
	return value, ok
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

// parseNode reads an address as proxies write it: IPv4 or IPv6, with or without brackets and port. A zone is refused: it is free
// text, and of no meaning outside the machine that wrote it.
func parseNode(s string) (netip.AddrPort, bool) {
	if bare, ok := strings.CutPrefix(s, "["); ok {
		if bare, ok = strings.CutSuffix(bare, "]"); ok {
			ip, err := netip.ParseAddr(bare)
			return netip.AddrPortFrom(ip, 0), err == nil && ip.Is6() && ip.Zone() == ""
		}
	}
	if ip, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(ip, 0), ip.Zone() == ""
	}
	node, err := netip.ParseAddrPort(s)
	return node, err == nil && node.Addr().Zone() == ""
}
