package upstream

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what a pool tells about its brokers, those in use only: a [prometheus.Collector]. The label broker is a name of [Pool.Names].
type metrics struct {
	pool  *Pool
	dials *prometheus.HistogramVec
	up    *prometheus.Desc
}

// Outcomes of an attempt to connect.
const (
	dialOK     = "ok"
	dialFailed = "failed"
	dialHung   = "hung"  // given up for another broker's, or out of time
	dialShort  = "short" // for want of something in the bridge
)

var dialBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

func newMetrics(p *Pool) *metrics {
	return &metrics{
		pool: p,
		dials: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "mqtt_ws_bridge", Name: "broker_dial_seconds",
			Help: "Time of an attempt to connect to the broker for a device, by outcome.", Buckets: dialBuckets}, []string{"broker", "outcome"}),
		up: prometheus.NewDesc("mqtt_ws_bridge_broker_up",
			"1 while the broker answers, as far as is known from sessions and probes.", []string{"broker"}, nil),
	}
}

// Describe implements [prometheus.Collector].
func (m *metrics) Describe(to chan<- *prometheus.Desc) {
	m.dials.Describe(to)
	to <- m.up
}

// Collect implements [prometheus.Collector].
func (m *metrics) Collect(to chan<- prometheus.Metric) {
	m.dials.Collect(to)
	for _, b := range m.pool.current.Load().brokers {
		to <- prometheus.MustNewConstMetric(m.up, prometheus.GaugeValue, b.isUp(), b.target.name)
	}
}

// add begins the series of a broker. Those that a broker of the same name had go on.
func (m *metrics) add(b *broker) {
	if b.dials != nil {
		return
	}
	b.dials = make(map[string]prometheus.Observer)
	for _, outcome := range []string{dialOK, dialFailed, dialHung, dialShort} {
		b.dials[outcome] = m.dials.WithLabelValues(b.target.name, outcome)
	}
}

// remove ends the series of a name. Who dials its broker yet observes what nobody collects.
func (m *metrics) remove(name string) { m.dials.DeletePartialMatch(prometheus.Labels{"broker": name}) }

func (b *broker) isUp() float64 {
	if b.up.Load() {
		return 1
	}
	return 0
}

func (b *broker) dialled(outcome string, took time.Duration) {
	b.dials[outcome].Observe(took.Seconds())
}
