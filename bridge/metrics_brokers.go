package bridge

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mqtt-ws-bridge/bridge/reason"
)

// brokerReasons are the reasons of the table that say something about a broker, rather than about the device.
func brokerReasons() []*reason.Reason {
	return []*reason.Reason{reason.ConnackTimeout, reason.BrokerRefused,
		reason.BrokerDisconnect, reason.BrokerClosed, reason.BrokerLost, reason.BrokerStalled, reason.BrokerMalformed}
}

// brokerMetrics are the metrics of one broker. A nil brokerMetrics counts nothing.
type brokerMetrics struct {
	sessions prometheus.Gauge
	answers  prometheus.Observer
	failures map[*reason.Reason]prometheus.Counter
}

// newBrokerMetrics registers the metrics that have a label for the broker, with a series for each of these names and no others.
func newBrokerMetrics(reg prometheus.Registerer, names []string) map[string]*brokerMetrics {
	sessions := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "broker_sessions",
		Help: "Sessions with a connection to the broker."}, []string{"broker"})
	answers := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "broker_connack_seconds",
		Help: "Time from CONNECT to the broker's first answer, CONNACK or AUTH.", Buckets: timeBuckets}, []string{"broker"})
	failures := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "broker_failures_total",
		Help: "Devices that were refused, and sessions that ended, because of the broker."}, []string{"broker", "reason"})
	reg.MustRegister(sessions, answers, failures)
	all := make(map[string]*brokerMetrics, len(names))
	for _, name := range names {
		m := &brokerMetrics{sessions: sessions.WithLabelValues(name), answers: answers.WithLabelValues(name),
			failures: make(map[*reason.Reason]prometheus.Counter)}
		for _, r := range brokerReasons() {
			m.failures[r] = failures.WithLabelValues(name, r.Label)
		}
		all[name] = m
	}
	return all
}

func (m *brokerMetrics) opened() {
	if m != nil {
		m.sessions.Inc()
	}
}

func (m *brokerMetrics) answered(after time.Duration) {
	if m != nil {
		m.answers.Observe(after.Seconds())
	}
}

// ended counts the end of a session that the broker had a connection of.
func (m *brokerMetrics) ended(r *reason.Reason) {
	if m == nil {
		return
	}
	m.sessions.Dec()
	if failure := m.failures[r]; failure != nil {
		failure.Inc()
	}
}
