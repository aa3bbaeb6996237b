package bridge_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mqtt-ws-bridge/mqttio"
)

// TestBrokerMetrics follows one session through the metrics that have a label for the broker.
func TestBrokerMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V311}
		expect := func(when, sessions, answers, lost string) {
			t.Helper()
			const p = "mqtt_ws_bridge_broker_"
			w := httptest.NewRecorder()
			promhttp.HandlerFor(s.reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			text := w.Body.String()
			for _, line := range []string{
				p + `sessions{broker="memory"} ` + sessions, p + `connack_seconds_count{broker="memory"} ` + answers,
				p + `failures_total{broker="memory",reason="broker-lost"} ` + lost, p + `failures_total{broker="memory",reason="broker-refused"} 0`,
			} {
				if !strings.Contains(text, line+"\n") {
					t.Errorf("%s: no line %s in\n%s", when, line, text)
				}
			}
			if answers == "1" && !strings.Contains(text, p+`connack_seconds_sum{broker="memory"} 0.75`) {
				t.Errorf("%s: the answer took another time than 0.75 s:\n%s", when, text)
			}
		}
		expect("at first", "0", "0", "0")
		s.dialled()
		synctest.Wait()
		expect("with CONNECT", "1", "0", "0")
		time.Sleep(750 * time.Millisecond)
		s.br.send(connack(s.v))
		s.dev.expect(connack(s.v))
		synctest.Wait()
		expect("with CONNACK", "1", "1", "0")
		s.br.nc.Reset()
		s.dev.rest()
		s.settled()
		expect("afterwards", "0", "1", "1")
	})
}

// TestRemovedBrokerMetrics: the series of a broker that is not in use any more go on until its last session has ended.
func TestRemovedBrokerMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scene{rig: newRig(t, nil), v: mqttio.V311}
		series := func(broker string) int {
			w := httptest.NewRecorder()
			promhttp.HandlerFor(s.reg, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
			return strings.Count(w.Body.String(), `{broker="`+broker+`"`)
		}
		one := series("memory")
		s.dialled()
		synctest.Wait()
		s.bridge.SetBrokers([]string{"other"})
		if series("memory") != one || series("other") != one {
			t.Errorf("while the session goes on there are %d series of its broker and %d of the new one, want %d each", series("memory"), series("other"), one)
		}
		s.br.nc.Reset()
		s.dev.rest()
		s.settled()
		if series("memory") != 0 || series("other") != one {
			t.Errorf("afterwards there are %d series of its broker and %d of the new one", series("memory"), series("other"))
		}
		for i := range 1000 {
			s.bridge.SetBrokers([]string{strings.Repeat("x", i%7+1)})
		}
		s.bridge.SetBrokers([]string{"memory"})
		if series("memory") != one || series("other")+series("x") != 0 {
			t.Error("series of brokers that are gone are left")
		}
	})
}
