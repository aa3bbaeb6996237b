//go:build linux

package loop_test

import (
	"bytes"
	"context"
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
	"mqtt-ws-bridge/mqttio"
	"mqtt-ws-bridge/wsio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what has to come.
const patience = 30 * time.Second

// scene is a bridge with one loop, between real sockets. The test plays the broker.
type scene struct {
	t       testing.TB
	url     string
	brokers net.Listener
	bridge  *bridge.Bridge
	log     *said
	pass    atomic.Pointer[bridge.Pass] // of the devices that connect from then on
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
type upstream struct{ address string }

func (u upstream) Ready() bool { return true }
func (u upstream) Dial(ctx context.Context, _ bridge.DeviceInfo) (bridge.Broker, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", u.address)
	return bridge.Broker{Conn: nc, Name: "test"}, err
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

func newScene(t testing.TB, change func(*bridge.Limits)) *scene {
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
	return newSceneAt(t, loops.Place, change)
}

// newSceneAt is a bridge whose sessions are at these places, or have goroutines throughout if there are none.
func newSceneAt(t testing.TB, place func(bridge.Parked, bridge.Rewirable, bridge.Rewirable) (bridge.Place, error),
	change func(*bridge.Limits),
) *scene {
	t.Helper()
	devices := listen(t)
	s := &scene{t: t, url: "ws://" + devices.Addr().String() + "/mqtt", brokers: listen(t), log: &said{}}
	s.pass.Store(new(bridge.Pass))
	limits := bridge.Limits{
		Sessions: 1000, Dials: 100, ConnectSize: mqttio.MaxWhole, ConnectTimeout: patience, DialTimeout: patience,
		ConnackTimeout: patience, PacketSize: mqttio.MaxPacketSize, WriteTimeout: patience,
	}
	if change != nil {
		change(&limits)
	}
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.bridge = bridge.New(bridge.Options{
		Upstream: upstream{s.brokers.Addr().String()}, Limits: limits, Metrics: bridge.NewMetrics(prometheus.NewRegistry()), Log: log,
		Place: place,
	})
	handler := wsio.NewHandler(wsio.Options{
		Answer:   func(string) wsio.Answer { return wsio.Answer{Status: http.StatusServiceUnavailable} },
		Accepted: func(c *wsio.Conn, _ *http.Request) { s.bridge.StartWith(c, *s.pass.Load()) },
	})
	server := wsio.NewServer(handler, wsio.Limits{HandshakeTimeout: patience, HeaderSize: 16 << 10}, log)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(devices) })
	t.Cleanup(func() {
		server.Close()
		serving.Wait()
		s.bridge.Close()
	})
	return s
}

// device is a client that is online, with the test's end of its connection to the broker.
type device struct {
	t      testing.TB
	ws     *websocket.Conn
	broker *net.TCPConn
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
	ws, resp, err := websocket.Dial(ctx, s.url, &websocket.DialOptions{
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
	nc, err := s.brokers.Accept()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { nc.Close() })
	d.broker = nc.(*net.TCPConn)
	d.brokerGets(hello)
	d.brokerSays([]byte{0x20, 2, 0, 0})
	d.gets([]byte{0x20, 2, 0, 0})
	return d
}

// served waits until no session has a goroutine.
func (s *scene) served() {
	s.t.Helper()
	s.until("sessions are served", func() bool { return !strings.Contains(stacks(), "bridge.(*session).pump") })
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
