package realclients

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"mqtt-ws-bridge/internal/bridgeproc"
	"mqtt-ws-bridge/internal/brokers"
)

// TestOtherBrokers: real libraries exchange messages of every QoS that the broker has through the bridge's own program, before brokers that know no
// MQTT 5. A library that insists on MQTT 5 is told so, and does not wait for an answer.
func TestOtherBrokers(t *testing.T) {
	t.Parallel()
	binary := bridgeproc.Build(t)
	for _, k := range brokers.Kinds {
		t.Run(k.Name, func(t *testing.T) {
			broker := k.Start(t)
			bridge := bridgeproc.Start(t, bridgeproc.Options{Binary: binary, Upstream: "tcp://" + broker.TCP})
			for _, library := range Libraries {
				if library.Slug == "mqttjs-chromium" {
					continue // the same library as on Node
				}
				t.Run(library.Slug, func(t *testing.T) {
					start := library.prepare(t, Target{})
					for _, version := range library.Versions {
						if version == mqtt5 {
							refusedFor5(t, start(t), bridge, library.Slug, map[bool]string{true: "broker-closed", false: "broker-refused"}[k.Name == "rabbitmq"])
						} else {
							exchange(t, start(t), bridge, library.Slug, k.QoS)
						}
					}
				})
			}
		})
	}
}

// exchange sends the device messages from itself.
func exchange(t *testing.T, d *Device, bridge *bridgeproc.Bridge, id string, qos []int) {
	d.must(Command{Do: "connect", URL: bridge.WS + "/mqtt", Client: strings.ReplaceAll(id, ".", "-"), Version: mqtt311, Clean: true, Keepalive: 60})
	for _, q := range qos {
		topic, payload := fmt.Sprintf("exchanged/%d", q), bytes.Repeat([]byte("0123456789abcdef"), 1<<12)
		d.Subscribe(topic, q)
		d.Publish(Message{Topic: topic, Payload: payload, QoS: q})
		if m := d.Next(); m.Topic != topic || m.QoS != q || !bytes.Equal(m.Payload, payload) {
			t.Errorf("QoS %d: received %d bytes on %s with QoS %d", q, len(m.Payload), m.Topic, m.QoS)
		}
	}
	d.Disconnect()
}

// refusedFor5 expects the library to hear that it is refused: CONNACK 0x84 in place of the CONNACK 1 of 3.1.1 that such a broker says
// [MQTT-3.1.2-2], or, where the broker says nothing and closes, CONNACK 0x88 of the bridge's.
func refusedFor5(t *testing.T, d *Device, bridge *bridgeproc.Bridge, id, reason string) {
	_, err := d.do(Command{Do: "connect", URL: bridge.WS + "/mqtt", Client: strings.ReplaceAll(id, ".", "-"), Version: mqtt5, Clean: true, Keepalive: 60})
	if err == nil {
		t.Error("an MQTT 5 device is online")
		return
	}
	t.Logf("MQTT 5: %.100s", err)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := timeout(); !said(bridge, reason); { // it may be told after the device has gone
		select {
		case <-again.C:
		case <-deadline:
			t.Fatalf("the bridge's log has no line with reason %s and MQTT 5", reason)
		}
	}
}

// said reports whether the bridge's log tells of an MQTT 5 device with that reason.
func said(bridge *bridgeproc.Bridge, reason string) bool {
	for line := range strings.Lines(bridge.Said()) {
		if strings.Contains(line, `"reason":"`+reason+`"`) && strings.Contains(line, `"mqtt":"5"`) {
			return true
		}
	}
	return false
}
