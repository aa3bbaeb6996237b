package main

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/config"
)

// unready says why nobody would be let in though the bridge takes devices: no source can find out who they are.
func (p *process) unready() *reason.Reason {
	d := p.access.current()
	if d.gate == nil {
		return nil
	}
	for _, err := range d.gate.Ready() {
		if err == nil {
			return nil
		}
	}
	return reason.AuthUnavailable
}

// notes are what the operator should look at.
func (p *process) notes() (lines []string) {
	for _, store := range p.stores() {
		lines = append(lines, store.Expiring()...)
	}
	d := p.access.current()
	if d.gate == nil {
		return lines
	}
	for i, err := range d.gate.Ready() {
		if err != nil {
			lines = append(lines, fmt.Sprintf("access.sources[%d] (%s): %v", i, d.types[i], err))
		}
	}
	return lines
}

// sourceMetrics tell which sources of each moment could let devices in.
type sourceMetrics struct{ access *keptAccess }

var sourceUp = prometheus.NewDesc("mqtt_ws_bridge_access_source_up",
	"1 if a source of access could let a device in now, 0 if it has no keys or its service does not answer.", []string{"source", "type"}, nil)

// Describe is part of [prometheus.Collector].
func (sourceMetrics) Describe(to chan<- *prometheus.Desc) { to <- sourceUp }

// Collect is part of [prometheus.Collector].
func (m sourceMetrics) Collect(to chan<- prometheus.Metric) {
	d := m.access.current()
	if d.gate == nil {
		return
	}
	for i, err := range d.gate.Ready() {
		up := 1.0
		if err != nil {
			up = 0
		}
		to <- prometheus.MustNewConstMetric(sourceUp, prometheus.GaugeValue, up, strconv.Itoa(i), d.types[i])
	}
}

// expiring warns of certificates and lists that have expired or will before long. Where the bridge serves, the stores of TLS files say it.
func expiring(cfg *config.Config) (all []warning) {
	var notes []string
	if len(cfg.DeviceTLS().Certificates) > 0 {
		notes = cfg.DeviceTLS().Expiring()
	}
	for _, note := range append(notes, cfg.BrokerTLS().Expiring()...) {
		all = append(all, warning{message: note})
	}
	return all
}

// insecureCiphers warns of cipher suites that Go would not use unless they are named.
func insecureCiphers(cfg *config.Config) (all []warning) {
	for _, side := range []struct {
		key   string
		names []string
	}{{"tls.ciphers", cfg.TLS.Ciphers}, {"upstream.tls.ciphers", cfg.Upstream.TLS.Ciphers}} {
		if bad := config.InsecureCiphers(side.names); len(bad) > 0 {
			all = append(all, warning{"insecure cipher suites are allowed: whoever records the traffic or can modify it may be able to read it",
				[]slog.Attr{slog.String("key", side.key), slog.String("suites", strings.Join(bad, ","))}})
		}
	}
	return all
}
