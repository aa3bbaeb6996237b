package upstream_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/upstream"
	"mqtt-ws-bridge/internal/certs"
)

const patience = 10 * time.Second

// signature is the beginning of every PROXY header of version 2.
const signature = "\r\n\r\n\x00\r\nQUIT\n"

// script is a broker that takes connections one at a time.
type script struct {
	t     *testing.T
	l     net.Listener
	conns chan net.Conn
}

func newScript(t *testing.T, network string) *script {
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, l: l, conns: make(chan net.Conn, 4)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			s.conns <- nc
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-ended
	})
	return s
}

// next is the connection that was made next, from which exactly these bytes come first.
func (s *script) next(want string) net.Conn {
	s.t.Helper()
	select {
	case nc := <-s.conns:
		s.t.Cleanup(func() { nc.Close() })
		_ = nc.SetDeadline(time.Now().Add(patience))
		got := make([]byte, len(want))
		if n, err := io.ReadFull(nc, got); err != nil || string(got) != want {
			s.t.Fatalf("the broker reads %q, %v, want %q", got[:n], err, want)
		}
		return nc
	case <-time.After(patience):
		s.t.Fatal("nobody dials")
		return nil
	}
}

// pool reaches the broker with one TLS configuration, poolWith over TLS with that of each dial.
func (s *script) pool(version int, scheme string, config *tls.Config) *upstream.Pool {
	s.t.Helper()
	if config == nil {
		return s.poolOf(version, scheme, nil)
	}
	return s.poolOf(version, scheme, func() *tls.Config { return config })
}

func (s *script) poolWith(now func() *tls.Config) *upstream.Pool {
	s.t.Helper()
	return s.poolOf(0, "tls", now)
}

func (s *script) poolOf(version int, scheme string, now func() *tls.Config) *upstream.Pool {
	s.t.Helper()
	u := &url.URL{Scheme: scheme, Host: s.l.Addr().String()}
	if scheme == "unix" {
		u = &url.URL{Scheme: scheme, Path: s.l.Addr().String()}
	}
	p, err := upstream.NewPool(upstream.Options{
		URLs: []*url.URL{u}, TLS: now, ProxyProtocol: version, Subprotocol: "mqtt",
		DialTimeout: patience, HealthInterval: time.Hour, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// dialed is a connection of the pool's for a device, once the other end has played its part.
func dialed(t *testing.T, p *upstream.Pool, device bridge.DeviceInfo, part func()) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	played := make(chan struct{})
	go func() {
		defer close(played)
		part()
	}()
	broker, err := p.Dial(ctx, device)
	<-played
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { broker.Close() })
	return broker
}

func tcp(text string) *net.TCPAddr {
	a, err := net.ResolveTCPAddr("tcp", text)
	if err != nil {
		panic(err)
	}
	return a
}

// TestProxyHeaders are the first bytes that a broker sees, letter by letter.
func TestProxyHeaders(t *testing.T) {
	v4, v6, here4, here6 := tcp("203.0.113.7:4711"), tcp("[2001:db8::1]:4711"), tcp("192.0.2.1:8083"), tcp("[2001:db8::2]:8083")
	unix := &net.UnixAddr{Net: "unix", Name: "@"}
	const source4, ports = "\xcb\x00\x71\x07\xc0\x00\x02\x01", "\x12\x67\x1f\x93"
	for _, c := range []struct {
		name    string
		version int
		device  bridge.DeviceInfo
		want    string
	}{
		{"off", 0, bridge.DeviceInfo{Addr: v4, Local: here4}, ""},
		{"v1", 1, bridge.DeviceInfo{Addr: v4, Local: here4}, "PROXY TCP4 203.0.113.7 192.0.2.1 4711 8083\r\n"},
		{"v1_ipv6", 1, bridge.DeviceInfo{Addr: v6, Local: here6}, "PROXY TCP6 2001:db8::1 2001:db8::2 4711 8083\r\n"},
		{"v1_both", 1, bridge.DeviceInfo{Addr: v4, Local: here6}, "PROXY TCP6 ::ffff:203.0.113.7 2001:db8::2 4711 8083\r\n"},
		{"v1_no_port", 1, bridge.DeviceInfo{Addr: tcp("203.0.113.7:0"), Local: here4}, "PROXY TCP4 203.0.113.7 192.0.2.1 0 8083\r\n"},
		{"v1_unix", 1, bridge.DeviceInfo{Addr: unix, Local: unix}, "PROXY UNKNOWN\r\n"},
		{"v2", 2, bridge.DeviceInfo{Addr: v4, Local: here4}, signature + "\x21\x11\x00\x0c" + source4 + ports},
		{"v2_ipv6", 2, bridge.DeviceInfo{Addr: v6, Local: here6}, signature + "\x21\x21\x00\x24" +
			"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" + ports},
		{"v2_unix", 2, bridge.DeviceInfo{Addr: unix, Local: unix}, signature + "\x20\x00\x00\x00"},
		{"v2_device_behind_a_proxy_on_a_socket", 2, bridge.DeviceInfo{Addr: v4, Local: unix},
			signature + "\x21\x11\x00\x0c" + "\xcb\x00\x71\x07\x00\x00\x00\x00\x12\x67\x00\x00"},
		{"v2_tls", 2, bridge.DeviceInfo{Addr: v4, Local: here4, TLS: &tls.ConnectionState{Version: tls.VersionTLS13}},
			signature + "\x21\x11\x00\x1e" + source4 + ports + "\x20\x00\x0f\x01\x00\x00\x00\x01" + "\x21\x00\x07TLSv1.3"},
		{"attack_46_certificate_that_nobody_verified", 2, bridge.DeviceInfo{Addr: v4, Local: here4, TLS: unverified("pump-7")},
			signature + "\x21\x11\x00\x1e" + source4 + ports + "\x20\x00\x0f\x01\x00\x00\x00\x01" + "\x21\x00\x07TLSv1.3"},
		{"v2_certificate", 2, bridge.DeviceInfo{Addr: v4, Local: here4, TLS: verified(tls.VersionTLS12, "pump-7", false)},
			signature + "\x21\x11\x00\x27" + source4 + ports + "\x20\x00\x18\x07\x00\x00\x00\x00" + "\x21\x00\x07TLSv1.2" + "\x22\x00\x06pump-7"},
		{"v2_certificate_of_the_session", 2, bridge.DeviceInfo{Addr: v4, Local: here4, TLS: verified(tls.VersionTLS12, "pump-7", true)},
			signature + "\x21\x11\x00\x27" + source4 + ports + "\x20\x00\x18\x05\x00\x00\x00\x00" + "\x21\x00\x07TLSv1.2" + "\x22\x00\x06pump-7"},
		{"attack_41_name_with_control_bytes", 2, bridge.DeviceInfo{Addr: v4, Local: here4, TLS: verified(tls.VersionTLS12, "a\nb", false)},
			signature + "\x21\x11\x00\x1e" + source4 + ports + "\x20\x00\x0f\x07\x00\x00\x00\x00" + "\x21\x00\x07TLSv1.2"},
		{"attack_41_name_without_end", 2, bridge.DeviceInfo{Addr: v4, Local: here4, TLS: verified(tls.VersionTLS12, strings.Repeat("a", 9000), false)},
			signature + "\x21\x11\x00\x1e" + source4 + ports + "\x20\x00\x0f\x07\x00\x00\x00\x00" + "\x21\x00\x07TLSv1.2"},
		{"v1_tls", 1, bridge.DeviceInfo{Addr: v4, Local: here4, TLS: verified(tls.VersionTLS12, "pump-7", false)},
			"PROXY TCP4 203.0.113.7 192.0.2.1 4711 8083\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newScript(t, "tcp")
			nc := dialed(t, s.pool(c.version, "tcp", nil), c.device, func() {})
			_, _ = io.WriteString(nc, "CONNECT")
			s.next(c.want + "CONNECT")
		})
	}
}

// verified is the TLS of a device whose certificate has this name and was verified.
func verified(version uint16, name string, resumed bool) *tls.ConnectionState {
	leaf := &x509.Certificate{Subject: pkix.Name{CommonName: name}}
	return &tls.ConnectionState{Version: version, DidResume: resumed,
		PeerCertificates: []*x509.Certificate{leaf}, VerifiedChains: [][]*x509.Certificate{{leaf}}}
}

// unverified is the TLS of a device whose certificate was not asked for an authority.
func unverified(name string) *tls.ConnectionState {
	state := verified(tls.VersionTLS13, name, false)
	state.VerifiedChains = nil
	return state
}

// TestProxyHeaderOnEveryTransport: it goes in front of everything else, TLS and WebSocket included.
func TestProxyHeaderOnEveryTransport(t *testing.T) {
	device := bridge.DeviceInfo{Addr: tcp("203.0.113.7:4711"), Local: tcp("192.0.2.1:8083")}
	const header = "PROXY TCP4 203.0.113.7 192.0.2.1 4711 8083\r\n"
	ca := certs.New(t)
	pair := ca.Server(t, "127.0.0.1")
	cert, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	brokerTLS := &tls.Config{Certificates: []tls.Certificate{cert}}
	for _, scheme := range []string{"tcp", "tls", "unix", "ws", "wss"} {
		t.Run(scheme, func(t *testing.T) {
			network := map[string]string{"unix": "unix"}[scheme]
			if network == "" {
				network = "tcp"
			}
			s := newScript(t, network)
			var end net.Conn
			nc := dialed(t, s.pool(1, scheme, &tls.Config{RootCAs: ca.Pool()}), device, func() {
				end = s.next(header)
				if scheme == "tls" || scheme == "wss" {
					tc := tls.Server(end, brokerTLS)
					if err := tc.Handshake(); err != nil {
						t.Error(err)
					}
					end = tc
				}
				if strings.HasPrefix(scheme, "ws") {
					end = upgraded(t, end)
				}
			})
			go func() { _, _ = io.WriteString(end, "hello") }()
			if strings.HasPrefix(scheme, "ws") {
				return // the handshake is over, which is what this test is about
			}
			got := make([]byte, 5)
			if _, err := io.ReadFull(nc, got); err != nil || string(got) != "hello" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

// upgraded answers a WebSocket handshake.
func upgraded(t *testing.T, nc net.Conn) net.Conn {
	r, err := http.ReadRequest(bufio.NewReader(nc))
	if err != nil {
		t.Error(err)
		return nc
	}
	w := &hijacked{nc: nc, header: make(http.Header)}
	if _, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"mqtt"}}); err != nil {
		t.Error(err)
	}
	return nc
}

// hijacked is a ResponseWriter on a connection that is nobody's.
type hijacked struct {
	nc     net.Conn
	header http.Header
}

func (w *hijacked) Header() http.Header         { return w.header }
func (w *hijacked) Write(p []byte) (int, error) { return w.nc.Write(p) }
func (w *hijacked) WriteHeader(int) {
	fmt.Fprintf(w.nc, "HTTP/1.1 101 Switching Protocols\r\n")
	_ = w.header.Write(w.nc)
	_, _ = io.WriteString(w.nc, "\r\n")
}

func (w *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return w.nc, bufio.NewReadWriter(bufio.NewReader(w.nc), bufio.NewWriter(w.nc)), nil
}

// TestProbesSayThatTheyAreTheBridge: a broker that demands the header finds one in a probe too, without a device.
func TestProbesSayThatTheyAreTheBridge(t *testing.T) {
	for version, want := range map[int]string{1: "PROXY UNKNOWN\r\n", 2: signature + "\x20\x00\x00\x00"} {
		s := newScript(t, "tcp")
		if err := s.pool(version, "tcp", nil).Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		nc := s.next(want)
		if rest, err := io.ReadAll(nc); err != nil || len(rest) > 0 {
			t.Errorf("then comes %q, %v", rest, err)
		}
	}
}
