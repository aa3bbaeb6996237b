package wsio_test

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/handshake"
	"mqtt-ws-bridge/wsio/listener"
	"mqtt-ws-bridge/wsio/refusal"
)

// believed is a set of peers by prefixes, or "unix".
func believed(texts ...string) (p listener.Peers) {
	for _, text := range texts {
		if text == "unix" {
			p.Unix = true
			continue
		}
		p.Prefixes = append(p.Prefixes, netip.MustParsePrefix(text))
	}
	return p
}

// seen is what the bridge's other parts are told of one device: by the request in Accepted or Refused, and by the connection.
type seen struct{ request, conn string }

// watchAddresses has the options tell of each device.
func watchAddresses(opts handshake.Options) (handshake.Options, chan seen) {
	told := make(chan seen, 1)
	opts.Accepted = func(c *frame.Conn, r *http.Request) {
		told <- seen{r.RemoteAddr, c.RemoteAddr().String()}
		_ = c.Close()
	}
	opts.Refused = func(r *http.Request, _ refusal.Refusal) { told <- seen{r.RemoteAddr, ""} }
	return opts, told
}

// wantSeen expects one device with this address; "" is the address of the socket's other end.
func wantSeen(t *testing.T, told chan seen, peer, want string, refused bool) {
	t.Helper()
	if want == "" {
		want = peer
	}
	expected := seen{want, want}
	if refused {
		expected.conn = ""
	}
	select {
	case got := <-told:
		if got != expected {
			t.Errorf("address of the device %+v, want %+v", got, expected)
		}
	case <-time.After(patience):
		t.Error("nobody was told of the device")
	}
}

// forwardedCases are what 127.0.0.1 sends while it and 10.0.0.0/8 are trusted, and 2001:db8:1::/48; "" is the peer.
var forwardedCases = []struct {
	name   string
	header handshake.AddressHeader
	lines  string
	want   string
}{
	{"one_hop", "X-Forwarded-For", "X-Forwarded-For: 203.0.113.7", "203.0.113.7:0"},
	{"with_port", "X-Forwarded-For", "X-Forwarded-For: 203.0.113.7:4711", "203.0.113.7:4711"},
	{"ipv6", "X-Forwarded-For", "X-Forwarded-For: 2001:db8::1", "[2001:db8::1]:0"},
	{"ipv6_brackets", "X-Forwarded-For", "X-Forwarded-For: [2001:db8::1]", "[2001:db8::1]:0"},
	{"ipv6_port", "X-Forwarded-For", "X-Forwarded-For: [2001:db8::1]:99", "[2001:db8::1]:99"},
	{"ipv4_as_ipv6", "X-Forwarded-For", "X-Forwarded-For: ::ffff:203.0.113.7", "203.0.113.7:0"},
	{"chain", "X-Forwarded-For", "X-Forwarded-For: 203.0.113.7, 10.1.1.1,10.2.2.2", "203.0.113.7:0"},
	{"chain_of_both_families", "X-Forwarded-For", "X-Forwarded-For: 203.0.113.7, 2001:db8:1::5, ::ffff:10.2.2.2", "203.0.113.7:0"},
	{"all_trusted", "X-Forwarded-For", "X-Forwarded-For: 10.3.3.3, 10.1.1.1", "10.3.3.3:0"},
	{"several_lines", "X-Forwarded-For", "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.7\r\nX-Forwarded-For: 10.2.2.2", "203.0.113.7:0"},
	{"absent", "X-Forwarded-For", "X-Other: 6.6.6.6", ""},
	{"attack_40_spoofed_left", "X-Forwarded-For", "X-Forwarded-For: 6.6.6.6, 10.0.0.1, 203.0.113.7", "203.0.113.7:0"},
	{"attack_40_empty", "X-Forwarded-For", "X-Forwarded-For:", ""},
	{"attack_40_commas", "X-Forwarded-For", "X-Forwarded-For: ,,,", ""},
	{"attack_40_empty_item_hides_nothing", "X-Forwarded-For", "X-Forwarded-For: 6.6.6.6, ", ""},
	{"attack_40_garbage_is_not_jumped_over", "X-Forwarded-For", "X-Forwarded-For: 6.6.6.6, unknown, 10.2.2.2", "10.2.2.2:0"},
	{"attack_40_garbage", "X-Forwarded-For", "X-Forwarded-For: \x01\x7f" + "'\"; DROP", ""},
	{"attack_40_zone", "X-Forwarded-For", "X-Forwarded-For: fe80::1%reason=admin", ""},
	{"attack_40_octal", "X-Forwarded-For", "X-Forwarded-For: 6.6.6.6, 010.0.0.1", ""},
	{"attack_40_other_header", "X-Forwarded-For", "Forwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6", ""},
	{"attack_40_off", "", "Forwarded: for=6.6.6.6\r\nX-Forwarded-For: 6.6.6.6", ""},
	{"attack_40_many", "X-Forwarded-For", "X-Forwarded-For: " + strings.Repeat("10.0.0.1,", 1500) + "10.0.0.1", "10.0.0.1:0"},
	{"rfc7239", "Forwarded", `Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43`, "192.0.2.60:0"},
	{"rfc7239_ipv6", "Forwarded", `Forwarded: For="[2001:db8:cafe::17]:4711"`, "[2001:db8:cafe::17]:4711"},
	{"rfc7239_chain", "Forwarded", `Forwarded: for=6.6.6.6, for=192.0.2.43, for="10.2.2.2:80";host="a,b;c"`, "192.0.2.43:0"},
	{"rfc7239_other_order", "Forwarded", `Forwarded: proto=https;by=_x;for=192.0.2.43`, "192.0.2.43:0"},
	{"rfc7239_unknown", "Forwarded", `Forwarded: for=6.6.6.6, for=unknown, for=10.2.2.2`, "10.2.2.2:0"},
	{"rfc7239_obfuscated", "Forwarded", `Forwarded: for=6.6.6.6, for=_hidden`, ""},
	{"attack_40_rfc7239_open_quote", "Forwarded", `Forwarded: for="6.6.6.6, for="[2001:db8::1]"`, "[2001:db8::1]:0"},
	{"attack_40_rfc7239_open_quote_token", "Forwarded", `Forwarded: for="6.6.6.6, for=203.0.113.7`, "203.0.113.7:0"},
	{"attack_40_rfc7239_backslash", "Forwarded", `Forwarded: for="\",for=6.6.6.6,x=\"", for=203.0.113.7`, "203.0.113.7:0"},
	{"attack_40_rfc7239_twice", "Forwarded", `Forwarded: for=203.0.113.7;host=x;for=6.6.6.6`, ""},
	{"attack_40_rfc7239_no_for", "Forwarded", `Forwarded: for=6.6.6.6, proto=http`, ""},
	{"attack_40_rfc7239_half", "Forwarded", `Forwarded: for=203.0.113.7;`, ""},
	{"attack_40_rfc7239_spaces", "Forwarded", `Forwarded: for = 203.0.113.7`, ""},
	{"attack_40_rfc7239_after_quotes", "Forwarded", `Forwarded: for="203.0.113.7"6`, ""},
	{"attack_40_rfc7239_empty", "Forwarded", `Forwarded: for=, for=""`, ""},
}

// TestAttack40_forwarded_addresses: the device is the rightmost machine that is not trusted, whatever a stranger wrote further
// left, and everybody hears the same.
func TestAttack40_forwarded_addresses(t *testing.T) {
	for _, c := range forwardedCases {
		t.Run(c.name, func(t *testing.T) {
			opts, told := watchAddresses(handshake.Options{AddressHeader: c.header, TrustedProxies: believed("127.0.0.1/32", "10.0.0.0/8", "2001:db8:1::/48")})
			s := startServer(t, serverConfig{opts: opts, tls: nil})
			for _, refused := range []bool{false, true} {
				request := without("", c.lines+"\r\n")
				if refused {
					request = without(offersMQTT, c.lines+"\r\n")
				}
				nc := s.dial(t)
				if _, err := nc.Write([]byte(request)); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(c.lines, "\x01") { // net/http refuses it before anyone looks at it
					got := make([]byte, 12)
					if _, err := nc.Read(got); err != nil || string(got) != "HTTP/1.1 400" {
						t.Errorf("answered %q, %v", got, err)
					}
					continue
				}
				wantSeen(t, told, nc.LocalAddr().String(), c.want, refused)
			}
		})
	}
}

// TestAttack40_stranger: who is not trusted is the device, whatever list it sends.
func TestAttack40_stranger(t *testing.T) {
	for name, header := range map[handshake.AddressHeader]string{
		handshake.XForwardedFor: "X-Forwarded-For: 10.0.0.1\r\n", handshake.Forwarded: "Forwarded: for=10.0.0.1\r\n",
	} {
		opts, told := watchAddresses(handshake.Options{AddressHeader: name, TrustedProxies: believed("10.0.0.0/8", "unix")})
		s := startServer(t, serverConfig{opts: opts})
		nc := s.dial(t)
		if _, err := nc.Write([]byte(without("", header))); err != nil {
			t.Fatal(err)
		}
		wantSeen(t, told, nc.LocalAddr().String(), "", false)
	}
}

// TestUnixPeers have no address of their own: their word counts if sockets are trusted, and then only.
func TestUnixPeers(t *testing.T) {
	const header = "X-Forwarded-For: 203.0.113.7\r\n"
	for name, c := range map[string]struct {
		trusted listener.Peers
		want    string
	}{
		"trusted":   {believed("unix"), "203.0.113.7:0"},
		"attack_40": {believed("127.0.0.1/32"), "@"},
	} {
		t.Run(name, func(t *testing.T) {
			opts, told := watchAddresses(handshake.Options{AddressHeader: handshake.XForwardedFor, TrustedProxies: c.trusted})
			s := startServer(t, serverConfig{opts: opts, unix: true})
			nc := s.dial(t)
			if _, err := nc.Write([]byte(without("", header))); err != nil {
				t.Fatal(err)
			}
			wantSeen(t, told, "", c.want, false)
		})
	}
}

// FuzzAttack40_forwarded: no list makes a device of a machine that no item names, and none breaks the handshake.
func FuzzAttack40_forwarded(f *testing.F) {
	for _, c := range forwardedCases {
		name, value, _ := strings.Cut(c.lines, ": ")
		f.Add(value, name == "Forwarded")
	}
	opts, told := watchAddresses(handshake.Options{})
	f.Fuzz(func(t *testing.T, value string, rfc7239 bool) {
		opts.AddressHeader, opts.TrustedProxies = handshake.XForwardedFor, believed("10.0.0.0/8")
		if rfc7239 {
			opts.AddressHeader = handshake.Forwarded
		}
		r := &http.Request{Method: "PUT", RemoteAddr: "10.0.0.1:1", Header: http.Header{string(opts.AddressHeader): {value}}}
		r.URL = mustURL("/mqtt")
		handshake.NewHandler(opts).ServeHTTP(discard{}, r)
		got := <-told
		host, _, err := net.SplitHostPort(got.request)
		ip, err2 := netip.ParseAddr(host)
		if err != nil || err2 != nil || ip.Zone() != "" || ip.Is4In6() {
			t.Fatalf("address %q", got.request)
		}
		if got.request != r.RemoteAddr && !names(value, ip) {
			t.Errorf("%q made %s of the device", value, got.request)
		}
	})
}

// names reports whether an address stands in a list of any kind.
func names(list string, ip netip.Addr) bool {
	for _, word := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(",;=\"[] \t", r) }) {
		node, _ := netip.ParseAddrPort(word)
		if addr, err := netip.ParseAddr(word); err == nil {
			node = netip.AddrPortFrom(addr, 0)
		}
		if node.Addr().Unmap() == ip {
			return true
		}
	}
	return false
}

// discard is a ResponseWriter that nobody reads.
type discard struct{}

func (discard) Header() http.Header         { return make(http.Header) }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func mustURL(text string) *url.URL {
	u, err := url.Parse(text)
	if err != nil {
		panic(err)
	}
	return u
}
