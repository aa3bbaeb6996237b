package wsio_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/wsio/handshake"
	"mqtt-ws-bridge/wsio/refusal"
)

// TestPathsBelow: a path with a star stands for everything below it, and for nothing that only looks so.
func TestPathsBelow(t *testing.T) {
	s := startServer(t, serverConfig{opts: handshake.Options{Paths: []string{"/mqtt/*", "/exact/"}}})
	for path, want := range map[string]bool{
		"/mqtt/": true, "/mqtt/a": true, "/mqtt/a/b": true, "/mqtt/a/": true, "/mqtt/a%20b": true, "/mqtt/?token=x": true, "/exact/": true,
		"/mqtt": false, "/mqttx": false, "/": false, "/exact": false, "/exact/a": false, "/MQTT/a": false, "/mqtt/*": true,
		"/mqtt/../a": false, "/mqtt/./a": false, "/mqtt//a": false, "/mqtt/%2e%2e/a": false, "//mqtt/a": false, "/mqtt/a/..": false, "/%6dqtt/a": false,
	} {
		request := strings.Replace(goodRequest, "GET /mqtt ", "GET "+path+" ", 1)
		if want {
			s.wantAccepted(t, request, "mqtt")
			continue
		}
		s.wantRefused(t, request, http.StatusBadRequest)
		if cause := s.cause(); cause != string(refusal.CausePath) {
			t.Errorf("%s is refused for %s", path, cause)
		}
	}
}

// TestHealthPath: a load balancer is answered and is no refusal; a device at the same path is none of its business.
func TestHealthPath(t *testing.T) {
	health := make(chan refusal.Answer, 1)
	s := startServer(t, serverConfig{opts: handshake.Options{
		Paths: []string{"/*"}, HealthPath: "/healthz", Health: func() refusal.Answer { return <-health }}})
	for _, request := range []string{
		"GET /healthz HTTP/1.1\r\nHost: b\r\n\r\n", "GET /healthz HTTP/1.0\r\n\r\n", "HEAD /healthz?x HTTP/1.1\r\nHost: b\r\nAccept: text/html\r\n\r\n",
	} {
		health <- refusal.Answer{Status: 200, Text: "ready"}
		if got := s.ask(t, request); !strings.HasPrefix(got[len("HTTP/1.x "):], "200 OK\r\n") || strings.HasPrefix(request, "GET") != strings.HasSuffix(got, "\r\n\r\nready\n") {
			t.Errorf("%q gets %q", request, got)
		}
		health <- refusal.Answer{Status: 503, Text: "full", RetryAfter: time.Second}
		if got := s.ask(t, request); !strings.HasPrefix(got[len("HTTP/1.x "):], "503 ") || !strings.Contains(got, "\r\nRetry-After: 1\r\n") {
			t.Errorf("%q gets %q", request, got)
		}
	}
	s.wantAccepted(t, strings.Replace(goodRequest, "/mqtt", "/healthz", 1), "mqtt")
	s.wantRefused(t, "POST /healthz HTTP/1.1\r\nHost: b\r\n\r\n", http.StatusBadRequest)
	if cause := s.cause(); cause != string(refusal.CauseMethod) || len(s.refused) > 0 {
		t.Errorf("refused for %s, and %d more", cause, len(s.refused))
	}
}

// TestUpgradeHeaderOf426 is there for a client, as RFC 9110 wants it, and not where a proxy would pass it on over HTTP/2.
func TestUpgradeHeaderOf426(t *testing.T) {
	s := startServer(t, serverConfig{opts: handshake.Options{Answer: func(refusal.Refusal) refusal.Answer { return refusal.Answer{Status: 426} }}})
	for name, c := range map[string]struct {
		request string
		want    string
	}{
		"client":                       {without(upgradeTo), "websocket"},
		"client with another upgrade":  {without("Upgrade: websocket\r\n", "Upgrade: h2c\r\n"), "websocket"},
		"nginx":                        {strings.Replace(without(upgradeTo, "Connection: close\r\n"), "HTTP/1.1", "HTTP/1.0", 1), ""},
		"nginx with HTTP/1.1":          {without(upgradeTo, "Connection: close\r\n"), ""},
		"nginx that passes nothing on": {without("Upgrade: websocket\r\n"), ""},
		"X-Forwarded-For":              {without(upgradeTo, "X-Forwarded-For: 192.0.2.1\r\n"), ""},
		"Via":                          {without(upgradeTo, "Via: 2.0 x\r\n"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.wantRefused(t, c.request, 426).Header.Get("Upgrade"); got != c.want {
				t.Errorf("Upgrade: %q, want %q", got, c.want)
			}
		})
	}
}
