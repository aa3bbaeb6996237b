package upstream_test

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/upstream"
)

// options are those of newPool, for these brokers.
func options(urls ...*url.URL) upstream.Options {
	return upstream.Options{URLs: urls, Subprotocol: "mqtt", DialTimeout: 5 * time.Second, HealthInterval: time.Hour}
}

// replace puts a list of brokers into use.
func replace(t testing.TB, p *upstream.Pool, opts upstream.Options) {
	t.Helper()
	next, err := p.Prepare(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	p.Replace(next)
}

// scrape returns the lines of the metrics.
func scrape(reg *prometheus.Registry) string {
	w := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// TestReplaceBrokers: a broker that is added takes sessions at once, one that is removed takes none, keeps what it has, and loses its series.
func TestReplaceBrokers(t *testing.T) {
	log, reg := new(lines), prometheus.NewRegistry()
	first, second := listen(t, "tcp", elsewhere(), echo), listen(t, "tcp", elsewhere(), echo)
	one, two := tcpURL(t, first.Addr()), tcpURL(t, second.Addr())
	p := newPool(t, log, func(o *upstream.Options) { o.Metrics = reg }, one)
	runPool(t, p)
	eventually(t, "the first is up", p.Ready)
	open, err := p.Dial(t.Context(), bridge.DeviceInfo{})
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()

	replace(t, p, options(two))
	if got := dials(t, p); !p.Ready() || got != two.String() {
		t.Errorf("ready %v, and it dials %s", p.Ready(), got)
	}
	if names := p.Names(); len(names) != 1 || names[0] != two.String() {
		t.Errorf("the brokers are %q", names)
	}
	if text := scrape(reg); strings.Contains(text, one.String()) || !strings.Contains(text, `mqtt_ws_bridge_broker_up{broker="`+two.String()+`"} 1`) {
		t.Errorf("the series are\n%s", text)
	}
	if _, err := open.Write([]byte("still there")); err != nil {
		t.Error(err)
	}
	if n, err := open.Read(make([]byte, 100)); n == 0 {
		t.Errorf("the session of the removed broker: %v", err)
	}
	before := log.String()
	open.Outcome.Answered() // of a broker that nobody uses, nobody hears
	for range 5 {
		again, err := p.Dial(t.Context(), bridge.DeviceInfo{})
		if err != nil {
			t.Fatal(err)
		}
		again.Close()
	}
	if log.String() != before {
		t.Errorf("logged: %s", log)
	}
}

// TestReplaceKeepsKnowledge: a broker that stays is the same, whatever else changes; it is probed once more.
func TestReplaceKeepsKnowledge(t *testing.T) {
	broker, other := listen(t, "tcp", elsewhere(), echo), nobody(t)
	u := tcpURL(t, broker.Addr())
	p := newPool(t, new(lines), nil, u)
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		before := broker.accepted()
		replace(t, p, options(other, u))
		if got := broker.accepted(); got != before || !p.Ready() {
			t.Errorf("%d probes of a broker that was known, ready %v", got-before, p.Ready())
		}
		if got := dials(t, p); got != u.String() {
			t.Errorf("it dials %s", got)
		}
	}
	before := broker.accepted()
	runPool(t, p)
	eventually(t, "a probe with what is in use now", func() bool { return broker.accepted() > before })
}

// TestPreparedBrokersAreDropped: what was prepared and is not used leaves neither goroutines nor series nor log lines.
func TestPreparedBrokersAreDropped(t *testing.T) {
	log, reg := new(lines), prometheus.NewRegistry()
	broker := listen(t, "tcp", elsewhere(), echo)
	p := newPool(t, log, func(o *upstream.Options) { o.Metrics = reg }, tcpURL(t, broker.Addr()))
	runPool(t, p)
	eventually(t, "ready", p.Ready)
	before, said := scrape(reg), log.String()
	if _, err := p.Prepare(t.Context(), options(nobody(t), tcpURL(t, listen(t, "tcp", elsewhere(), echo).Addr()))); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Prepare(t.Context(), options()); err == nil {
		t.Error("a list without brokers is good")
	}
	if after := scrape(reg); after != before || log.String() != said {
		t.Errorf("logged %s, series\n%s", log, after)
	}
}

// TestManyReplacements: a thousand lists leave as many goroutines and series as one. TestMain looks for goroutines.
func TestManyReplacements(t *testing.T) {
	reg := prometheus.NewRegistry()
	broker := listen(t, "tcp", elsewhere(), echo)
	u := tcpURL(t, broker.Addr())
	p := newPool(t, new(lines), func(o *upstream.Options) { o.Metrics = reg }, u)
	runPool(t, p)
	eventually(t, "ready", p.Ready)
	before := strings.Count(scrape(reg), "\n")
	for i := range 1000 {
		gone := *nobodyElse
		gone.Path = "/" + strings.Repeat("x", i%7+1)
		replace(t, p, options(u, &gone))
	}
	replace(t, p, options(u))
	if after := strings.Count(scrape(reg), "\n"); after != before || !p.Ready() {
		t.Errorf("%d lines of metrics, there were %d; ready %v", after, before, p.Ready())
	}
}

// nobodyElse is where no broker is.
var nobodyElse = &url.URL{Scheme: "unix", Path: "/nobody"}
