//go:build linux

package loop_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/loop"
	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/mqttio"
	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/handshake"
	"mqtt-ws-bridge/wsio/listener"
	"mqtt-ws-bridge/wsio/refusal"
	"mqtt-ws-bridge/wsio/tlsrecords"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

// scene is a bridge with one loop, between real sockets. The test plays the broker.
type scene struct {
	t       testing.TB
	address string
	brokers net.Listener
	// nil where the end is plain
	tls, brokerTLS *tls.Config
	bridge         *bridge.Bridge
	log            *said
	pass           atomic.Pointer[bridge.Pass] // of the devices that connect from then on
}

// said is a log that can be looked at while it is written.
type said struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *said) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

func (l *said) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.String()
}

// upstream dials the test.
type upstream struct {
	address string
	tls     *tls.Config // nil: a plain connection
}

func (u upstream) Ready() bool { return true }
func (u upstream) Dial(ctx context.Context, _ bridge.DeviceInfo) (bridge.Broker, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", u.address)
	if err != nil || u.tls == nil {
		return bridge.Broker{Conn: nc, Name: "test"}, err
	}
	t := tls.Client(tlsrecords.Below(nc), u.tls)
	return bridge.Broker{Conn: tlsrecords.Gather(t), Name: "test"}, t.HandshakeContext(ctx)
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// kind says which ends of the sessions have TLS.
type kind struct{ device, broker bool }

func (k kind) String() string {
	name := func(secure bool) string {
		if secure {
			return "tls"
		}
		return "plain"
	}
	return name(k.device) + "-" + name(k.broker)
}

// eachKind runs a test with plain sockets, and with TLS at both ends: a session with TLS at one of them has nothing that those have not.
func eachKind(t *testing.T, test func(t *testing.T, k kind)) {
	for _, k := range []kind{{}, {device: true, broker: true}} {
		t.Run(k.String(), func(t *testing.T) { test(t, k) })
	}
}

// scene starts a bridge whose sessions are served by one loop.
func (k kind) scene(t testing.TB, change func(*bridge.Limits)) *scene {
	t.Helper()
	return k.sceneWith(t, bridge.MemoryLimits{}, change)
}

func (k kind) sceneWith(t testing.TB, memory bridge.MemoryLimits, change func(*bridge.Limits)) *scene {
	t.Helper()
	loops, err := loop.New(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := loops.Close(); err != nil {
			t.Error(err)
		}
	})
	devices := listen(t)
	s := &scene{t: t, address: devices.Addr().String(), brokers: listen(t), log: &said{}}
	s.pass.Store(new(bridge.Pass))
	authority := certs.New(t)
	pair := authority.Server(t, "127.0.0.1")
	certificate, err := tls.LoadX509KeyPair(pair.CertFile, pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	server, client := &tls.Config{Certificates: []tls.Certificate{certificate}}, &tls.Config{RootCAs: authority.Pool(), ServerName: "127.0.0.1"}
	up, opts := upstream{address: s.brokers.Addr().String()}, listener.Options{}
	if k.device {
		s.tls, opts.TLS = client, server
	}
	if k.broker {
		up.tls, s.brokerTLS = client, server
	}
	limits := bridge.Limits{
		Sessions: 1000, Dials: 100, ConnectSize: mqttio.MaxWhole, ConnectTimeout: patience, DialTimeout: patience,
		ConnackTimeout: patience, PacketSize: mqttio.MaxPacketSize, WriteTimeout: patience,
	}
	if change != nil {
		change(&limits)
	}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.bridge = bridge.New(bridge.Options{
		Upstream: up, Limits: limits, Metrics: bridge.NewMetrics(prometheus.NewRegistry()), Log: log,
		Register: loops.Register, Memory: memory,
	})
	handler := handshake.NewHandler(handshake.Options{
		Answer:   func(refusal.Refusal) refusal.Answer { return refusal.Answer{Status: http.StatusServiceUnavailable} },
		Accepted: func(c *frame.Conn, _ *http.Request) { s.bridge.StartWith(c, *s.pass.Load()) },
	})
	devices = listener.NewGate(listener.GateOptions{Handshakes: limits.Sessions}).Listener(devices, opts)
	httpServer := listener.NewServer(handler, listener.Limits{HandshakeTimeout: patience, HeaderSize: 16 << 10}, log)
	var serving sync.WaitGroup
	serving.Go(func() { _ = httpServer.Serve(devices) })
	t.Cleanup(func() {
		httpServer.Close()
		serving.Wait()
		s.bridge.Close()
	})
	return s
}

// device is a client that is online, with the test's end of its connection to the broker.
type device struct {
	t      testing.TB
	ws     *websocket.Conn
	broker *peer
}

// online brings a device of MQTT 3.1.1 with this keep alive online, and has it served.
func (s *scene) online(keepAlive byte) *device {
	s.t.Helper()
	d := s.connect(keepAlive)
	for range 40 { // more reads than a session needs to show that it stays
		d.send(pingreq)
		d.brokerGets(pingreq)
	}
	s.served()
	return d
}

var (
	pingreq  = []byte{0xC0, 0}
	pingresp = []byte{0xD0, 0}
)

func (s *scene) connect(keepAlive byte) *device { return s.connectWith(keepAlive, nil) }

// connectCounting has each ping told. Reading shows them.
func (s *scene) connectCounting(pings chan<- struct{}) *device {
	return s.connectWith(0, func() {
		select {
		case pings <- struct{}{}:
		default:
		}
	})
}

func (s *scene) connectWith(keepAlive byte, pinged func()) *device {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	scheme := "ws"
	if s.tls != nil {
		scheme = "wss"
	}
	ws, resp, err := websocket.Dial(ctx, scheme+"://"+s.address+"/mqtt", &websocket.DialOptions{
		HTTPClient:   &http.Client{Transport: &http.Transport{TLSClientConfig: s.tls}},
		Subprotocols: []string{"mqtt"},
		OnPingReceived: func(context.Context, []byte) bool {
			if pinged != nil {
				pinged()
			}
			return true
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.Body != nil {
		resp.Body.Close()
	}
	s.t.Cleanup(func() { ws.CloseNow() })
	ws.SetReadLimit(-1)
	d := &device{t: s.t, ws: ws}
	hello := []byte{0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, keepAlive, 0, 1, 'd'}
	d.send(hello)
	d.broker = s.accept()
	d.brokerGets(hello)
	d.brokerSays([]byte{0x20, 2, 0, 0})
	d.gets([]byte{0x20, 2, 0, 0})
	return d
}

// peer is the test's end of a connection, with TLS or without.
type peer struct {
	net.Conn
	tcp *net.TCPConn
}

func (p *peer) CloseWrite() error {
	return p.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// reset ends the connection without a word of TLS.
func (p *peer) reset() {
	_ = p.tcp.SetLinger(0)
	p.tcp.Close()
}

// accept takes the connection of a session to its broker.
func (s *scene) accept() *peer {
	s.t.Helper()
	nc, err := s.brokers.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { nc.Close() })
	if s.brokerTLS == nil {
		return &peer{nc, nc.(*net.TCPConn)}
	}
	return &peer{tls.Server(nc, s.brokerTLS), nc.(*net.TCPConn)}
}

// dial opens a connection to the bridge.
func (s *scene) dial() *peer {
	s.t.Helper()
	nc, err := net.Dial("tcp", s.address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { nc.Close() })
	if s.tls == nil {
		return &peer{nc, nc.(*net.TCPConn)}
	}
	return &peer{tls.Client(nc, s.tls), nc.(*net.TCPConn)}
}

// served waits until no session has a goroutine.
func (s *scene) served() {
	s.t.Helper()
	s.until("sessions are served", func() bool { return !strings.Contains(stacks(), "drive.(*Driver).run") })
}

func (s *scene) until(what string, is func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("waited in vain until %s\n%s\n%s", what, s.log, stacks())
		}
	}
}

func stacks() string {
	buf := make([]byte, 4<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

func (d *device) send(packet []byte) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := d.ws.Write(ctx, websocket.MessageBinary, packet); err != nil {
		d.t.Fatal(err)
	}
}

// gets expects one packet, in a frame of its own.
func (d *device) gets(packet []byte) {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, got, err := d.ws.Read(ctx); err != nil || !bytes.Equal(got, packet) {
		d.t.Fatalf("device got %d bytes, %v; want %d", len(got), err, len(packet))
	}
}

func (d *device) brokerSays(packet []byte) {
	d.t.Helper()
	if _, err := d.broker.Write(packet); err != nil {
		d.t.Fatal(err)
	}
}

func (d *device) brokerGets(packet []byte) {
	d.t.Helper()
	_ = d.broker.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(packet))
	if _, err := io.ReadFull(d.broker, got); err != nil || !bytes.Equal(got, packet) {
		d.t.Fatalf("broker got % X, %v; want % X", got, err, packet)
	}
}

// publish is a QoS 0 PUBLISH with a payload of n bytes.
func publish(n int) []byte {
	p := []byte{0x30}
	for left := 3 + n; ; {
		digit := byte(left % 128)
		if left /= 128; left == 0 {
			p = append(p, digit)
			break
		}
		p = append(p, digit|0x80)
	}
	return append(append(p, 0, 1, 't'), bytes.Repeat([]byte("x"), n)...)
}

// descriptors counts the open ones of this process.
func descriptors(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// awaitDescriptors fails the test if more are open for long: the test's own may take a moment.
func awaitDescriptors(t testing.TB, most int) {
	t.Helper()
	for deadline := time.Now().Add(patience); descriptors(t) > most; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d descriptors are open, want %d at most", descriptors(t), most)
		}
	}
}
