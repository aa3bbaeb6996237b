package check

import (
	"fmt"

	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/profile"
)

// sessionAssertions are about MQTT itself.
func sessionAssertions() []Assertion {
	speaks := func(v packet.Version) []string {
		return those(func(p profile.Profile) bool { return p.MQTT == v })
	}
	return []Assertion{
		{"mqtt-3.1", "MQTT 3.1 is served", "C5", speaks(packet.V31), version(packet.V31)},
		{"mqtt-3.1.1", "MQTT 3.1.1 is served", "C5", speaks(packet.V311), version(packet.V311)},
		{"mqtt-5", "MQTT 5 is served", "C5", speaks(packet.V5), version(packet.V5)},
		{"pingreq", "PINGREQ is answered", "MQTT-3.12.4-1", []string{"everybody"}, afterFrame(func(*peer) []byte { return nil })},
		{"qos-1", "QoS 1 goes up and is acknowledged", "MQTT 4.3.2", []string{"everybody"}, acknowledged(1, packet.PUBACK)},
		{"qos-2", "QoS 2 goes through its four steps", "MQTT 4.3.3", []string{"everybody"}, acknowledged(2, packet.PUBREC, packet.PUBCOMP)},
		{"retained", "a retained message reaches a later subscriber", "MQTT-3.3.1-8", []string{"everybody"}, retained},
	}
}

func version(v packet.Version) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		w, err := p.upgrade()
		if err != nil {
			return failed(err)
		}
		w.version = v
		if err := w.login(nil); err != nil {
			return failed(err)
		}
		topic, err := w.subscribe()
		if err != nil {
			return failed(err)
		}
		if err := w.send(v.Publish(packet.Message{Topic: topic, Payload: []byte("hello")})); err != nil {
			return failed(err)
		}
		return w.expect("hello")
	}
}

func acknowledged(qos byte, steps ...byte) func(*probe) (Status, string) {
	return func(p *probe) (Status, string) {
		w, err := p.connected()
		if err != nil {
			return failed(err)
		}
		message := packet.Message{Topic: w.name + "/q", Payload: []byte("count me"), QoS: qos, ID: 7}
		if err := w.send(w.version.Publish(message)); err != nil {
			return failed(err)
		}
		for _, step := range steps {
			got, err := w.await(step)
			if err != nil {
				return failed(err)
			}
			if got.ID != 7 {
				return Fail, fmt.Sprintf("acknowledgement for packet %d", got.ID)
			}
			if step == packet.PUBREC {
				if err := w.send(packet.Ack(packet.PUBREL, 7)); err != nil {
					return failed(err)
				}
			}
		}
		return Pass, "acknowledged"
	}
}

func retained(p *probe) (Status, string) {
	w, err := p.connected()
	if err != nil {
		return failed(err)
	}
	topic := w.name + "/t"
	keep := packet.Message{Topic: topic, Payload: []byte("kept"), QoS: 1, ID: 9, Retain: true}
	if err := w.send(w.version.Publish(keep)); err != nil {
		return failed(err)
	}
	if _, err := w.await(packet.PUBACK); err != nil {
		return failed(err)
	}
	if _, err := w.subscribe(); err != nil {
		return failed(err)
	}
	status, seen := w.expect("kept")
	_ = w.send(w.version.Publish(packet.Message{Topic: topic, Retain: true})) // leave nothing behind
	return status, seen
}
