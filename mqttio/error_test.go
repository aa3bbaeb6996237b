package mqttio_test

import (
	"errors"
	"testing"

	"mqtt-ws-bridge/mqttio"
)

// What stands in one statement or section is told apart by text, and each violation has the reason code that says it.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		pkt  string
		v    mqttio.Version
		code byte
		text string
	}{
		{"30FFFFFFFF", mqttio.V5, 0x81, "remaining length of more than four bytes"},
		{"0000", mqttio.V5, 0x81, "reserved packet type"},
		{"F000", mqttio.V311, 0x81, "reserved packet type"},
		{"2003000000", mqttio.V5, 0x82, "packet type sent in the wrong direction"},
		{"20020000", mqttio.V311, 0x82, "packet type sent in the wrong direction"},
		{"C00100", mqttio.V311, 0x81, "remaining length does not fit the packet type"},
		{"4006 0001 00 00 0000", mqttio.V5, 0x81, "bytes left after the last field"},
		{"3006 0001'a' 02 2B00", mqttio.V5, 0x81, "unknown property"},
		{"3006 0001'a' 02 0400", mqttio.V5, 0x81, "unknown property"},
		{"3006 0001'a' 02 1700", mqttio.V5, 0x81, "property does not belong in this packet type"},
		{"3005 0001'a' 01 01", mqttio.V5, 0x81, "property reaches beyond the property length"},
		{"8209 0001 02 0B80 0001'a' 00", mqttio.V5, 0x81, "property reaches beyond the property length"},
		{"3008 0001'a' 04 0100 0100", mqttio.V5, 0x82, "property given twice"},
		{"3006 0001'a' 02 0102", mqttio.V5, 0x82, "property with a value it must not have"},
		{"3007 0001'a' 03 230000", mqttio.V5, 0x94, "topic alias 0"},
		{"3004 0001'#' 00", mqttio.V5, 0x90, "topic name with a wildcard"},
		{"8207 0001 00 0001'x' 03", mqttio.V5, 0x82, "subscription with QoS 3"},
		{"8207 0001 00 0001'x' 30", mqttio.V5, 0x82, "subscription with retain handling 3"},
		{"8208 0001 00 0002'x#' 00", mqttio.V5, 0x8F, "topic filter with # that is not a whole last level"},
		{"100D 0004'MQTT' 06 02 000A 0001'c'", mqttio.V5, 0x84, "unsupported protocol version"},
	} {
		pkt := b(t, tt.pkt)
		err := check(pkt, tt.v, mqttio.Up)
		var e *mqttio.Error
		if !errors.As(err, &e) {
			t.Errorf("% x: %v, want %s", pkt, err, tt.text)
			continue
		}
		if e.Code != tt.code || e.Text != tt.text {
			t.Errorf("% x: %#x %s, want %#x %s", pkt, e.Code, e.Text, tt.code, tt.text)
		}
	}
}

func TestErrorText(t *testing.T) {
	_, err := mqttio.ParseConnect(b(t, "100D 0004'MQTT' 04 02 000A 0001 FF"))
	if want := "string is not well-formed UTF-8 [MQTT-1.5.4-1; in 3.1.1 MQTT-1.5.3-1]"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if want := "first packet is not CONNECT [MQTT-3.1.0-1]"; mqttio.ErrNotConnect.Error() != want {
		t.Errorf("%v, want %s", mqttio.ErrNotConnect, want)
	}
}
