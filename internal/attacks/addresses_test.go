//go:build linux

package attacks

import (
	"crypto/tls"
	"encoding/binary"
	"net"
	"strings"
	"testing"
	"unicode"
)

// deviceOf is the address in a log line, without the port.
func deviceOf(line map[string]any) string {
	text, _ := line["device"].(string)
	if host, _, err := net.SplitHostPort(text); err == nil {
		return host
	}
	return text
}

// TestAttack40_forwarded_for: only a trusted proxy can say who a device is, and only what it says itself.
func TestAttack40_forwarded_for(t *testing.T) {
	k := plain(t)
	for i, c := range []struct{ name, from, lines, want string }{
		{"from_a_stranger", "127.6.0.1", "X-Forwarded-For: 192.0.2.1\r\n", "127.6.0.1"},
		{"the_other_header", trustedProxy, "Forwarded: for=192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\n", trustedProxy},
		{"through_the_proxy", trustedProxy, "X-Forwarded-For: 198.51.100.7\r\n", "198.51.100.7"},
		{"forged_on_the_left", trustedProxy, "X-Forwarded-For: 192.0.2.1, 127.7.0.9, 198.51.100.7\r\n", "198.51.100.7"},
		{"forged_in_a_line_before", trustedProxy, "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 198.51.100.7\r\n", "198.51.100.7"},
		{"second_proxy", trustedProxy, "X-Forwarded-For: 192.0.2.1, 198.51.100.7, 127.7.0.9\r\n", "198.51.100.7"},
		{"empty", trustedProxy, "X-Forwarded-For:\r\n", trustedProxy},
		{"commas", trustedProxy, "X-Forwarded-For: ,,,\r\n", trustedProxy},
		{"junk", trustedProxy, "X-Forwarded-For: 192.0.2.1, unknown\r\n", trustedProxy},
		{"number", trustedProxy, "X-Forwarded-For: 3221225985\r\n", trustedProxy},
		{"zone", trustedProxy, "X-Forwarded-For: fe80::1%eth0\r\n", trustedProxy},
		{"thousands", trustedProxy, "X-Forwarded-For: " + strings.Repeat("127.7.0.9,", 1500) + "127.7.0.9\r\n", "127.7.0.9"},
	} {
		request := strings.Replace(with(c.lines), offerLine, "", 1)
		if status, _ := reachFrom(t, k.bridge.WS, c.from).say(request).refusal(); status != 400 {
			t.Errorf("%s: answered with %d", c.name, status)
		}
		if got := deviceOf(k.wantReason("subprotocol", i+1)[i]); got != c.want {
			t.Errorf("%s: the device is %q, want %q", c.name, got, c.want)
		}
	}
}

// v2 is a PROXY header of version 2 for TCP over IPv4 from 198.51.100.7, with these bytes behind the addresses.
func v2(tlvs string) string {
	addresses := "\xc6\x33\x64\x07\x7f\x00\x00\x01\x12\x34\x00\x50"
	head := binary.BigEndian.AppendUint16([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11"), uint16(len(addresses)+len(tlvs)))
	return string(head) + addresses + tlvs
}

// TestAttack41_proxy_header: a listed machine must send a good PROXY header, and from all others one is a broken request.
func TestAttack41_proxy_header(t *testing.T) {
	k := plain(t)
	bad := map[string]string{
		"none":         goodHello,
		"too_long":     "PROXY TCP4 198.51.100.7 127.0.0.1 " + strings.Repeat("0", 200) + "80 80\r\n" + goodHello,
		"no_end":       "PROXY TCP4 " + strings.Repeat("1", 4096),
		"no_address":   "PROXY TCP4 pump 127.0.0.1 1 2\r\n" + goodHello,
		"injection":    "PROXY TCP4 198.51.100.7\nforged 127.0.0.1 1 2\r\n" + goodHello,
		"huge_v2":      v2(strings.Repeat("\x04\x00\x05aaaaa", 8000)),
		"cut_tlv":      v2("\x02\xff\xff") + goodHello,
		"v2_of_udp":    strings.Replace(v2(""), "\x21\x11", "\x21\x12", 1) + goodHello,
		"v2_version_3": strings.Replace(v2(""), "\x21\x11", "\x31\x11", 1) + goodHello,
	}
	for name, text := range bad {
		if status, _ := reachFrom(t, k.bridge.WS, proxyHost).say(text).refusal(); status != 0 {
			t.Errorf("%s: answered with %d", name, status)
		}
	}
	slow := reachFrom(t, k.bridge.WS, proxyHost).say("PROXY TCP4 ")
	go drip(slow, "1", shortTime/20)
	if status, _ := slow.refusal(); status != 0 {
		t.Errorf("a slow header is answered with %d", status)
	}
	k.wantReason("proxy-header", len(bad)+1)
	for _, text := range []string{"PROXY TCP4 198.51.100.7 127.0.0.1 1 2\r\n" + goodHello, v2("") + goodHello} {
		if status, _ := reach(t, k.bridge.WS).say(text).refusal(); status != 400 {
			t.Errorf("a stranger's header is answered with %d", status)
		}
	}
	if strings.Contains(k.said(), `"device":"198.51.100.7`) {
		t.Error("a forged address was believed")
	}
	tlv := "\x02\x00\x0aa\r\nb\x1b[31mc" // an authority with control bytes, which goes nowhere
	for _, header := range []string{"PROXY TCP4 198.51.100.7 127.0.0.1 4660 80\r\n", v2(tlv)} {
		reachFrom(t, k.bridge.WS, proxyHost).say(header).upgraded(goodHello).send(publish("x", "")).wantEnd(1002)
	}
	for _, line := range k.wantReason("not-connect", 2) {
		if got := line["device"]; got != "198.51.100.7:4660" {
			t.Errorf("the device is %q", got)
		}
	}
	if strings.Contains(k.said(), "31mc") {
		t.Error("a TLV is in the log")
	}
}

// TestAttack42_log_injection: a stranger's text makes no line of its own, in JSON or for people, and says nothing to a terminal.
func TestAttack42_log_injection(t *testing.T) {
	k := plain(t)
	const evil = "a\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}\r\n\x1b[2J\x07\x9b31m\u2028\u202e\x00"
	header := strings.NewReplacer("\r", "", "\n", "", "\x00", "", "\x07", "", "\x1b", "").Replace(evil)
	reach(t, k.bridge.WS).say(strings.Replace(with("User-Agent: "+header+"\r\n"), offerLine, "Sec-WebSocket-Protocol: "+header+"\r\n", 1)).refusal()
	reach(t, k.bridge.WS).say("GET /%0d%0a%1b[2Jforged HTTP/1.1\r\n" + goodLines + "\r\n").refusal()
	reach(t, k.bridge.WS).say("GET /mqtt\x1b[2J HTTP/1.1\r\n" + goodLines + "\r\n").refusal()
	reachFrom(t, k.bridge.WS, trustedProxy).say(strings.Replace(with("X-Forwarded-For: \x1b[2J"+header+"\r\n"), offerLine, "", 1)).refusal()
	_ = reach(t, k.bridge.WSS).secure(tlsTo("forged\r\n\x1b[2J.example")).Conn.(*tls.Conn).Handshake()
	_ = reach(t, k.bridge.WSS).say("\x16\x03\x01\x1b[2Jforged\r\nGET / HTTP/1.1\r\n\r\n").Close()
	open(t, k).send(hello{version: 4, id: "a\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}\x1b[2J\x07", user: evil, password: evil}.packet(), "\xff\xff").end()
	open(t, k).send(hello{version: 4, id: "a\u2028\u202e\u009b31m"}.packet(), publish("a\x1b[2J/#", ""), "\xff\xff").end()
	k.innocent.goesOn(t)
	for line := range strings.Lines(k.said()) {
		if !strings.HasPrefix(line, `{"time":"`) {
			t.Errorf("a line begins with %.40q", line)
		}
		if strings.ContainsFunc(strings.TrimSuffix(line, "\n"), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("a line holds what is not printed: %q", line)
		}
	}
	k.logged("") // which sees that every line is JSON
}
