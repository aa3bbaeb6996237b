package upstream

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what a pool tells about its brokers. The label broker is a name of [Pool.Names].
type metrics struct {
	dials *prometheus.HistogramVec
}

// Outcomes of an attempt to connect.
const (
	dialOK     = "ok"
	dialFailed = "failed"
	dialHung   = "hung"  // given up for another broker's, or out of time
	dialShort  = "short" // for want of something in the bridge
)

var dialBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// newMetrics registers the metrics with reg, nil for nowhere, and begins a series for each of these brokers.
func newMetrics(reg prometheus.Registerer, brokers []*broker) *metrics {
	m := &metrics{dials: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "mqtt_ws_bridge", Name: "broker_dial_seconds",
		Help: "Time of an attempt to connect to the broker for a device, by outcome.", Buckets: dialBuckets}, []string{"broker", "outcome"})}
	if reg == nil {
		return m
	}
	reg.MustRegister(m.dials)
	for _, b := range brokers {
		for _, outcome := range []string{dialOK, dialFailed, dialHung, dialShort} {
			m.dials.WithLabelValues(b.target.name, outcome)
		}
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "mqtt_ws_bridge", Name: "broker_up",
			Help: "1 while the broker answers, as far as is known from sessions and probes.", ConstLabels: prometheus.Labels{"broker": b.target.name},
		}, b.isUp))
	}
	return m
}

func (b *broker) isUp() float64 {
	if b.up.Load() {
		return 1
	}
	return 0
}

func (m *metrics) dialled(b *broker, outcome string, took time.Duration) {
	m.dials.WithLabelValues(b.target.name, outcome).Observe(took.Seconds())
}
