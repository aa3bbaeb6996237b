package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mqtt-ws-bridge/config"
	"mqtt-ws-bridge/internal/certs"
)

// TestReadyWithoutKeys: /readyz, and the health path for load balancers, say 503 while every device would hear that, since the keys for
// tokens cannot be fetched. While devices with a password get in, a note says it.
func TestReadyWithoutKeys(t *testing.T) {
	var up atomic.Bool
	keys := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !up.Load() {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		_, _ = w.Write([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	}))
	defer keys.Close()
	users := writeUsers(t, "pump", "CANARY-right")
	for _, c := range []struct {
		name    string
		sources []config.AccessSource
		status  int // without keys
	}{
		{"tokens alone", nil, 503},
		{"passwords too", []config.AccessSource{{Type: "basic", File: users}}, 200},
	} {
		up.Store(false)
		p, _, _ := startBridge(t, func(cfg *config.Config) {
			cfg.Access.Sources = append([]config.AccessSource{{Type: "token", In: "bearer", KeySet: keys.URL, Issuer: "i", Audience: []string{"a"}}}, c.sources...)
		})
		p.access.fetch(t.Context())
		expect := func(status int, noted bool, up string) {
			t.Helper()
			w := httptest.NewRecorder()
			p.admin.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/readyz", nil))
			if w.Code != status || p.health().Status != status || strings.Contains(w.Body.String(), "note: access.sources[0] (token): ") != noted {
				t.Errorf("%s: %d %q, to load balancers %d; want %d", c.name, w.Code, w.Body, p.health().Status, status)
			}
			w = httptest.NewRecorder()
			p.admin.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/metrics", nil))
			if line := `mqtt_ws_bridge_access_source_up{source="0",type="token"} ` + up; !strings.Contains(w.Body.String(), line) {
				t.Errorf("%s: the metrics lack %s", c.name, line)
			}
		}
		expect(c.status, true, "0")
		up.Store(true)
		p.access.fetch(t.Context())
		expect(200, false, "1")
	}
}

// TestExpiredCertificateIsTold by check-config, and by /readyz, which stays good: devices that check no dates still connect.
func TestExpiredCertificateIsTold(t *testing.T) {
	old := certs.New(t).Lasting(t, time.Now().Add(-48*time.Hour), time.Now().Add(-time.Hour), "bridge.test")
	var out, warned bytes.Buffer
	status := run([]string{"check-config", "--listen", "wss://127.0.0.1:0", "--tls.cert", old.CertFile, "--tls.key", old.KeyFile}, nil, &out, &warned)
	if status != exitOK || out.String() != "ok\n" || !strings.Contains(warned.String(), "warning: "+old.CertFile+" expired on ") {
		t.Errorf("check-config: status %d, %q, %q", status, &out, &warned)
	}
	p, _, log := startBridge(t, func(cfg *config.Config) {
		cfg.Listen, cfg.TLS.Cert, cfg.TLS.Key = []string{"wss://127.0.0.1:0"}, old.CertFile, old.KeyFile
	})
	w := httptest.NewRecorder()
	p.admin.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1/readyz", nil))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "note: "+old.CertFile+" expired on ") {
		t.Errorf("/readyz: %d %q", w.Code, w.Body)
	}
	log.await(t, "TLS files need attention", "")
}
