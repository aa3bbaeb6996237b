// Package admin is the operator's HTTP: health, readiness, metrics and profiles. It belongs on an address that devices and
// strangers do not reach: nothing in it asks who is there. It does refuse the pages of other sites that an operator's browser has open.
package admin

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
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

// Options make the operator's server.
type Options struct {
	Bridge   *bridge.Bridge
	Registry *prometheus.Registry
	Log      *slog.Logger
	// Hosts are names in the Host header under which the server may be reached, beside IP addresses and names that no stranger can
	// make up. See decisions/0017.
	Hosts []string
	// Profiles offers /debug/pprof/.
	Profiles bool
	// Unready says why no device would be let in though the bridge would take it; nil: one would. A nil function: one always would.
	Unready func() *reason.Reason
	// Notes are lines of what the operator should look at though devices are served. A nil function: none.
	Notes func() []string
}

// NewServer returns the operator's HTTP server, with the metrics in the registry, to which it adds the number of sessions.
//
// /healthz is 200 as long as the process serves. /readyz is 200 when a device would be taken, and otherwise the status and the
// reason that the device would get; either way the notes follow. /metrics is Prometheus's text format, /debug/pprof/ the profiles of
// net/http/pprof.
func NewServer(o Options) *http.Server {
	b := o.Bridge
	o.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "mqtt_ws_bridge_sessions", Help: "Sessions now, from the upgrade to the end.",
	}, func() float64 { return float64(b.Sessions()) }))
	return &http.Server{
		Handler:           NewHandler(o),
		ReadHeaderTimeout: 10 * time.Second,
		WriteTimeout:      maxProfile + 30*time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
}

// NewHandler returns what a server of [NewServer] answers with. It may take the place of that server's handler.
func NewHandler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", o.ready)
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes}))
	links := indexLinks
	if o.Profiles {
		addProfiles(mux)
		links = append(links[:len(links):len(links)], "/debug/pprof/")
	} else {
		mux.HandleFunc("/debug/pprof/", func(w http.ResponseWriter, _ *http.Request) {
			answer(w, http.StatusNotFound, "profiles are off (admin.pprof)")
		})
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { index(w, links) })
	return &guard{next: mux, hosts: o.Hosts}
}

const maxScrapes = 10 // at a time

// ready answers what a device would hear.
func (o *Options) ready(w http.ResponseWriter, _ *http.Request) {
	reason := o.Bridge.Admit("")
	if reason == nil && o.Unready != nil {
		reason = o.Unready()
	}
	status, text := http.StatusOK, "ready"
	if reason != nil {
		status, text = http.StatusServiceUnavailable, reason.String()
	}
	if o.Notes != nil {
		for _, note := range o.Notes() {
			text += "\nnote: " + note
		}
	}
	answer(w, status, text)
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text)
}

var indexLinks = []string{"/healthz", "/readyz", "/metrics"}

func index(w http.ResponseWriter, links []string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, "<!doctype html><title>mqtt-ws-bridge</title><h1>mqtt-ws-bridge</h1>\n<ul>\n")
	for _, link := range links {
		_, _ = fmt.Fprintf(w, "<li><a href=%q>%s</a>\n", link, link)
	}
	_, _ = io.WriteString(w, "</ul>\n")
}
