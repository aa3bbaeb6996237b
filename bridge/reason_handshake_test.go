package bridge_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// handshakeCases are the refusals before the upgrade.
var handshakeCases = []struct {
	reason     string
	status     int
	retryAfter string
	level      string
	request    string // what replaces what, in the good handshake
	limits     func(*bridge.Limits)
	before     func(*rig)
}{
	{reason: "unknown-path", status: 404, request: "GET /mqtt|GET /other"},
	{reason: "method-not-get", status: 405, request: "GET|PUT"},
	{reason: "http-version", status: 426, request: "HTTP/1.1|HTTP/1.0"},
	{reason: "not-websocket", status: 426, request: "Upgrade: websocket|Upgrade: h2c"},
	{reason: "websocket-version", status: 426, request: "Version: 13|Version: 8"},
	{reason: "websocket-key", status: 400, request: "AAAA==|AA=="},
	{reason: "request-body", status: 400, request: "Host: bridge|Host: bridge\r\nContent-Length: 2"},
	{reason: "origin", status: 403, request: "Host: bridge|Host: bridge\r\nOrigin: https://good.example.bad.example"},
	{reason: "subprotocol", status: 400, request: "Protocol: mqtt|Protocol: amqp"},
	{reason: "draining", status: 503, retryAfter: "5", before: func(r *rig) { r.bridge.Drain(context.Background(), 1) }},
	{reason: "sessions-full", status: 503, retryAfter: "30", level: "WARN",
		limits: func(l *bridge.Limits) { l.Sessions = 1 }, before: func(r *rig) { r.open(); synctest.Wait() }},
	{reason: "memory-full", status: 503, retryAfter: "30", level: "DEBUG", before: func(r *rig) { r.budget.none(reason.MemoryFull) }},
	{reason: "descriptors-full", status: 503, retryAfter: "30", level: "DEBUG",
		before: func(r *rig) { r.budget.none(reason.DescriptorsFull) }},
	{reason: "ports-full", status: 503, retryAfter: "30", level: "DEBUG", before: func(r *rig) { r.budget.none(reason.PortsFull) }},
	{reason: "dials-full", status: 503, retryAfter: "5", level: "WARN",
		limits: func(l *bridge.Limits) { l.Dials = 1 }, before: (*rig).occupyDials},
	{reason: "broker-down", status: 503, retryAfter: "5", level: "WARN", before: func(r *rig) { r.up.ready.Store(false) }},
	{reason: "unauthorized", status: 401, before: func(r *rig) { r.refuses = "unauthorized" }},
	{reason: "forbidden", status: 403, before: func(r *rig) { r.refuses = "forbidden" }},
	{reason: "auth-throttled", status: 429, retryAfter: "60", level: "WARN", before: func(r *rig) { r.refuses = "auth-throttled" }},
	{reason: "address-connections", status: 429, retryAfter: "30", level: "WARN", before: func(r *rig) { r.refuses = "address-connections" }},
	{reason: "address-connect-rate", status: 429, retryAfter: "10", level: "WARN", before: func(r *rig) { r.refuses = "address-connect-rate" }},
	{reason: "identity-connections", status: 429, retryAfter: "30", level: "WARN", before: func(r *rig) { r.refuses = "identity-connections" }},
	{reason: "identity-connect-rate", status: 429, retryAfter: "10", level: "WARN", before: func(r *rig) { r.refuses = "identity-connect-rate" }},
	{reason: "connect-rate", status: 503, retryAfter: "5", level: "WARN", before: func(r *rig) { r.refuses = "connect-rate" }},
	{reason: "auth-unavailable", status: 503, retryAfter: "5", level: "WARN", before: func(r *rig) { r.refuses = "auth-unavailable" }},
	{reason: "auth-busy", status: 503, retryAfter: "5", level: "WARN", before: func(r *rig) { r.refuses = "auth-busy" }},
}

// occupyDials opens a device whose dial takes until the end of the test.
func (r *rig) occupyDials() {
	release := make(chan struct{})
	r.t.Cleanup(func() { close(release) })
	r.up.dialWith(func(context.Context, bridge.DeviceInfo) (bridge.Broker, error) {
		<-release
		return bridge.Broker{}, context.Canceled
	})
	r.open().send(connect(mqttio.V311, "other", 0))
	synctest.Wait()
}

// TestHandshakeReasons: status, Retry-After and the reason for the device; one line and one count for the operator; nothing for
// the broker.
func TestHandshakeReasons(t *testing.T) {
	for _, c := range handshakeCases {
		t.Run(c.reason, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, c.limits)
				if c.before != nil {
					c.before(r)
				}
				old, replacement, _ := strings.Cut(c.request, "|")
				d := r.dial()
				resp := d.request(strings.Replace(goodHandshake, old, replacement, 1))
				why := reason.ByLabel(c.reason)
				if got := body(t, resp); resp.StatusCode != c.status || got != why.String() || resp.Header.Get("Retry-After") != c.retryAfter {
					t.Errorf("device gets %s, %v: %s", resp.Status, resp.Header, got)
				}
				if c.level == "" {
					c.level = "INFO"
				}
				synctest.Wait()
				s := &scene{rig: r}
				s.undialled()
				s.checkAccounts(ended{reason: c.reason, level: c.level, metric: "refusals_total"})
			})
		})
	}
}
