package bridge

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mqtt-ws-bridge/bridge/reason"
)

// brokerReasons are the reasons of the table that say something about a broker, rather than about the device.
func brokerReasons() []*reason.Reason {
	return []*reason.Reason{reason.ConnackTimeout, reason.BrokerRefused,
		reason.BrokerDisconnect, reason.BrokerClosed, reason.BrokerLost, reason.BrokerStalled, reason.BrokerMalformed}
}

// brokersMetrics has the metrics with a label for the broker: of those in use, and of those that are gone and have sessions yet.
type brokersMetrics struct {
	// Set once.
	sessions *prometheus.GaugeVec
	answers  *prometheus.HistogramVec
	failures *prometheus.CounterVec

	mu  sync.Mutex
	all map[string]*brokerMetrics // guarded by mu
}

// brokerMetrics are the metrics of one broker. A nil brokerMetrics counts nothing.
type brokerMetrics struct {
	// Set once.
	name     string
	sessions prometheus.Gauge
	answers  prometheus.Observer
	failures map[*reason.Reason]prometheus.Counter

	open   int  // sessions; guarded by the mu of all
	listed bool // in use; guarded by the mu of all
}

// newBrokerMetrics registers the metrics that have a label for the broker, with a series for each of these names and no others.
func newBrokerMetrics(reg prometheus.Registerer, names []string) *brokersMetrics {
	m := &brokersMetrics{
		sessions: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "broker_sessions",
			Help: "Sessions with a connection to the broker."}, []string{"broker"}),
		answers: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "broker_connack_seconds",
			Help: "Time from CONNECT to the broker's first answer, CONNACK or AUTH.", Buckets: timeBuckets}, []string{"broker"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "broker_failures_total",
			Help: "Devices that were refused, and sessions that ended, because of the broker."}, []string{"broker", "reason"}),
		all: make(map[string]*brokerMetrics),
	}
	reg.MustRegister(m.sessions, m.answers, m.failures)
	m.list(names)
	return m
}

// list says which brokers are in use. The series of the others end with their last session.
func (m *brokersMetrics) list(names []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, b := range m.all {
		if b.listed = slices.Contains(names, name); !b.listed && b.open == 0 {
			m.remove(b)
		}
	}
	for _, name := range names {
		if m.all[name] == nil {
			m.all[name] = m.add(name)
		}
	}
}

// add begins the series of a broker. The caller holds mu.
func (m *brokersMetrics) add(name string) *brokerMetrics {
	b := &brokerMetrics{name: name, listed: true, sessions: m.sessions.WithLabelValues(name), answers: m.answers.WithLabelValues(name),
		failures: make(map[*reason.Reason]prometheus.Counter)}
	for _, r := range brokerReasons() {
		b.failures[r] = m.failures.WithLabelValues(name, r.Label)
	}
	return b
}

// remove ends them. The caller holds mu.
func (m *brokersMetrics) remove(b *brokerMetrics) {
	delete(m.all, b.name)
	labels := prometheus.Labels{"broker": b.name}
	m.sessions.Delete(labels)
	m.answers.Delete(labels)
	m.failures.DeletePartialMatch(labels)
}

// opened counts a session with the broker and returns what its further life is counted with: nil if nobody knows the broker (any more).
func (m *brokersMetrics) opened(name string) *brokerMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.all[name]
	if b != nil {
		b.open++
		b.sessions.Inc()
	}
	return b
}

// ended counts the end of a session that the broker had a connection of.
func (m *brokersMetrics) ended(b *brokerMetrics, r *reason.Reason) {
	if b == nil {
		return
	}
	if failure := b.failures[r]; failure != nil {
		failure.Inc()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	b.sessions.Dec()
	if b.open--; b.open == 0 && !b.listed {
		m.remove(b)
	}
}

func (b *brokerMetrics) answered(after time.Duration) {
	if b != nil {
		b.answers.Observe(after.Seconds())
	}
}

// SetBrokers says which brokers the upstream has from now on. Sessions of others go on, and are counted until they end.
func (b *Bridge) SetBrokers(names []string) { b.metrics.brokers.list(names) }
