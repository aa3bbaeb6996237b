package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/config"
)

const fromPage = "Origin: https://page.example\r\n"

// withoutBroker is a bridge that refuses devices because no broker answers.
func withoutBroker(t *testing.T, change func(*config.Config)) (*process, *logged) {
	t.Helper()
	p, _, log := startBridge(t, func(cfg *config.Config) {
		cfg.Upstream.URLs = []string{"unix://" + t.TempDir() + "/nobody"}
		cfg.Log.Rate = 0
		change(cfg)
	})
	return p, log
}

// TestPagesHearReasons: a page that is refused gets its WebSocket, the reason's code in CONNACK of its version, and code and text in the
// close frame. Others get the HTTP answer.
func TestPagesHearReasons(t *testing.T) {
	p, log := withoutBroker(t, func(*config.Config) {})
	const closed = "\x88\x29\x03\xf5broker-down: the broker does not answer"
	for _, c := range []struct{ name, says, hears string }{
		{"MQTT 3.1.1", framed(connectPacket), "\x82\x04\x20\x02\x00\x03" + closed},
		{"MQTT 3.1", framed(connect31), "\x82\x04\x20\x02\x00\x03" + closed},
		{"MQTT 5", framed(connect5), "\x82\x2f\x20\x2d\x00\x88\x2a\x1f\x00\x27broker-down: the broker does not answer" + closed},
		{"MQTT 5 that takes 20 bytes", framed(connect5Small), "\x82\x05\x20\x03\x00\x88\x00" + closed},
		{"in two frames", framed(connectPacket[:3]) + framed(connectPacket[3:]), "\x82\x04\x20\x02\x00\x03" + closed},
		{"no CONNECT", framed("\xc0\x00"), closed},
		{"text", "\x81\x81\x00\x00\x00\x00x", closed},
	} {
		t.Run(c.name, func(t *testing.T) {
			log.reset()
			before := counted(t, p, "broker-down")
			nc := dialDevices(t, p)
			send(t, nc, upgradeHead+offer+fromPage+"\r\n"+c.says)
			got, _ := io.ReadAll(nc)
			head, rest, _ := strings.Cut(string(got), "\r\n\r\n")
			if !strings.HasPrefix(head, "HTTP/1.1 101 ") || rest != c.hears {
				t.Errorf("the page gets %q and % x, want % x", head, rest, c.hears)
			}
			log.await(t, "device refused", "broker-down")
			if n := counted(t, p, "broker-down") - before; n != 1 {
				t.Errorf("it is counted %v times", n)
			}
		})
	}
	for _, origin := range []string{"", "Origin: file://\r\n"} {
		nc := dialDevices(t, p)
		send(t, nc, upgradeHead+offer+origin+"\r\n")
		receive(t, nc, "HTTP/1.1 503 ")
	}
	p, _ = withoutBroker(t, func(cfg *config.Config) { cfg.BrowserReasons = "off" })
	nc := dialDevices(t, p)
	send(t, nc, upgradeHead+offer+fromPage+"\r\n")
	receive(t, nc, "HTTP/1.1 503 ")
}

// TestPagesKeepTheirSlots: a page that was refused and says nothing costs what a handshake costs, and no longer than one.
func TestPagesKeepTheirSlots(t *testing.T) {
	p, log := withoutBroker(t, func(cfg *config.Config) {
		cfg.Limits.Handshakes, cfg.Limits.HandshakeTimeout = 2, 600*time.Millisecond
	})
	first, second := dialDevices(t, p), dialDevices(t, p)
	send(t, first, upgradeHead+offer+fromPage+"\r\n")
	send(t, second, upgradeHead+offer+fromPage+"\r\n")
	receive(t, first, "HTTP/1.1 101 ")
	receive(t, second, "HTTP/1.1 101 ")
	third := dialDevices(t, p)
	receive(t, third, "HTTP/1.1 503 ")
	log.await(t, "device refused", "handshakes-full")
	for _, nc := range []io.Reader{first, second} {
		if _, err := io.ReadAll(nc); err != nil {
			t.Errorf("a silent page: %v", err)
		}
	}
}
