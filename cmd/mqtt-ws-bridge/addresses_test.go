package main

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/config"
)

// TestOneDeviceAddress: what a PROXY header and the list behind it make of the device's address is what the log has at the end of
// a session and of a refusal, and what the broker is told.
func TestOneDeviceAddress(t *testing.T) {
	p, brokers, log := startBridge(t, func(cfg *config.Config) {
		cfg.Addresses = config.Addresses{ProxyProtocol: []string{"127.0.0.1"}, Header: "x-forwarded-for", TrustedProxies: []string{"10.0.0.0/8"}}
		cfg.Upstream.ProxyProtocol = "v1"
	})
	const front, list = "PROXY TCP4 10.9.9.9 192.0.2.1 4711 8083\r\n", "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\n\r\n"
	refused := dialDevices(t, p)
	send(t, refused, front+upgradeHead+list)
	if answer, err := io.ReadAll(refused); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
		t.Errorf("answered %q, %v", answer, err)
	}
	if line := log.await(t, "device refused", "subprotocol"); line["device"] != "203.0.113.7:0" {
		t.Errorf("the refusal is logged as %v", line)
	}
	device := dialDevices(t, p)
	send(t, device, front+upgradeHead+offer+list+framed(connectPacket))
	broker := <-brokers
	defer broker.Close()
	_ = broker.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(broker)
	if header, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(header, "PROXY TCP4 203.0.113.7 127.0.0.1 0 ") {
		t.Errorf("the broker is told %q, %v", header, err)
	}
	got := make([]byte, len(connectPacket))
	if _, err := io.ReadFull(r, got); err != nil || string(got) != connectPacket {
		t.Errorf("then comes %q, %v", got, err)
	}
	send(t, broker, "\x20\x02\x00\x00")
	online := bufio.NewReader(device)
	for line := ""; line != "\r\n"; line, _ = online.ReadString('\n') {
		if _, err := online.Peek(1); err != nil {
			t.Fatal(err)
		}
	}
	if connack, err := online.ReadByte(); err != nil || connack != 0x82 {
		t.Fatalf("after the handshake comes %x, %v", connack, err)
	}
	send(t, device, framed("\xe0\x00"))
	if line := log.await(t, "session ended", ""); line["device"] != "203.0.113.7:0" || line["reason"] != "device-disconnect" {
		t.Errorf("the session is logged as %v", line)
	}
}

// TestAttack41: a listed proxy that sends no PROXY header gets nothing, and the operator hears of it.
func TestAttack41(t *testing.T) {
	p, _, log := startBridge(t, func(cfg *config.Config) { cfg.Addresses.ProxyProtocol = []string{"127.0.0.0/8"} })
	nc := dialDevices(t, p)
	send(t, nc, upgradeHead+offer+"\r\n")
	if answer, _ := io.ReadAll(nc); len(answer) > 0 {
		t.Errorf("answered %q", answer)
	}
	if line := log.await(t, "device refused", "proxy-header"); line["device"] != nc.LocalAddr().String() || line["level"] != "WARN" {
		t.Errorf("logged as %v", line)
	}
}
