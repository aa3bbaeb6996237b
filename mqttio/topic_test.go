package mqttio_test

import (
	"bytes"
	"testing"

	"mqtt-ws-bridge/mqttio"
)

// Strings are looked at eight bytes at a time: every byte must be seen at every place, in strings of any length.
func TestEveryByteAtEveryPlace(t *testing.T) {
	for length := 1; length <= 20; length++ {
		for at := range length {
			for c := range 256 {
				topic := bytes.Repeat([]byte{'t'}, length)
				topic[at] = byte(c)
				want := ""
				switch {
				case c == 0:
					want = "MQTT-1.5.3-2"
				case c >= 0x80:
					want = "MQTT-1.5.3-1"
				}
				body := append([]byte{0x10, byte(12 + length), 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 10, 0, byte(length)}, topic...)
				if got := statement(check(body, mqttio.V311, mqttio.Up), mqttio.V311); got != want {
					t.Fatalf("client identifier %q: got %q, want %q", topic, got, want)
				}
				if c == '#' || c == '+' {
					want = "MQTT-3.3.2-2"
				}
				pkt := append([]byte{0x30, byte(2 + length), 0, byte(length)}, topic...)
				if got := statement(check(pkt, mqttio.V311, mqttio.Up), mqttio.V311); got != want {
					t.Fatalf("topic name %q: got %q, want %q", topic, got, want)
				}
			}
		}
	}
}

// A character of several bytes may lie across the eight byte steps.
func TestCharactersAcrossSteps(t *testing.T) {
	for before := range 20 {
		for _, c := range []string{"é", "€", "😀"} {
			topic := append(bytes.Repeat([]byte{'t'}, before), c...)
			pkt := append([]byte{0x30, byte(2 + len(topic)), 0, byte(len(topic))}, topic...)
			if err := check(pkt, mqttio.V311, mqttio.Up); err != nil {
				t.Errorf("%q: %v", topic, err)
			}
			topic = topic[:len(topic)-1]
			pkt = append([]byte{0x30, byte(2 + len(topic)), 0, byte(len(topic))}, topic...)
			if got := statement(check(pkt, mqttio.V311, mqttio.Up), mqttio.V311); got != "MQTT-1.5.3-1" {
				t.Errorf("%q: got %q", topic, got)
			}
		}
	}
}
