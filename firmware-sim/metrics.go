package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mqtt-ws-bridge/firmware-sim/fleet"
)

// metrics are the numbers of a run in progress.
type metrics struct {
	online, sent, received, connects, faults prometheus.Gauge
}

// serveMetrics serves /metrics on address until stop is called; with an empty address nothing is served.
func serveMetrics(address string) (*metrics, func(), error) {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "firmware_sim", Name: name, Help: help})
	}
	m := &metrics{online: gauge("devices_online", "Devices online."), sent: gauge("messages_sent", "Messages sent so far."),
		received: gauge("messages_received", "Messages that reached the verifying subscriber so far."),
		connects: gauge("connects", "Connections accepted so far."), faults: gauge("faults", "Faults of the client libraries so far.")}
	if address == "" {
		return m, func() {}, nil
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, nil, fmt.Errorf("--metrics: %w", err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(m.online, m.sent, m.received, m.connects, m.faults)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	var group sync.WaitGroup
	group.Go(func() { _ = server.Serve(listener) })
	return m, func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		group.Wait()
	}, nil
}

func (m *metrics) set(p fleet.Progress) {
	m.online.Set(float64(p.Online))
	m.sent.Set(float64(p.Sent))
	m.received.Set(float64(p.Received))
	m.connects.Set(float64(p.Connects))
	m.faults.Set(float64(p.Faults))
}

// tracer prints lines of several devices without mixing them.
func tracer(w io.Writer) func(id, line string) {
	var mu sync.Mutex
	return func(id, line string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(w, "%s %s\n", id, line)
	}
}
