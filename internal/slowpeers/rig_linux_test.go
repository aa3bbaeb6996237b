package slowpeers

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/drive"
	"mqtt-ws-bridge/bridge/loop"
	"mqtt-ws-bridge/bridge/upstream"
	"mqtt-ws-bridge/internal/certs"
	"mqtt-ws-bridge/internal/netlab"
	"mqtt-ws-bridge/mqttio"
	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/handshake"
	"mqtt-ws-bridge/wsio/listener"
	"mqtt-ws-bridge/wsio/refusal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(netlab.Main{M: m}) }

const (
	patience     = 60 * time.Second // for what has to come
	writeTimeout = 2 * time.Second
	// lineRate has a message of messageSize on its way for more than five times writeTimeout.
	lineRate    = 160 // kbit/s
	messageSize = 240 << 10
)

// way is how sessions are served and what devices speak.
type way struct {
	name  string
	loops bool
	tls   bool
}

var ways = []way{{"ws, loops", true, false}, {"ws, goroutines", false, false}, {"wss, loops", true, true}, {"wss, goroutines", false, true}}

// rig is a bridge at the near end of a line.
type rig struct {
	t      testing.TB
	line   *netlab.Line
	bridge *bridge.Bridge
	log    *said
	url    string
	tls    *tls.Config // of devices

	// The bridge's ends of the first connections.
	devices, brokers chan net.Conn
}

// dialled is a pool whose connections are seen by the test.
type dialled struct {
	*upstream.Pool
	brokers chan<- net.Conn
}

func (d dialled) Dial(ctx context.Context, info bridge.DeviceInfo) (bridge.Broker, error) {
	b, err := d.Pool.Dial(ctx, info)
	if err == nil {
		note(d.brokers, b.Conn)
	}
	return b, err
}

// note keeps a connection for a test that looks at its first ones.
func note(conns chan<- net.Conn, nc net.Conn) {
	select {
	case conns <- nc:
	default:
	}
}

// newRig starts a bridge at the near end. Its devices connect to 10.0.0.1, its broker is at the URL.
func newRig(t testing.TB, line *netlab.Line, w way, broker string, change func(*bridge.Limits)) *rig {
	t.Helper()
	u, err := url.Parse(broker)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, line: line, log: new(said), devices: make(chan net.Conn, 100), brokers: make(chan net.Conn, 100)}
	log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	pool, err := upstream.NewPool(upstream.Options{URLs: []*url.URL{u}, Subprotocol: "mqtt", DialTimeout: patience, HealthInterval: time.Hour, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	limits := bridge.Limits{
		Sessions: 1000, Dials: 100, ConnectSize: mqttio.MaxWhole, ConnectTimeout: patience, DialTimeout: patience,
		ConnackTimeout: patience, PacketSize: mqttio.MaxPacketSize, WriteTimeout: writeTimeout,
	}
	if change != nil {
		change(&limits)
	}
	r.bridge = bridge.New(bridge.Options{
		Upstream: dialled{pool, r.brokers}, Limits: limits, Metrics: bridge.NewMetrics(prometheus.NewRegistry()), Log: log,
		Register: register(t, w.loops),
	})
	handler := handshake.NewHandler(handshake.Options{
		Answer: func(refusal.Refusal) refusal.Answer { return refusal.Answer{Status: http.StatusServiceUnavailable} },
		Accepted: func(c *frame.Conn, _ *http.Request) {
			note(r.devices, c.NetConn())
			r.bridge.Start(c)
		},
	})
	opts := listener.Options{Limits: listener.Limits{HandshakeTimeout: patience, HeaderSize: 16 << 10}}
	r.url = "ws://"
	if w.tls {
		authority := certs.New(t)
		leaf := authority.Server(t, line.Near.IP)
		pair, err := tls.LoadX509KeyPair(leaf.CertFile, leaf.KeyFile)
		if err != nil {
			t.Fatal(err)
		}
		opts.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
		r.tls = &tls.Config{RootCAs: authority.Pool()}
		r.url = "wss://"
	}
	lc := net.ListenConfig{KeepAlive: -1}
	devices, err := lc.Listen(t.Context(), "tcp", line.Near.IP+":0")
	if err != nil {
		t.Fatal(err)
	}
	r.url += devices.Addr().String() + "/mqtt"
	devices = listener.NewGate(listener.GateOptions{Handshakes: 100}).Listener(devices, opts)
	server := listener.NewServer(handler, listener.Limits{HandshakeTimeout: patience, HeaderSize: 16 << 10}, log)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(devices) })
	t.Cleanup(func() {
		server.Close()
		serving.Wait()
		r.bridge.Close()
		if t.Failed() {
			t.Logf("what the bridge said:\n%s", r.log)
		}
	})
	return r
}

// register is what the program does.
func register(t testing.TB, withLoops bool) func(drive.Served, drive.Rewirable, drive.Rewirable) (drive.Registration, error) {
	if !withLoops {
		return nil
	}
	loops, err := loop.New(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { loops.Close() })
	return loops.Register
}

// ends waits until a session has ended, and fails the test unless it is for that reason.
func (r *rig) ends(reason string) {
	r.t.Helper()
	r.until("a session has ended", func() bool { return strings.Contains(r.log.String(), `msg="session ended"`) })
	if !strings.Contains(r.log.String(), "reason="+reason+" ") {
		r.t.Errorf("the session did not end for %s", reason)
	}
}

func (r *rig) until(what string, is func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited in vain until %s", what)
		}
	}
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

// dialFrom opens connections in a namespace.
func dialFrom(s *netlab.Space) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (nc net.Conn, err error) {
		var d net.Dialer
		s.Do(func() { nc, err = d.DialContext(ctx, network, address) })
		return nc, err
	}
}
