package tlsfiles

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics tell when files run out and how reloading went. A nil Metrics counts nothing. Labels are file names of the
// configuration and the uses of stores.
type Metrics struct {
	expiry  *prometheus.GaugeVec
	reloads *prometheus.CounterVec
}

// NewMetrics registers the metrics with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		expiry: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "mqtt_ws_bridge", Name: "certificate_expiry_timestamp_seconds",
			Help: "Earliest expiry among the certificates in a file, its revocation list and its OCSP response, in Unix time.",
		}, []string{"use", "file"}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "mqtt_ws_bridge", Name: "tls_reloads_total",
			Help: "Reloads of TLS files, by use and outcome: ok, or failed, when the previous files stay in use.",
		}, []string{"use", "outcome"}),
	}
	reg.MustRegister(m.expiry, m.reloads)
	return m
}

func (m *Metrics) declare(use string) {
	if m != nil {
		m.reloads.WithLabelValues(use, "ok")
		m.reloads.WithLabelValues(use, "failed")
	}
}

func (m *Metrics) reloaded(use string, ok bool) {
	if m == nil {
		return
	}
	outcome := "failed"
	if ok {
		outcome = "ok"
	}
	m.reloads.WithLabelValues(use, outcome).Inc()
}

// expire replaces what is told of a use.
func (m *Metrics) expire(use string, files map[string]validity) {
	if m == nil {
		return
	}
	m.expiry.DeletePartialMatch(prometheus.Labels{"use": use})
	for file, v := range files {
		m.expiry.WithLabelValues(use, file).Set(float64(v.end.Unix()))
	}
}

// forget removes what is told of a use.
func (m *Metrics) forget(use string) {
	if m == nil {
		return
	}
	m.expire(use, nil)
	m.reloads.DeletePartialMatch(prometheus.Labels{"use": use})
}
