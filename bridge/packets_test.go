package bridge_test

import (
	"encoding/binary"
	"encoding/hex"
	"strings"

	"mqtt-ws-bridge/mqttio"
)

// The packets of the tests are made here by hand, so that they are a second opinion on package mqttio.

// hx makes bytes of a readable notation: hex digits, and strings in single quotes; spaces are for the eye.
func hx(s string) []byte {
	var out []byte
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			out = append(out, part...)
			continue
		}
		raw, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			panic(err)
		}
		out = append(out, raw...)
	}
	return out
}

// packet puts a fixed header before the rest.
func packet(first byte, rest ...[]byte) []byte {
	size := 0
	for _, r := range rest {
		size += len(r)
	}
	out := []byte{first}
	for n := size; ; {
		c := byte(n & 0x7F)
		if n >>= 7; n > 0 {
			out = append(out, c|0x80)
			continue
		}
		out = append(out, c)
		break
	}
	for _, r := range rest {
		out = append(out, r...)
	}
	return out
}

func text(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }

// connect makes a CONNECT of any version. properties are those of MQTT 5.
func connect(v mqttio.Version, id string, keepAlive uint16, properties ...byte) []byte {
	name := "MQTT"
	if v == mqttio.V31 {
		name = "MQIsdp"
	}
	head := binary.BigEndian.AppendUint16(append(text(name), byte(v), 2), keepAlive)
	if v == mqttio.V5 {
		head = append(append(head, byte(len(properties))), properties...)
	}
	return packet(0x10, head, text(id))
}

// connack makes one that accepts.
func connack(v mqttio.Version, properties ...byte) []byte {
	if v == mqttio.V5 {
		return packet(0x20, []byte{0, 0, byte(len(properties))}, properties)
	}
	return []byte{0x20, 2, 0, 0}
}

// refusalPackets is a CONNACK as the bridge says it; a code of 0 is silence.
func refusalPackets(v mqttio.Version, code3, code5 byte, reason string) []byte {
	switch {
	case v == mqttio.V5 && code5 != 0:
		return packet(0x20, []byte{0, code5, byte(3 + len(reason)), 0x1F}, text(reason))
	case v != mqttio.V5 && code3 != 0:
		return []byte{0x20, 2, 0, code3}
	}
	return nil
}

// disconnect is a DISCONNECT as the bridge says it; in 3.x and with code 0 it says nothing.
func disconnect(v mqttio.Version, code byte, reason string) []byte {
	if v != mqttio.V5 || code == 0 {
		return nil
	}
	return packet(0xE0, []byte{code, byte(3 + len(reason)), 0x1F}, text(reason))
}

// publish makes one with QoS 0.
func publish(v mqttio.Version, topic, payload string) []byte {
	head := text(topic)
	if v == mqttio.V5 {
		head = append(head, 0)
	}
	return packet(0x30, head, []byte(payload))
}
