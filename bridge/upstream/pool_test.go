package upstream_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/upstream"
)

// nobody returns the URL of an address on which nobody listens.
func nobody(t testing.TB) *url.URL {
	t.Helper()
	l, err := net.Listen("tcp", elsewhere())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return tcpURL(t, l.Addr())
}

// dials reports which broker p dials.
func dials(t testing.TB, p *upstream.Pool) string {
	t.Helper()
	b, err := p.Dial(t.Context(), bridge.DeviceInfo{})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	return b.Name
}

// TestFailover: the first in the list that answers, those that did not lately last.
func TestFailover(t *testing.T) {
	first, second := listen(t, "tcp", elsewhere(), echo), listen(t, "tcp", elsewhere(), echo)
	one, two := tcpURL(t, first.Addr()), tcpURL(t, second.Addr())
	p := newPool(t, new(lines), nil, one, two)
	if p.Ready() {
		t.Error("ready before anything was asked")
	}
	if got := dials(t, p); got != one.String() {
		t.Errorf("with nothing known it dials %s", got)
	}
	if err := p.Check(t.Context()); err != nil || !p.Ready() {
		t.Errorf("ready %v, %v", p.Ready(), err)
	}
	if got := dials(t, p); got != one.String() {
		t.Errorf("with both up it dials %s", got)
	}
	first.stop()
	if got := dials(t, p); got != two.String() {
		t.Errorf("without the first it dials %s", got)
	}
	again := listen(t, "tcp", first.Addr().String(), echo)
	if got := dials(t, p); got != two.String() || again.accepted() > 0 {
		t.Errorf("with the first back, which nobody noticed yet, it dials %s", got)
	}
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := dials(t, p); got != one.String() {
		t.Errorf("with the first known to be back it dials %s", got)
	}
	again.stop()
	second.stop()
	_, err := p.Dial(t.Context(), bridge.DeviceInfo{})
	if err == nil || !strings.Contains(err.Error(), one.Host) || !strings.Contains(err.Error(), two.Host) || p.Ready() {
		t.Errorf("without both: ready %v, %v", p.Ready(), err)
	}
}

// TestDownAndUp: a broker that is down is asked again soon, however long the interval.
func TestDownAndUp(t *testing.T) {
	log := new(lines)
	broker := listen(t, "tcp", elsewhere(), echo)
	u := tcpURL(t, broker.Addr())
	p := newPool(t, log, nil, u) // with an interval of an hour
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	runPool(t, p)
	broker.stop()
	if _, err := p.Dial(t.Context(), bridge.DeviceInfo{}); err == nil || p.Ready() {
		t.Fatalf("ready %v, %v", p.Ready(), err)
	}
	listen(t, "tcp", broker.Addr().String(), echo)
	eventually(t, "the broker is up again", p.Ready)
	if n := strings.Count(log.String(), `"level":"WARN"`); n != 1 {
		t.Errorf("%d warnings: %s", n, log)
	}
	if n := strings.Count(log.String(), "broker answers"); n != 2 {
		t.Errorf("it is said %d times that the broker answers: %s", n, log)
	}
}

// TestProbeNotices without any device.
func TestProbeNotices(t *testing.T) {
	broker := listen(t, "tcp", elsewhere(), echo)
	p := newPool(t, new(lines), func(o *upstream.Options) { o.HealthInterval = 20 * time.Millisecond }, tcpURL(t, broker.Addr()))
	runPool(t, p)
	eventually(t, "ready", p.Ready)
	broker.stop()
	eventually(t, "not ready", func() bool { return !p.Ready() })
}

// TestProbesCoalesce: however many sessions suspect a broker, it is asked a few times a second.
func TestProbesCoalesce(t *testing.T) {
	broker := listen(t, "tcp", elsewhere(), echo)
	u := tcpURL(t, broker.Addr())
	p := newPool(t, new(lines), nil, u)
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	var sessions []*bridge.Outcome
	for range 1000 {
		sessions = append(sessions, outcome(t, p))
	}
	eventually(t, "all are taken", func() bool { return broker.accepted() == 1+len(sessions) })
	before := broker.accepted() - 1
	runPool(t, p)
	began := time.Now()
	eventually(t, "it is asked again and again", func() bool {
		if len(sessions) > 0 {
			sessions[0].Unanswered()
			sessions = sessions[1:]
		}
		return broker.accepted()-before >= 4
	})
	n := broker.accepted() - before
	if most := 3 + int(time.Since(began)/(200*time.Millisecond)); n > most {
		t.Errorf("asked %d times in %v", n, time.Since(began))
	}
}

// TestSilentBrokerIsSuspected: a dial that runs out of time asks for a probe, so that the next device hears at once that no broker
// answers.
func TestSilentBrokerIsSuspected(t *testing.T) {
	a := newAuthority(t)
	var answering atomic.Bool
	answering.Store(true)
	silent := listen(t, "tcp", "127.0.0.1:0", func(nc net.Conn) { // accepts, and leaves the handshake unanswered
		if answering.Load() {
			nc = tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{a.issue()}})
		}
		hear(nc)
	})
	p := newPool(t, new(lines), func(o *upstream.Options) {
		o.TLS = always(&tls.Config{RootCAs: a.pool})
		o.DialTimeout = 5 * time.Second
	}, parse(t, "tls://"+silent.Addr().String()))
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	answering.Store(false)
	runPool(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Dial(ctx, bridge.DeviceInfo{}); err == nil {
		t.Fatal("the silent broker was dialled")
	}
	eventually(t, "the broker is down", func() bool { return !p.Ready() })
	if n := silent.accepted(); n > 10 {
		t.Errorf("the silent broker was asked %d times", n)
	}
}

// TestSameHost: two paths of one host are two brokers.
func TestSameHost(t *testing.T) {
	u := serveWS(t, nil, echoWS)
	other := *u
	other.Path = "/other"
	p := newPool(t, new(lines), nil, u, &other)
	b, err := p.Dial(t.Context(), bridge.DeviceInfo{})
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	if !strings.HasSuffix(b.Name, "/mqtt") {
		t.Errorf("the broker at %s is called %s", u.Path, b.Name)
	}
}

func TestNewPoolRefuses(t *testing.T) {
	for _, text := range []string{"", "http://h:1", "tcp://h", "ws://:80", "tls://h"} {
		var urls []*url.URL
		if text != "" {
			urls = append(urls, parse(t, text))
		}
		if _, err := upstream.NewPool(upstream.Options{URLs: urls}); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestDialNobody(t *testing.T) {
	p := newPool(t, new(lines), nil, nobody(t))
	if _, err := p.Dial(t.Context(), bridge.DeviceInfo{}); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v", err)
	}
	if err := p.Check(t.Context()); err == nil || p.Ready() {
		t.Errorf("ready %v, %v", p.Ready(), err)
	}
}

// TestPoolMetrics: whether each broker is up, and how attempts to connect to it ended.
func TestPoolMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	good, bad := tcpURL(t, listen(t, "tcp", elsewhere(), echo).Addr()), nobody(t)
	p := newPool(t, new(lines), func(o *upstream.Options) { o.Metrics = reg }, bad, good)
	expect := func(up string, ok, failed int) {
		t.Helper()
		w := httptest.NewRecorder()
		promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		text := w.Body.String()
		for _, line := range []string{
			`up{broker="` + bad.String() + `"} 0`, `up{broker="` + good.String() + `"} ` + up,
			fmt.Sprintf(`dial_seconds_count{broker="%s",outcome="ok"} %d`, good, ok),
			fmt.Sprintf(`dial_seconds_count{broker="%s",outcome="failed"} %d`, bad, failed),
			fmt.Sprintf(`dial_seconds_count{broker="%s",outcome="hung"} 0`, bad),
		} {
			if !strings.Contains(text, "\nmqtt_ws_bridge_broker_"+line+"\n") {
				t.Errorf("no line %s in\n%s", line, text)
			}
		}
	}
	expect("0", 0, 0)
	if got := dials(t, p); got != good.String() {
		t.Errorf("it dials %s", got)
	}
	expect("0", 1, 1) // a connection alone does not say that a broker answers
	_ = p.Check(t.Context())
	expect("1", 1, 1)
}
