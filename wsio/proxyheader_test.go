package wsio_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/handshake"
	"mqtt-ws-bridge/wsio/listener"
	"mqtt-ws-bridge/wsio/refusal"
)

// proxyV2 is a PROXY header of version 2: command and version, family and transport, and what follows the length.
func proxyV2(command, family byte, body string) string {
	header := append([]byte("\r\n\r\n\x00\r\nQUIT\n"), command, family)
	return string(binary.BigEndian.AppendUint16(header, uint16(len(body)))) + body
}

const (
	proxyV1     = "PROXY TCP4 203.0.113.7 192.0.2.1 4711 8083\r\n"
	fromV4      = "\xcb\x00\x71\x07" + "\xc0\x00\x02\x01" + "\x12\x67" + "\x1f\x93"
	fromV6      = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" + "\x12\x67" + "\x1f\x93"
	proxyDevice = "203.0.113.7:4711"
)

// proxyCases are what a believed peer sends in front of its request. want is the device, "" the peer; refused says that the
// connection is closed without a byte.
var proxyCases = []struct {
	name, header, want string
	refused            bool
}{
	{name: "v1", header: proxyV1, want: proxyDevice},
	{name: "v1_ipv6", header: "PROXY TCP6 2001:db8::1 2001:db8::2 4711 8083\r\n", want: "[2001:db8::1]:4711"},
	{name: "v1_ipv4_as_ipv6", header: "PROXY TCP6 ::ffff:203.0.113.7 ::ffff:192.0.2.1 4711 8083\r\n", want: proxyDevice},
	{name: "v1_unknown", header: "PROXY UNKNOWN\r\n"},
	{name: "v2", header: proxyV2(0x21, 0x11, fromV4), want: proxyDevice},
	{name: "v2_ipv6", header: proxyV2(0x21, 0x21, fromV6), want: "[2001:db8::1]:4711"},
	{name: "v2_local", header: proxyV2(0x20, 0x00, "")},
	{name: "v2_local_with_an_address", header: proxyV2(0x20, 0x11, fromV4)},
	{name: "v2_unix", header: proxyV2(0x21, 0x31, "reason=admin\n"+strings.Repeat("x", 216-13))},
	{name: "v2_tlvs", header: proxyV2(0x21, 0x11, fromV4+"\x01\x00\x02h2"+"\x04\x00\x03\x00\x00\x00"+"\xea\x00\x00"), want: proxyDevice},
	{name: "attack_41_tlv_with_control_bytes", header: proxyV2(0x21, 0x11, fromV4+"\x02\x00\x04\n\x00\x1b["), want: proxyDevice},
	{name: "attack_41_tlv_cut", header: proxyV2(0x21, 0x11, fromV4+"\x01\x00\x09h2"), refused: true},
	{name: "attack_41_tlv_of_two_bytes", header: proxyV2(0x21, 0x11, fromV4+"\x01\x00"), refused: true},
	{name: "attack_41_tlv_4_KiB", header: proxyV2(0x21, 0x11, fromV4+"\xea\x0f\xf1"+strings.Repeat("x", 0xff1)), want: proxyDevice},
	{name: "attack_41_tlv_above_4_KiB", header: proxyV2(0x21, 0x11, fromV4+"\xea\x0f\xf2"+strings.Repeat("x", 0xff2)), refused: true},
	{name: "attack_41_64_KiB", header: proxyV2(0x21, 0x11, fromV4+strings.Repeat("\x04\x00\x01x", 16300)), refused: true},
	{name: "attack_41_local_64_KiB", header: proxyV2(0x20, 0x00, strings.Repeat("\x04\x00\x01x", 16300)), refused: true},
	{name: "attack_41_short_address", header: proxyV2(0x21, 0x11, fromV4[:8]), refused: true},
	{name: "attack_41_no_address", header: proxyV2(0x21, 0x11, ""), refused: true},
	{name: "attack_41_unspecified", header: proxyV2(0x21, 0x00, ""), refused: true},
	{name: "attack_41_datagram", header: proxyV2(0x21, 0x12, fromV4), refused: true},
	{name: "attack_41_odd_transport", header: proxyV2(0x21, 0x13, fromV4), refused: true},
	{name: "attack_41_odd_command", header: proxyV2(0x2f, 0x11, fromV4), refused: true},
	{name: "attack_41_version_3", header: proxyV2(0x31, 0x11, fromV4), refused: true},
	{name: "attack_41_v1_108_bytes", header: "PROXY UNKNOWN " + strings.Repeat("f", 92) + "\r\n", refused: true},
	{name: "attack_41_v1_never_ends", header: "PROXY TCP4 " + strings.Repeat("1", 8<<10), refused: true},
	{name: "attack_41_v1_name", header: "PROXY TCP4 localhost 192.0.2.1 1 2\r\n", refused: true},
	{name: "attack_41_v1_port", header: "PROXY TCP4 203.0.113.7 192.0.2.1 65536 2\r\n", refused: true},
	{name: "attack_41_v1_zone", header: "PROXY TCP6 fe80::1%x 2001:db8::2 1 2\r\n", refused: true},
	{name: "attack_41_v1_line_feed", header: strings.Replace(proxyV1, "\r", "", 1), refused: true},
	{name: "attack_41_none", header: "", refused: true},
}

// TestAttack41_proxy_header: a believed peer's header names the device, in front of TLS too; without a good one nothing is said.
func TestAttack41_proxy_header(t *testing.T) {
	certificate := tlsConfig(t)
	for _, c := range proxyCases {
		for _, withTLS := range []*tls.Config{nil, certificate} {
			name := c.name
			if withTLS != nil {
				name += "_tls"
			}
			t.Run(name, func(t *testing.T) {
				refusals := make(chan refusal.Cause, 1)
				opts, told := watchAddresses(handshake.Options{})
				listener := listener.Options{ProxyProtocol: believed("127.0.0.1/32"),
					Refused: func(_ net.Addr, cause refusal.Cause, _ error) { refusals <- cause }}
				s := startServer(t, serverConfig{opts: opts, tls: withTLS, listener: listener})
				s.tls = false // the header goes first
				nc := s.dial(t)
				if c.refused {
					go func() { _, _ = io.WriteString(nc, c.header+goodRequest) }() // all of it may not be taken
					wantNothing(t, nc, refusals)
					return
				}
				if _, err := io.WriteString(nc, c.header); err != nil {
					t.Fatal(err)
				}
				device := nc
				if withTLS != nil {
					device = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
				}
				if _, err := io.WriteString(device, goodRequest); err != nil {
					t.Fatal(err)
				}
				wantSeen(t, told, nc.LocalAddr().String(), c.want, false)
			})
		}
	}
}

// wantNothing expects the end of the connection without a byte, and that it was told of.
func wantNothing(t *testing.T, nc net.Conn, refusals chan refusal.Cause) {
	t.Helper()
	if got, _ := io.ReadAll(nc); len(got) > 0 {
		t.Errorf("answered %q", got)
	}
	select {
	case cause := <-refusals:
		if cause != refusal.CauseProxyHeader {
			t.Errorf("refused for %s", cause)
		}
	case <-time.After(patience):
		t.Error("nobody heard of the refusal")
	}
}

// TestAttack41_spoofed_from_elsewhere: a header from one who is not believed is a broken request, and believed prefixes do not
// shut others out.
func TestAttack41_spoofed_from_elsewhere(t *testing.T) {
	opts, told := watchAddresses(handshake.Options{})
	listener := listener.Options{ProxyProtocol: believed("10.0.0.0/8", "unix")}
	s := startServer(t, serverConfig{opts: opts, listener: listener})
	for _, header := range []string{proxyV1, proxyV2(0x21, 0x11, fromV4)} {
		if got := s.ask(t, header+goodRequest); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
			t.Errorf("%q is answered with %q", header, got)
		}
	}
	nc := s.dial(t)
	if _, err := io.WriteString(nc, goodRequest); err != nil {
		t.Fatal(err)
	}
	wantSeen(t, told, nc.LocalAddr().String(), "", false)
}

// TestAttack41_second_header: only the first header is one.
func TestAttack41_second_header(t *testing.T) {
	s := startServer(t, serverConfig{listener: listener.Options{ProxyProtocol: believed("127.0.0.0/8")}})
	if got := s.ask(t, proxyV1+strings.Replace(proxyV1, "203", "6", 1)+goodRequest); !strings.HasPrefix(got, "HTTP/1.1 400 ") {
		t.Errorf("answered with %q", got)
	}
}

// TestProxyHeaderThenForwarded: a list counts from the machine that the PROXY header names.
func TestProxyHeaderThenForwarded(t *testing.T) {
	for name, c := range map[string]struct{ from, want string }{
		"trusted":   {"PROXY TCP4 10.9.9.9 192.0.2.1 4711 8083\r\n", "198.51.100.1:0"},
		"attack_40": {proxyV1, proxyDevice},
	} {
		t.Run(name, func(t *testing.T) {
			opts, told := watchAddresses(handshake.Options{AddressHeader: handshake.XForwardedFor, TrustedProxies: believed("10.0.0.0/8", "127.0.0.0/8")})
			s := startServer(t, serverConfig{opts: opts, listener: listener.Options{ProxyProtocol: believed("127.0.0.0/8")}})
			nc := s.dial(t)
			if _, err := io.WriteString(nc, c.from+without("", "X-Forwarded-For: 198.51.100.1\r\n")); err != nil {
				t.Fatal(err)
			}
			wantSeen(t, told, "", c.want, false)
		})
	}
}

// TestProxyHeaderOverUnixSocket: the peer has no address, the device has.
func TestProxyHeaderOverUnixSocket(t *testing.T) {
	opts, told := watchAddresses(handshake.Options{})
	s := startServer(t, serverConfig{opts: opts, unix: true, listener: listener.Options{ProxyProtocol: believed("unix")}})
	nc := s.dial(t)
	if _, err := io.WriteString(nc, proxyV1+goodRequest); err != nil {
		t.Fatal(err)
	}
	wantSeen(t, told, "", proxyDevice, false)
}

// TestProxyHeaderLeavesNoWrapper: a session finds the socket below its connection, to wait on it without goroutines.
func TestProxyHeaderLeavesNoWrapper(t *testing.T) {
	for name, config := range map[string]*tls.Config{"tcp": nil, "tls": tlsConfig(t)} {
		t.Run(name, func(t *testing.T) {
			conns := make(chan *frame.Conn, 1)
			s := startServer(t, serverConfig{tls: config, listener: listener.Options{ProxyProtocol: believed("127.0.0.0/8")},
				opts: handshake.Options{Accepted: func(c *frame.Conn, _ *http.Request) { conns <- c }}})
			s.tls = false
			nc := s.dial(t)
			_, _ = io.WriteString(nc, proxyV1)
			if config != nil {
				nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
			}
			_, _ = io.WriteString(nc, goodRequest+string(wsframes.Masked(wsframes.FIN|wsframes.Binary, packets)))
			conn := <-conns
			defer conn.Close()
			var below net.Conn = conn
			for w, ok := below.(interface{ NetConn() net.Conn }); ok; w, ok = below.(interface{ NetConn() net.Conn }) {
				below = w.NetConn()
			}
			if _, ok := below.(recorded); !ok {
				t.Errorf("below lies a %T", below)
			}
			got := make([]byte, len(packets))
			if _, err := io.ReadFull(conn, got); err != nil || string(got) != packets {
				t.Errorf("read %q, %v", got, err)
			}
			if conn.RemoteAddr().String() != proxyDevice {
				t.Errorf("address %v", conn.RemoteAddr())
			}
			if (conn.TLS() != nil) != (config != nil) {
				t.Errorf("TLS is %v", conn.TLS())
			}
		})
	}
}

// TestProxyCheck: a proxy that connects and goes to see whether the port is open is told from one that sends no good header.
func TestProxyCheck(t *testing.T) {
	refusals := make(chan refusal.Cause, 2)
	s := startServer(t, serverConfig{listener: listener.Options{ProxyProtocol: believed("127.0.0.0/8"),
		Refused: func(_ net.Addr, cause refusal.Cause, _ error) { refusals <- cause }}})
	for _, says := range []string{"", "PROXY TCP5\r\n"} {
		nc := s.dial(t)
		if says != "" {
			_, _ = io.WriteString(nc, says)
		}
		_ = nc.(*net.TCPConn).CloseWrite()
		if got, _ := io.ReadAll(nc); len(got) > 0 {
			t.Errorf("answered %q", got)
		}
	}
	if first, second := <-refusals, <-refusals; first != refusal.CauseNoRequest || second != refusal.CauseProxyHeader {
		t.Errorf("told of %s and %s", first, second)
	}
}

// TestAttack41_slow_header: a header that drips, or never comes, is cut in time and gives its slot back.
func TestAttack41_slow_header(t *testing.T) {
	for name, header := range map[string]string{"v2": proxyV2(0x21, 0x11, fromV4+"\x04\x0f\x00"+strings.Repeat("x", 0xf00)), "silence": ""} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				pipes := newPipeListener()
				server := listener.NewServer(handshake.NewHandler(handshake.Options{Accepted: func(c *frame.Conn, _ *http.Request) { _ = c.Close() }}),
					listener.Limits{HandshakeTimeout: handshakeTime, HeaderSize: 16 << 10}, slog.New(slog.DiscardHandler))
				served := make(chan error, 1)
				go func() {
					served <- server.Serve(listener.NewGate(listener.GateOptions{Handshakes: 1}).Listener(unixPeers{pipes}, listener.Options{
						ProxyProtocol: believed("unix"), Limits: listener.Limits{HandshakeTimeout: handshakeTime}}))
				}()
				device, begin := pipes.dial(), time.Now()
				got := wsframes.Collect(device)
				for i := range len(header) {
					if _, err := io.WriteString(device, header[i:i+1]); err != nil {
						break
					}
					time.Sleep(handshakeTime / 20)
				}
				if b := got.Wait(); len(b) > 0 || time.Since(begin) > handshakeTime+handshakeTime/10 {
					t.Errorf("cut after %v with %q", time.Since(begin), b)
				}
				next := pipes.dial()
				answer := wsframes.Collect(next)
				_, _ = io.WriteString(next, proxyV1+goodRequest)
				if b := answer.Wait(); string(b) != accepts("mqtt") {
					t.Errorf("the next one gets %q", b)
				}
				_ = server.Close()
				if err := <-served; !errors.Is(err, http.ErrServerClosed) {
					t.Error(err)
				}
			})
		})
	}
}

// unixPeers makes peers through a unix socket of those who come through pipes.
type unixPeers struct{ *pipeListener }

func (l unixPeers) Accept() (net.Conn, error) {
	nc, err := l.pipeListener.Accept()
	return unixPeer{nc}, err
}

type unixPeer struct{ net.Conn }

func (unixPeer) RemoteAddr() net.Addr { return &net.UnixAddr{Net: "unix", Name: "@"} }

// FuzzAttack41_proxy_header: whatever comes first, a device is served with an IP address or the connection ends.
func FuzzAttack41_proxy_header(f *testing.F) {
	for _, c := range proxyCases {
		f.Add([]byte(c.header))
	}
	opts, told := watchAddresses(handshake.Options{})
	pipes := newPipeListener()
	server := listener.NewServer(handshake.NewHandler(opts), listener.Limits{HandshakeTimeout: patience, HeaderSize: 4 << 10}, slog.New(slog.DiscardHandler))
	served := make(chan error, 1)
	go func() {
		served <- server.Serve(listener.NewGate(listener.GateOptions{Handshakes: 10}).Listener(unixPeers{pipes}, listener.Options{
			ProxyProtocol: believed("unix"), Limits: listener.Limits{HandshakeTimeout: patience}}))
	}()
	f.Cleanup(func() {
		_ = server.Close()
		<-served
	})
	f.Fuzz(func(t *testing.T, header []byte) {
		nc := &onceConn{in: bytes.NewReader(append(header, goodRequest...)), closed: make(chan struct{})}
		pipes.conns <- nc
		select {
		case <-nc.closed:
		case <-time.After(patience):
			t.Fatal("the connection stays open")
		}
		select {
		case got := <-told:
			if got.request != "@" {
				if _, err := net.ResolveTCPAddr("tcp", got.request); err != nil || strings.ContainsAny(got.request, "%\n ") {
					t.Errorf("address %q", got.request)
				}
			}
		default:
		}
	})
}
