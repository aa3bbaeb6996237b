package bridge_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/internal/memnet"
	"mqtt-ws-bridge/mqttio"
	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/handshake"
	"mqtt-ws-bridge/wsio/listener"
	"mqtt-ws-bridge/wsio/refusal"
)

// rig is a bridge behind a real handshake, on a network in memory.
type rig struct {
	t        testing.TB
	bridge   *bridge.Bridge
	up       *upstreamFake
	log      *logLines
	reg      *prometheus.Registry
	listener *memnet.Listener
	pass     bridge.Pass                       // of the devices that connect from then on
	wrap     func(bridge.Device) bridge.Device // puts something around the device's end; nil: nothing
	budget   *budgetFake
	refuses  string      // the reason for which devices are refused before the upgrade, if not empty
	revoked  atomic.Bool // all certificates are
	// certified: the devices that connect from then on have shown a certificate.
	certified bool
	lax       atomic.Bool // let devices in that Admit would refuse, as if it had been asked a moment earlier
}

// plenty are limits that no test comes near.
func plenty() bridge.Limits {
	return bridge.Limits{
		Sessions: 1000, Dials: 1000,
		ConnectSize: mqttio.MaxWhole, ConnectTimeout: 10 * time.Second,
		DialTimeout: 5 * time.Second, ConnackTimeout: 10 * time.Second,
		PacketSize: mqttio.MaxPacketSize, WriteTimeout: 20 * time.Second,
	}
}

const bufferSize = 256 << 10 // of connections in memory, so that scripts need not read and write at once

// newRig starts a bridge with plenty as changed by change, which may be nil. It ends with the test.
func newRig(t testing.TB, change func(*bridge.Limits)) *rig {
	limits := plenty()
	if change != nil {
		change(&limits)
	}
	return newRigWith(t, bridge.Options{Limits: limits})
}

// newRigWith starts a bridge with these options and the rig's own. It ends with the test.
func newRigWith(t testing.TB, opts bridge.Options) *rig {
	r := &rig{t: t, up: newUpstreamFake(), log: new(logLines), reg: prometheus.NewPedanticRegistry(), listener: memnet.Listen(bufferSize), budget: new(budgetFake)}
	log := slog.New(slog.NewJSONHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	opts.Upstream, opts.Budget, opts.Metrics, opts.Log = r.up, r.budget, bridge.NewMetrics(r.reg, "memory"), log
	opts.Revoked = r.isRevoked
	r.bridge = bridge.New(opts)
	handler := handshake.NewHandler(handshake.Options{
		Admit:   r.admit,
		Origins: []string{"https://good.example"}, ControlRate: 100,
		Answer: func(told refusal.Refusal) refusal.Answer {
			why := reasonOf(told)
			return refusal.Answer{Status: why.Status, RetryAfter: why.RetryAfter, Text: why.String()}
		},
		Refused: func(q *http.Request, why refusal.Refusal) {
			r.bridge.Refused(reasonOf(why), q.RemoteAddr, q.UserAgent())
		},
		Accepted: func(c *frame.Conn, _ *http.Request) {
			if r.certified {
				r.bridge.StartWith(certified{c}, r.pass)
				return
			}
			if r.wrap != nil {
				r.bridge.StartWith(r.wrap(c), r.pass)
				return
			}
			r.bridge.StartWith(c, r.pass)
		},
	})
	server := listener.NewServer(handler, listener.Limits{HandshakeTimeout: 10 * time.Second, HeaderSize: 16 << 10}, log)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(r.listener) })
	t.Cleanup(func() {
		server.Close()
		serving.Wait()
		r.bridge.Close()
	})
	return r
}

// reasonOf is the row of the table for a refusal.
func reasonOf(why refusal.Refusal) *reason.Reason {
	if own, ok := why.(*reason.Reason); ok {
		return own
	}
	return reason.ByLabel(fmt.Sprint(why))
}

func (r *rig) admit(q *http.Request) refusal.Refusal {
	if why := r.bridge.Admit(q.RemoteAddr); why != nil && !r.lax.Load() {
		return why
	}
	if r.refuses == "" {
		return nil
	}
	return r.refuses
}

// certified is a device that has shown a certificate.
type certified struct{ *frame.Conn }

func (certified) TLS() *tls.ConnectionState { return new(tls.ConnectionState) }

func (r *rig) isRevoked(*tls.ConnectionState) error {
	if r.revoked.Load() {
		return errors.New("revoked")
	}
	return nil
}

// revoke revokes all certificates.
func (r *rig) revoke() {
	r.revoked.Store(true)
	r.bridge.Recheck()
}

// settled waits, within a bubble, until the last session has ended and its log line is written.
func (r *rig) settled() {
	r.t.Helper()
	for range 100 {
		synctest.Wait()
		if r.bridge.Sessions() == 0 {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	r.t.Fatalf("%d sessions are left", r.bridge.Sessions())
}

// counted returns the samples of the counters of ends that are not zero, as metric{reason}.
func (r *rig) counted() map[string]float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	out := make(map[string]float64)
	for _, f := range families {
		name := strings.TrimPrefix(f.GetName(), "mqtt_ws_bridge_")
		if name != "refusals_total" && name != "session_ends_total" && name != "abandoned_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			if n := m.GetCounter().GetValue(); n > 0 {
				out[name+"{"+m.GetLabel()[0].GetValue()+"}"] = n
			}
		}
	}
	return out
}

// packets returns packets_total or bytes_total for a direction and type, or a metric of one label for its value.
func (r *rig) packets(metric, direction, kind string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "mqtt_ws_bridge_"+metric {
			continue
		}
		for _, m := range f.GetMetric() {
			if l := m.GetLabel(); l[0].GetValue() == direction && (len(l) == 1 || l[1].GetValue() == kind) {
				return m.GetCounter().GetValue()
			}
		}
	}
	r.t.Fatalf("no metric %s{%s,%s}", metric, direction, kind)
	return 0
}

// single returns a metric without labels.
func (r *rig) single(metric string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "mqtt_ws_bridge_"+metric {
			m := f.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() // one of them
		}
	}
	r.t.Fatalf("no metric %s", metric)
	return 0
}

// logLines keeps what is logged.
type logLines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logLines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// ends returns the lines that say how a session or a handshake ended.
func (l *logLines) ends(t testing.TB) (lines []map[string]any) {
	t.Helper()
	for line := range strings.Lines(l.String()) {
		m := make(map[string]any)
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("log line %q: %v", line, err)
		}
		if m["msg"] == "session ended" || m["msg"] == "device refused" || m["msg"] == "device left before it was accepted" {
			lines = append(lines, m)
		}
	}
	return lines
}

// upstreamFake hands out one end of connections whose other end a test scripts.
type upstreamFake struct {
	ready   atomic.Bool
	size    atomic.Int64                                                                    // of new connections
	dial    atomic.Pointer[func(context.Context, bridge.DeviceInfo) (bridge.Broker, error)] // replaces the usual
	brokers chan *memnet.Conn
	answers chan bool    // what outcomes told
	panics  atomic.Bool  // when an outcome is told
	stops   atomic.Int64 // a Duration for which an outcome, once, takes the watch's time
}

func newUpstreamFake() *upstreamFake {
	u := &upstreamFake{brokers: make(chan *memnet.Conn, 1000), answers: make(chan bool, 1000)}
	u.ready.Store(true)
	u.size.Store(bufferSize)
	return u
}

func (u *upstreamFake) Ready() bool { return u.ready.Load() }

func (u *upstreamFake) Dial(ctx context.Context, c bridge.DeviceInfo) (bridge.Broker, error) {
	if dial := u.dial.Load(); dial != nil {
		return (*dial)(ctx, c)
	}
	ours, theirs := memnet.Pipe(int(u.size.Load()))
	u.brokers <- theirs
	return bridge.Broker{Conn: ours, Name: "memory", Outcome: bridge.NewOutcome(u.outcome)}, nil
}

func (u *upstreamFake) dialWith(f func(context.Context, bridge.DeviceInfo) (bridge.Broker, error)) {
	u.dial.Store(&f)
}

func (u *upstreamFake) outcome(answered bool) {
	if u.panics.Load() {
		panic("outcome")
	}
	time.Sleep(time.Duration(u.stops.Swap(0)))
	u.answers <- answered
}
