package admin_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/admin"
	"mqtt-ws-bridge/bridge/reason"
)

// operators returns the operator's HTTP of a bridge.
func operators(t *testing.T, change func(*admin.Options)) http.Handler {
	t.Helper()
	reg, log := admin.NewRegistry("v1.2.3"), slog.New(slog.DiscardHandler)
	b := bridge.New(bridge.Options{Upstream: new(upstream), Metrics: bridge.NewMetrics(reg), Log: log, Limits: bridge.Limits{Sessions: 1, Dials: 1}})
	t.Cleanup(b.Close)
	o := admin.Options{Bridge: b, Registry: reg, Log: log, Profiles: true, Hosts: []string{"ops.example.com"}}
	change(&o)
	return admin.NewServer(o).Handler
}

func status(h http.Handler, method, url string, headers ...string) int {
	r := httptest.NewRequest(method, url, nil)
	for _, line := range headers {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// TestDNSRebinding: a page whose name was made to point here reads nothing. Health checks and scrapes by an address or a name of the
// operator's own network go on as they are.
func TestDNSRebinding(t *testing.T) {
	h := operators(t, func(*admin.Options) {})
	for host, want := range map[string]int{
		"evil.example": 421, "evil.example:9090": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example": 421, "ops.example.com.evil.example": 421,
		"evil.example.": 421, "bridge.local": 421,
		"127.0.0.1:9090": 200, "10.1.2.3": 200, "[::1]:9090": 200, "[2001:db8::1]": 200, "localhost": 200, "LOCALHOST:9090": 200, "bridge:9090": 200,
		"app.localhost": 200, "ops.example.com": 200, "OPS.example.com.:9090": 200,
	} {
		for _, path := range []string{"/", "/metrics", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=1"} {
			if got := status(h, http.MethodGet, "http://"+host+path); got != want {
				t.Errorf("%s under %s is %d, want %d", path, host, got, want)
			}
		}
		for _, path := range []string{"/healthz", "/readyz"} { // by kubelets and load balancers under any name
			if got := status(h, http.MethodGet, "http://"+host+path); got != 200 {
				t.Errorf("%s under %s is %d", path, host, got)
			}
		}
	}
}

// TestCrossOrigin: another site's page that an operator has open neither reads anything nor has the bridge work.
func TestCrossOrigin(t *testing.T) {
	h := operators(t, func(*admin.Options) {})
	const own = "http://127.0.0.1:9090"
	navigate := []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}
	for _, c := range []struct {
		name, method, path string
		headers            []string
		want               int
	}{
		{"no browser", "GET", "/metrics", nil, 200},
		{"typed", "GET", "/debug/pprof/cmdline", []string{"Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"}, 200},
		{"its own page", "GET", "/debug/pprof/cmdline", []string{"Sec-Fetch-Site: same-origin"}, 200},
		{"image", "GET", "/debug/pprof/cmdline", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, 403},
		{"image of metrics", "GET", "/metrics", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, 403},
		{"same site", "GET", "/metrics", []string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: cors", "Origin: http://127.0.0.1:8080"}, 403},
		{"origin alone", "GET", "/metrics", []string{"Origin: https://evil.example"}, 403},
		{"form", "POST", "/debug/pprof/symbol", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"}, 403},
		{"frame", "GET", "/metrics", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"}, 403},
		{"link", "GET", "/metrics", navigate, 200},
		{"link to a profile", "GET", "/debug/pprof/profile?seconds=1", navigate, 403},
	} {
		if got := status(h, c.method, own+c.path, c.headers...); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// TestProfilesAreOff unless they are asked for.
func TestProfilesAreOff(t *testing.T) {
	h := operators(t, func(o *admin.Options) { o.Profiles = false })
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/pprof/profile?seconds=1", "/debug/pprof/cmdline"} {
		if got := status(h, http.MethodGet, "http://127.0.0.1"+path); got != 404 {
			t.Errorf("%s is %d", path, got)
		}
	}
}

func TestProfilesAreShort(t *testing.T) {
	h := operators(t, func(*admin.Options) {})
	for _, kind := range []string{"profile", "trace", "heap"} {
		for _, seconds := range []string{"100000", "61", "-1", "0", "NaN", "x", "1e9"} {
			if got := status(h, http.MethodGet, "http://127.0.0.1/debug/pprof/"+kind+"?seconds="+seconds); got != 400 {
				t.Errorf("%s for %s seconds is %d", kind, seconds, got)
			}
		}
	}
}

// TestTheLatestTraceIsServed: a trace that somebody has begun keeps nobody else from one.
func TestTheLatestTraceIsServed(t *testing.T) {
	h := operators(t, func(*admin.Options) {})
	server := httptest.NewServer(h)
	defer server.Close()
	ask := func(ctx context.Context, path string) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
		if err != nil {
			return nil, err
		}
		return server.Client().Do(r)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second) // less than those before would take
	defer cancel()
	var before []*http.Response
	for range 3 {
		response, err := ask(ctx, "/debug/pprof/trace?seconds=60") // answers when it has begun
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, response)
	}
	response, err := ask(ctx, "/debug/pprof/trace?seconds=1")
	if err != nil {
		t.Fatal(err)
	}
	before = append(before, response)
	for _, r := range before {
		n, err := io.Copy(io.Discard, r.Body)
		r.Body.Close()
		if err != nil || n == 0 || r.StatusCode != http.StatusOK {
			t.Errorf("%d, %d bytes, %v", r.StatusCode, n, err)
		}
	}
}

// TestReadyzTells why devices would be refused for who they are, and what else an operator should see.
func TestReadyzTells(t *testing.T) {
	var unready *reason.Reason
	h := operators(t, func(o *admin.Options) {
		o.Unready = func() *reason.Reason { return unready }
		o.Notes = func() []string { return []string{"one", "two"} }
	})
	for _, c := range []struct {
		reason *reason.Reason
		status int
		text   string
	}{
		{nil, 200, "ready\nnote: one\nnote: two\n"},
		{reason.AuthUnavailable, 503, reason.AuthUnavailable.String() + "\nnote: one\nnote: two\n"},
	} {
		unready = c.reason
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
		if w.Code != c.status || w.Body.String() != c.text {
			t.Errorf("%d %q, want %d %q", w.Code, w.Body, c.status, c.text)
		}
	}
}
