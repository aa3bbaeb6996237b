package admin_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/admin"
	"mqtt-ws-bridge/bridge/reason"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// upstream is ready or not.
type upstream struct{ down atomic.Bool }

func (u *upstream) Ready() bool { return !u.down.Load() }
func (u *upstream) Dial(context.Context, bridge.DeviceInfo) (bridge.Broker, error) {
	return bridge.Broker{}, io.ErrUnexpectedEOF
}

// serve returns a bridge with an operator's server in front, and a function that gets a path of it.
func serve(t *testing.T) (*bridge.Bridge, *upstream, func(path string) (int, string)) {
	reg, up, log := admin.NewRegistry("v1.2.3"), new(upstream), slog.New(slog.DiscardHandler)
	b := bridge.New(bridge.Options{Upstream: up, Metrics: bridge.NewMetrics(reg), Log: log, Limits: bridge.Limits{
		Sessions: 10, Dials: 10, ConnectSize: 1000, PacketSize: 1000, ConnectTimeout: time.Minute, WriteTimeout: time.Minute,
	}})
	t.Cleanup(b.Close)
	handler := admin.NewServer(admin.Options{Bridge: b, Registry: reg, Log: log, Profiles: true}).Handler
	b.Refused(reason.Path, "192.0.2.1:1", "browser") // so that the counter shows
	return b, up, func(path string) (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:9090"+path, nil))
		return w.Code, w.Body.String()
	}
}

func TestHealthAndReadiness(t *testing.T) {
	b, up, get := serve(t)
	expect := func(path string, status int, text string) {
		t.Helper()
		if code, body := get(path); code != status || !strings.Contains(body, text) {
			t.Errorf("%s is %d %q, want %d %q", path, code, body, status, text)
		}
	}
	expect("/healthz", 200, "ok")
	expect("/readyz", 200, "ready")
	up.down.Store(true)
	expect("/readyz", 503, "broker-down: the broker does not answer")
	expect("/healthz", 200, "ok")
	up.down.Store(false)
	expect("/readyz", 200, "ready")
	b.Drain(t.Context(), 1)
	expect("/readyz", 503, "draining: the bridge is being replaced; try again")
	expect("/healthz", 200, "ok")
	expect("/", 200, "/metrics")
	expect("/other", 404, "")
}

func TestMetrics(t *testing.T) {
	_, _, get := serve(t)
	code, body := get("/metrics")
	if code != 200 {
		t.Fatalf("/metrics is %d", code)
	}
	for _, name := range []string{
		"mqtt_ws_bridge_sessions 0", `mqtt_ws_bridge_refusals_total{reason="unknown-path"} 1`,
		`mqtt_ws_bridge_packets_total{direction="up",type="PUBLISH"} 0`, `mqtt_ws_bridge_bytes_total{direction="down",type="CONNACK"} 0`,
		"mqtt_ws_bridge_handshake_seconds_count 0", `mqtt_ws_bridge_dial_seconds_count{outcome="failed"} 0`,
		"go_goroutines ", "process_open_fds ",
	} {
		if !strings.Contains(body, "\n"+name) {
			t.Errorf("/metrics lacks %s", name)
		}
	}
	if strings.Contains(body, "192.0.2.1") || strings.Contains(body, "browser") {
		t.Error("a metric names a device")
	}
}

// TestMetricNames holds them against Prometheus's conventions.
func TestMetricNames(t *testing.T) {
	reg := admin.NewRegistry("v1.2.3")
	bridge.NewMetrics(reg, "tcp://b:1")
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "mqtt_ws_bridge_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	allowed := []string{"reason", "direction", "type", "outcome", "quota", "broker", "version", "goversion"}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if strings.HasPrefix(f.GetName(), "mqtt_ws_bridge_") && !slices.Contains(allowed, l.GetName()) {
					t.Errorf("%s has a label %s", f.GetName(), l.GetName())
				}
			}
		}
	}
}

func TestProfiles(t *testing.T) {
	_, _, get := serve(t)
	for path, want := range map[string]string{
		"/debug/pprof/": "goroutine", "/debug/pprof/goroutine?debug=1": "goroutine profile", "/debug/pprof/heap?debug=1": "heap profile",
		"/debug/pprof/cmdline": "test", "/debug/pprof/symbol": "num_symbols",
	} {
		if code, body := get(path); code != 200 || !strings.Contains(body, want) {
			t.Errorf("%s is %d %.100q", path, code, body)
		}
	}
}

// TestOnlyGet: nothing here changes anything.
func TestOnlyGet(t *testing.T) {
	reg, log := admin.NewRegistry("v1.2.3"), slog.New(slog.DiscardHandler)
	b := bridge.New(bridge.Options{Upstream: new(upstream), Metrics: bridge.NewMetrics(reg), Log: log, Limits: bridge.Limits{Sessions: 1, Dials: 1}})
	t.Cleanup(b.Close)
	handler := admin.NewServer(admin.Options{Bridge: b, Registry: reg, Log: log}).Handler
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "http://127.0.0.1:9090"+path, nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("POST %s is %d", path, w.Code)
		}
	}
}
