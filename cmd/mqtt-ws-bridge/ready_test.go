package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"mqtt-ws-bridge/config"
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
		p.door.fetch(t.Context())
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
		p.door.fetch(t.Context())
		expect(200, false, "1")
	}
}
