package bridge

import (
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// Metrics are what the bridge counts. Labels come from closed sets: reasons, directions, packet types and the names of brokers.
// Whatever may be counted one day has a series from the beginning: Prometheus's increase() does not see the first event of a series that begins
// with it.
type Metrics struct {
	reg prometheus.Registerer

	refusals *prometheus.CounterVec
	ends     *prometheus.CounterVec
	leavers  *prometheus.CounterVec
	dials    *prometheus.HistogramVec
	connects prometheus.Histogram
	denied   [16]prometheus.Counter // by packet type: PUBLISH and SUBSCRIBE
	quotas   map[string]prometheus.Counter
	withheld prometheus.Counter
	brokers  *brokersMetrics

	// By direction and packet type, looked up once: the pumps add to them for every batch.
	packets [2][16]prometheus.Counter
	bytes   [2][16]prometheus.Counter
}

const namespace = "mqtt_ws_bridge"

// registerMemory registers what sessions hold.
func (m *Metrics) registerMemory(mem *memory) {
	gauge := func(name, help string, value func() int64) {
		m.reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help},
			func() float64 { return float64(value()) }))
	}
	gauge("packet_memory_bytes", "Packet buffers of sessions, beyond the minimum of each session.",
		func() int64 { return mem.proven.used.Load() + mem.unproven.used.Load() })
	gauge("packet_memory_limit_bytes", "Limit on the packet buffers of all sessions together. 0: no limit.",
		func() int64 { return mem.proven.limit + mem.unproven.limit })
	gauge("packet_memory_waiting", "Directions of sessions in which the bridge pauses reading until it has memory for their packets.",
		func() int64 { return int64(mem.proven.waits.Load() + mem.unproven.waits.Load()) })
}

// NewMetrics registers the bridge's metrics with reg. brokers are the names that [Broker] may have.
func NewMetrics(reg prometheus.Registerer, brokers ...string) *Metrics {
	m := &Metrics{
		reg: reg,
		refusals: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "refusals_total",
			Help: "Devices that were refused, before the upgrade or in CONNACK, by reason."}, []string{"reason"}),
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "session_ends_total",
			Help: "Sessions that ended after CONNACK, by reason."}, []string{"reason"}),
		leavers: prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "abandoned_total",
			Help: "Connections of devices that left before the broker accepted them, by reason."}, []string{"reason"}),
		dials: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "dial_seconds",
			Help: "Time to connect to a broker, by outcome.", Buckets: timeBuckets}, []string{"outcome"}),
		connects: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "handshake_seconds",
			Help: "Time from the upgrade to the CONNACK that accepts the device.", Buckets: timeBuckets}),
	}
	packets := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "packets_total",
		Help: "MQTT packets forwarded, by direction and type."}, []string{"direction", "type"})
	bytes := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "bytes_total",
		Help: "Bytes of MQTT packets forwarded, by direction and type."}, []string{"direction", "type"})
	for _, d := range []mqttio.Direction{mqttio.Up, mqttio.Down} {
		for t := mqttio.TypeConnect; t <= mqttio.TypeAuth; t++ {
			m.packets[d][t] = packets.WithLabelValues(d.String(), t.String())
			m.bytes[d][t] = bytes.WithLabelValues(d.String(), t.String())
		}
	}
	denied := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "denied_total",
		Help: "PUBLISH packets of devices, and topic filters in SUBSCRIBE, that the rules did not allow."}, []string{"type"})
	for _, t := range []mqttio.Type{mqttio.TypePublish, mqttio.TypeSubscribe} {
		m.denied[t] = denied.WithLabelValues(t.String())
	}
	exceeded := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: "quota_exceeded_total",
		Help: "Times that a quota took effect: devices refused or closed, topics and filters refused, reading paused (up, down)."},
		[]string{"quota"})
	m.quotas = make(map[string]prometheus.Counter)
	for _, quota := range quotaKinds() {
		m.quotas[quota] = exceeded.WithLabelValues(quota)
	}
	m.withheld = prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "withheld_total",
		Help: "Messages of brokers that the bridge did not forward: outside the device's mount point, or of a topic that it may not receive."})
	for _, outcome := range []string{dialOK, dialFailed, dialShort} {
		m.dials.WithLabelValues(outcome)
	}
	m.declareReasons()
	m.brokers = newBrokerMetrics(reg, brokers)
	reg.MustRegister(m.refusals, m.ends, m.leavers, m.dials, m.connects, packets, bytes, denied, exceeded, m.withheld)
	return m
}

// declareReasons makes the series of all reasons. Which of them can end a session that was accepted follows from the order of the table, which
// is that of a device's life: the device's own ends are the first of these.
func (m *Metrics) declareReasons() {
	reasons := reason.All()
	for i, r := range reasons {
		if departures[r] {
			m.leavers.WithLabelValues(r.Label)
		} else {
			m.refusals.WithLabelValues(r.Label)
		}
		if i >= slices.Index(reasons, reason.Disconnect) {
			m.ends.WithLabelValues(r.Label)
		}
	}
}

var timeBuckets = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

const (
	dialOK     = "ok"
	dialFailed = "failed"
	dialShort  = "short" // for want of something in the bridge
)

func (m *Metrics) refused(r *reason.Reason) {
	m.refusals.WithLabelValues(r.Label).Inc()
	m.exceeded(r.Label)
}

func (m *Metrics) ended(r *reason.Reason) {
	m.ends.WithLabelValues(r.Label).Inc()
	m.exceeded(r.Label)
}

func (m *Metrics) left(r *reason.Reason) { m.leavers.WithLabelValues(r.Label).Inc() }

// exceeded counts a quota, if that is the label of one.
func (m *Metrics) exceeded(label string) {
	if c, ok := m.quotas[label]; ok {
		c.Inc()
	}
}

func (m *Metrics) dialed(d time.Duration, err error) {
	outcome := dialOK
	switch {
	case err != nil && Shortage(err) != nil:
		outcome = dialShort
	case err != nil:
		outcome = dialFailed
	}
	m.dials.WithLabelValues(outcome).Observe(d.Seconds())
}

// tally counts the packets of one pump. It adds to the shared counters once per run of equal types, since a batch is
// mostly one. Owned by the pump.
type tally struct {
	packets, bytes *[16]prometheus.Counter

	kind    mqttio.Type
	n, size int

	total, published, moved uint64 // packets, PUBLISH packets and bytes since the session began; the latter two with what was dropped
}

func (t *tally) add(p *mqttio.Packet) {
	if kind := p.Header.Type(); kind != t.kind {
		t.flush()
		t.kind = kind
	}
	if p.First {
		t.n++
	}
	t.size += len(p.Bytes)
}

// drop takes back the packet, or part of one, that was added last.
func (t *tally) drop(p *mqttio.Packet) {
	t.moved += uint64(len(p.Bytes))
	if p.First {
		t.n--
		if p.Header.Type() == mqttio.TypePublish {
			t.published++
		}
	}
	t.size -= len(p.Bytes)
}

func (t *tally) flush() {
	if t.size == 0 {
		return
	}
	t.packets[t.kind].Add(float64(t.n))
	t.bytes[t.kind].Add(float64(t.size))
	t.total += uint64(t.n)
	t.moved += uint64(t.size)
	if t.kind == mqttio.TypePublish {
		t.published += uint64(t.n)
	}
	t.n, t.size = 0, 0
}
