package mqttio_test

import (
	"bytes"
	"fmt"
	"testing"

	paho "github.com/eclipse/paho.golang/packets"

	"mqtt-ws-bridge/mqttio"
)

// MQTT 5 table 2-6, those codes that a device may say, and for DISCONNECT those of a broker too.
func TestReasonCodesUp(t *testing.T) {
	received := []byte{0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}
	for _, tt := range []struct {
		first     byte
		statement string
		codes     []byte
	}{
		{0x40, "MQTT-3.4.2-1", received},
		{0x50, "MQTT-3.5.2-1", received},
		{0x62, "MQTT-3.6.2-1", []byte{0x00, 0x92}},
		{0x70, "MQTT-3.7.2-1", []byte{0x00, 0x92}},
		{0xE0, "MQTT-3.14.2-1", []byte{
			0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8B, 0x8C, 0x8D, 0x8E, 0x8F, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98,
			0x99, 0x9A, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F, 0xA0, 0xA1, 0xA2,
		}},
		{0xF0, "MQTT-3.15.2-1", []byte{0x18, 0x19}},
	} {
		for code := range 256 {
			pkt := []byte{tt.first, 3, 0, 1, byte(code)}
			switch tt.first {
			case 0xE0:
				pkt = []byte{tt.first, 1, byte(code)}
			case 0xF0:
				pkt = []byte{tt.first, 6, byte(code), 4, 0x15, 0, 1, 's'}
			}
			want := tt.statement
			if bytes.IndexByte(tt.codes, byte(code)) >= 0 {
				want = ""
			}
			if got := statement(check(pkt, mqttio.V5, mqttio.Up), mqttio.V5); got != want {
				t.Errorf("%#x code %#x: got %q, want %q", tt.first, code, got, want)
			}
		}
	}
}

// values holds one good value for every property.
var values = map[mqttio.PropertyID]string{
	mqttio.PropPayloadFormat: "01", mqttio.PropMessageExpiry: "00000000", mqttio.PropContentType: "0000", mqttio.PropResponseTopic: "0000",
	mqttio.PropCorrelationData: "0001FF", mqttio.PropSubscriptionID: "FFFFFF7F", mqttio.PropSessionExpiry: "FFFFFFFF",
	mqttio.PropAssignedClientID: "0001'c'", mqttio.PropServerKeepAlive: "0000", mqttio.PropAuthMethod: "0001's'",
	mqttio.PropAuthData: "0000", mqttio.PropRequestProblemInfo: "00", mqttio.PropWillDelay: "FFFFFFFF", mqttio.PropRequestResponseInfo: "01",
	mqttio.PropResponseInfo: "0000", mqttio.PropServerReference: "0000", mqttio.PropReasonString: "0000", mqttio.PropReceiveMaximum: "FFFF",
	mqttio.PropTopicAliasMaximum: "FFFF", mqttio.PropTopicAlias: "FFFF", mqttio.PropMaximumQoS: "00", mqttio.PropRetainAvailable: "00",
	mqttio.PropUser: "0000 0000", mqttio.PropMaximumPacketSize: "FFFFFFFF", mqttio.PropWildcardAvailable: "00",
	mqttio.PropSubscriptionAvailable: "00", mqttio.PropSharedSubscriptionAvailable: "01",
}

// onlyInWill are the properties that paho takes for those of CONNECT, though only a will has them.
var onlyInWill = []byte{0x01, 0x02, 0x03, 0x08, 0x09, 0x18}

// MQTT 5 table 2-4: every property in every packet a device sends, once and twice, with paho's table as witness.
func TestPropertiesUp(t *testing.T) {
	const will = 0
	for id := range 256 {
		value, known := values[mqttio.PropertyID(id)]
		if !known {
			value = "00000000"
		}
		one := b(t, fmt.Sprintf("%02X %s", id, value))
		for _, kind := range []byte{will, paho.CONNECT, paho.PUBLISH, paho.PUBACK, paho.PUBREC, paho.PUBREL, paho.PUBCOMP,
			paho.SUBSCRIBE, paho.UNSUBSCRIBE, paho.DISCONNECT, paho.AUTH} {
			allowed := known && paho.ValidateID(kind, byte(id))
			switch {
			case kind == will:
				allowed = bytes.IndexByte(onlyInWill, byte(id)) >= 0 || id == int(mqttio.PropUser)
			case kind == paho.CONNECT:
				allowed = allowed && bytes.IndexByte(onlyInWill, byte(id)) < 0
			}
			want, twice := "", ""
			switch {
			case !allowed:
				want, twice = "section 2.2.2.2", "section 2.2.2.2"
			case kind == paho.PUBLISH && id == int(mqttio.PropSubscriptionID):
				want, twice = "MQTT-3.3.4-6", "section 2.2.2.2"
			case kind == paho.CONNECT && id == int(mqttio.PropAuthData):
				want, twice = "section 3.1.2.11.10", "section 2.2.2.2"
			case kind == paho.AUTH && id != int(mqttio.PropAuthMethod):
				want, twice = "section 3.15.2.2.2", "section 2.2.2.2"
			case id != int(mqttio.PropUser):
				twice = "section 2.2.2.2"
			}
			if id == int(mqttio.PropUser) {
				twice = want
			}
			if got := statement(check(with(t, kind, one), mqttio.V5, mqttio.Up), mqttio.V5); got != want {
				t.Errorf("property %#02x in packet type %d: got %q, want %q", id, kind, got, want)
			}
			if got := statement(check(with(t, kind, append(one, one...)), mqttio.V5, mqttio.Up), mqttio.V5); got != twice {
				t.Errorf("property %#02x twice in packet type %d: got %q, want %q", id, kind, got, twice)
			}
		}
	}
}

// with makes a packet with a property block. Type 0 is a CONNECT with the properties in its will.
func with(t *testing.T, kind byte, props []byte) []byte {
	t.Helper()
	block := fmt.Sprintf("%02X %X", len(props), props)
	switch kind {
	case 0:
		return packet(t, 0x10, "0004'MQTT' 05 06 000A 00 0001'c'"+block+"0001'w' 0000")
	case paho.CONNECT:
		return packet(t, 0x10, "0004'MQTT' 05 02 000A"+block+"0001'c'")
	case paho.PUBLISH:
		return packet(t, 0x30, "0001't'"+block)
	case paho.PUBREL:
		return packet(t, 0x62, "0001 00"+block)
	case paho.SUBSCRIBE:
		return packet(t, 0x82, "0001"+block+"0001'a' 00")
	case paho.UNSUBSCRIBE:
		return packet(t, 0xA2, "0001"+block+"0001'a'")
	case paho.DISCONNECT:
		return packet(t, 0xE0, "00"+block)
	case paho.AUTH:
		return packet(t, 0xF0, "18"+block)
	}
	return packet(t, kind<<4, "0001 00"+block)
}

// Numbers at the edge of what they may be, MQTT 5 section 2.2.2.2 and those of the properties.
func TestPropertyRanges(t *testing.T) {
	for _, tt := range []struct {
		kind       byte
		prop, want string
	}{
		{paho.PUBLISH, "0100", ""}, {paho.PUBLISH, "0101", ""}, {paho.PUBLISH, "0102", "section 2.2.2.2"},
		{paho.PUBLISH, "230001", ""}, {paho.PUBLISH, "230000", "MQTT-3.3.2-8"},
		{paho.CONNECT, "1700", ""}, {paho.CONNECT, "1701", ""}, {paho.CONNECT, "1702", "section 2.2.2.2"},
		{paho.CONNECT, "1902", "section 2.2.2.2"}, {paho.CONNECT, "210001", ""}, {paho.CONNECT, "210000", "section 2.2.2.2"},
		{paho.CONNECT, "220000", ""}, {paho.CONNECT, "2700000001", ""}, {paho.CONNECT, "2700000000", "section 2.2.2.2"},
		{paho.CONNECT, "1100000000", ""}, {0, "1800000000", ""}, {0, "01FF", "section 2.2.2.2"},
		{paho.SUBSCRIBE, "0B01", ""}, {paho.SUBSCRIBE, "0B00", "section 2.2.2.2"}, {paho.SUBSCRIBE, "0B8001", ""},
		{paho.SUBSCRIBE, "0B7F", ""}, {paho.SUBSCRIBE, "0BFF7F", ""}, {paho.SUBSCRIBE, "0B808001", ""}, {paho.SUBSCRIBE, "0BFFFF7F", ""},
		{paho.SUBSCRIBE, "0B80808001", ""}, {paho.SUBSCRIBE, "0BFF00", "MQTT-1.5.5-1"}, {paho.SUBSCRIBE, "0BFFFF00", "MQTT-1.5.5-1"},
		{paho.SUBSCRIBE, "0BFFFFFF00", "MQTT-1.5.5-1"}, {paho.SUBSCRIBE, "0B80", "section 2.2.2.2"},
		{paho.DISCONNECT, "1F 0001 00", "MQTT-1.5.4-2"}, {paho.DISCONNECT, "1C 0001 FF", "MQTT-1.5.4-1"},
	} {
		got := statement(check(with(t, tt.kind, b(t, tt.prop)), mqttio.V5, mqttio.Up), mqttio.V5)
		if got != tt.want {
			t.Errorf("type %d property %s: got %q, want %q", tt.kind, tt.prop, got, tt.want)
		}
	}
}
