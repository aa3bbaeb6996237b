// Package admin is the operator's HTTP: health, readiness, metrics and profiles. It belongs on an address that devices and
// strangers do not reach; nothing in it asks who is there.
package admin

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mqtt-ws-bridge/bridge"
)

// NewRegistry returns a registry that already has the Go runtime's and the process's metrics, and what was built: this version.
func NewRegistry(version string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "mqtt_ws_bridge_build_info",
		Help: "1, with the version of the bridge and of Go.", ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()}})
	build.Set(1)
	reg.MustRegister(build)
	return reg
}

// NewServer returns the operator's HTTP server for b, with the metrics in reg, to which it adds the number of sessions.
//
// /healthz is 200 as long as the process serves. /readyz is 200 when a device would be taken, and otherwise the status and the
// reason that the device would get. /metrics is Prometheus's text format, /debug/pprof/ the profiles of net/http/pprof.
func NewServer(b *bridge.Bridge, reg *prometheus.Registry, log *slog.Logger) *http.Server {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "mqtt_ws_bridge_sessions", Help: "Sessions now, from the upgrade to the end.",
	}, func() float64 { return float64(b.Sessions()) }))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if r := b.Admit(); r != nil {
			answer(w, http.StatusServiceUnavailable, r.String())
			return
		}
		answer(w, http.StatusOK, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /{$}", index)
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, `<!doctype html><title>mqtt-ws-bridge</title><h1>mqtt-ws-bridge</h1>
<ul><li><a href="/healthz">/healthz</a><li><a href="/readyz">/readyz</a><li><a href="/metrics">/metrics</a>
<li><a href="/debug/pprof/">/debug/pprof/</a></ul>
`)
}
