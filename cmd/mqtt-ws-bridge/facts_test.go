package main

import (
	"io"
	"strings"
	"testing"

	"mqtt-ws-bridge/config"
)

// TestRefusalsTellTheFact: an operator sees in the line what the device asked for, and no token.
func TestRefusalsTellTheFact(t *testing.T) {
	p, _, log := startBridge(t, func(cfg *config.Config) { cfg.Origins = []string{"https://good.example"} })
	for _, c := range []struct{ reason, old, new, key, want string }{
		{"unknown-path", "/mqtt", "/ws/%1b%5B2J?token=canary", "path", "/ws/%1b%5B2J"},
		{"method-not-get", "GET", "PUT", "method", "PUT"},
		{"http-version", "HTTP/1.1", "HTTP/1.0", "version", "HTTP/1.0"},
		{"not-websocket", "Connection: Upgrade", "Connection: keep-alive", "connection", "keep-alive"},
		{"websocket-version", "Version: 13", "Version: 8", "version", "8"},
		{"origin", "Host: b", "Host: b\r\nOrigin: https://bad.example", "origin", "https://bad.example"},
		{"subprotocol", "Protocol: mqtt", "Protocol: amqp, bearer.canarycanarycanarycanary", "subprotocol", "amqp, ***"},
	} {
		nc := dialDevices(t, p)
		send(t, nc, strings.Replace(upgradeHead+offer+"\r\n", c.old, c.new, 1))
		if _, err := io.ReadAll(nc); err != nil {
			t.Fatal(err)
		}
		if line := log.await(t, "device refused", c.reason); line[c.key] != c.want {
			t.Errorf("logged as %v, want %s %q", line, c.key, c.want)
		}
	}
	for path, want := range map[string]string{"/mqtt/": "/mqtt/", "/mqtt/canary": "/mqtt/***", "/mqttx": "/mqttx", "/a/" + strings.Repeat("c", 22) + "/": "/a/***/"} {
		if got := loggedPath(path, []string{"/", "/mqtt"}); got != want {
			t.Errorf("%s is logged as %s, want %s", path, got, want)
		}
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if strings.Contains(log.buf.String(), "canary") {
		t.Error("a token is logged")
	}
}

// TestConnectWithoutFrame: a device that is upgraded and then sends its CONNECT without a WebSocket frame (RFC 6455 section 5.2) is named
// as such in the log, with the first two bytes and nothing else of what it sent.
func TestConnectWithoutFrame(t *testing.T) {
	p, _, log := startBridge(t, func(*config.Config) {})
	nc := dialDevices(t, p)
	send(t, nc, upgradeHead+offer+"\r\n\x10\x1c\x00\x04MQTT\x04\xc2\x00\x3c\x00\x00\x00\x06canary\x00\x06secret")
	if _, err := io.ReadAll(nc); err != nil {
		t.Fatal(err)
	}
	line := log.await(t, "device refused", "frame-protocol")
	said, _ := line["error"].(string)
	if want := "first bytes 10 1c are those of an MQTT CONNECT: the device sent MQTT without a WebSocket frame"; !strings.Contains(said, want) {
		t.Errorf("logged as %q, want %q", said, want)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if strings.Contains(log.buf.String(), "canary") || strings.Contains(log.buf.String(), "secret") {
		t.Error("what the device sent is logged")
	}
}
