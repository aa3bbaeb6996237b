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
	if p.access == nil || p.access.current().gate == nil {
		return nil
	}
	for _, err := range p.access.current().gate.Ready() {
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
	if p.access == nil || p.access.current().gate == nil {
		return lines
	}
	d := p.access.current()
	for i, err := range d.gate.Ready() {
		if err != nil {
			lines = append(lines, fmt.Sprintf("access.sources[%d] (%s): %v", i, d.types[i], err))
		}
	}
	return lines
}

// sourceMetrics tell which sources could let devices in.
func (p *process) sourceMetrics() {
	if p.access == nil || p.access.current().gate == nil {
		return
	}
	for i, kind := range p.access.current().types {
		p.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "mqtt_ws_bridge", Name: "access_source_up",
			Help:        "1 if a source of access could let a device in now, 0 if it has no keys or its service does not answer.",
			ConstLabels: prometheus.Labels{"source": strconv.Itoa(i), "type": kind},
		}, func() float64 {
			if all := p.access.current().gate.Ready(); i < len(all) && all[i] != nil {
				return 0
			}
			return 1
		}))
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
