package mqttio_test

import (
	"errors"
	"fmt"
	"testing"

	"mqtt-ws-bridge/mqttio"
)

// packet puts a fixed header before a body below 128 bytes.
func packet(t testing.TB, first byte, body string) []byte {
	t.Helper()
	raw := b(t, body)
	if len(raw) > 127 {
		t.Fatalf("%d bytes are too many for this helper", len(raw))
	}
	return append([]byte{first, byte(len(raw))}, raw...)
}

func TestParseConnect31(t *testing.T) {
	c, err := mqttio.ParseConnect(packet(t, 0x10, "0006'MQIsdp' 03 CE 003C 0003'dev' 0003'w/t' 0004'gone' 0001'u' 0002'pw'"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Version != mqttio.V31 || c.Level != 3 || c.Bridge || !c.CleanStart || c.KeepAlive != 60 || string(c.ClientID) != "dev" {
		t.Errorf("%+v", c)
	}
	if !c.Will || c.WillQoS != 1 || c.WillRetain || string(c.WillTopic) != "w/t" || string(c.WillPayload) != "gone" {
		t.Errorf("will: %+v", c)
	}
	if !c.HasUsername || !c.HasPassword || string(c.Username) != "u" || string(c.Password) != "pw" {
		t.Errorf("credentials: %+v", c)
	}
}

func TestParseConnect311(t *testing.T) {
	pkt := packet(t, 0x10, "0004'MQTT' 84 24 0000 0002'id' 0001'w' 0000")
	c, err := mqttio.ParseConnect(pkt)
	if err != nil {
		t.Fatal(err)
	}
	if c.Version != mqttio.V311 || c.Level != 0x84 || !c.Bridge || c.CleanStart || c.KeepAlive != 0 || !c.WillRetain || c.WillQoS != 0 {
		t.Errorf("%+v", c)
	}
	if c.ReceiveMaximum != 65535 || c.Properties != nil || !c.RequestProblemInfo {
		t.Errorf("properties of a 3.1.1 CONNECT: %+v", c)
	}
	if c, err = mqttio.ParseConnect(packet(t, 0x10, "0004'MQTT' 04 00 000A 0000")); err != nil || len(c.ClientID) != 0 || c.CleanStart {
		t.Errorf("zero-length client identifier is the broker's to answer: %+v, %v", c, err)
	}
}

func TestParseConnect5(t *testing.T) {
	pkt := packet(t, 0x10, "0004'MQTT' 05 E6 0100"+
		" 21 11 00000E10 21 0014 27 00010000 22 0005 17 00 19 01 15 0002'SC' 16 0001'x'"+
		" 0003'dev'"+
		" 16 18 00000005 01 01 03 0001'c' 08 0002're' 26 0001'k' 0000"+
		" 0003'w/t' 0002'by' 0000 0002'pw'")
	pkt[12] = byte(5 + 3 + 5 + 3 + 2 + 2 + 5 + 4) // property length
	pkt[12+1+29+5] = byte(5 + 2 + 4 + 5 + 6)      // will property length
	c, err := mqttio.ParseConnect(pkt)
	if err != nil {
		t.Fatal(err)
	}
	if c.Version != mqttio.V5 || c.SessionExpiry != 3600 || c.ReceiveMaximum != 20 || c.MaximumPacketSize != 65536 ||
		c.TopicAliasMaximum != 5 || c.RequestProblemInfo || string(c.AuthMethod) != "SC" || len(c.Properties) != 29 {
		t.Errorf("%+v", c)
	}
	if len(c.WillProperties) != 22 || string(c.WillTopic) != "w/t" || string(c.WillPayload) != "by" || !c.WillRetain {
		t.Errorf("will: %+v", c)
	}
	if !c.HasUsername || len(c.Username) != 0 || string(c.Password) != "pw" {
		t.Errorf("credentials: %+v", c)
	}
	for _, at := range []struct {
		name string
		at   int
		want string
	}{
		{"level", c.At.Level, "05"}, {"flags", c.At.Flags, "E6"}, {"keep alive", c.At.KeepAlive, "0100"},
		{"properties", c.At.Properties, "1D11"}, {"client id", c.At.ClientID, "0003'dev'"}, {"will", c.At.Will, "1618"},
		{"user name", c.At.Username, "0000 0002'pw'"}, {"password", c.At.Password, "0002'pw'"},
	} {
		if want := b(t, at.want); string(pkt[at.at:at.at+len(want)]) != string(want) {
			t.Errorf("offset of %s: %d is % x", at.name, at.at, pkt[at.at:])
		}
	}
	if c.At.End != len(pkt) {
		t.Errorf("end %d of %d", c.At.End, len(pkt))
	}
}

func TestConnectOffsetsOfAbsentFields(t *testing.T) {
	pkt := packet(t, 0x10, "0004'MQTT' 04 02 000A 0003'dev'")
	c, err := mqttio.ParseConnect(pkt)
	if err != nil {
		t.Fatal(err)
	}
	if c.At.Properties != c.At.ClientID || c.At.Will != len(pkt) || c.At.Username != len(pkt) || c.At.Password != len(pkt) {
		t.Errorf("%+v", c.At)
	}
}

// How a CONNECT of 3.1.1 and of 5 begins.
const (
	v4 = "0004'MQTT' 04 "
	v5 = "0004'MQTT' 05 "
)

// CONNECT packets without their fixed header, and the statement they violate.
var connectViolations = []struct {
	name, body, want string
}{
	{"accepted 3.1", "0006'MQIsdp' 03 02 000A 0001'c'", ""},
	{"accepted 3.1 as a bridge", "0006'MQIsdp' 83 02 000A 0001'c'", ""},
	{"accepted 3.1.1", v4 + "02 000A 0001'c'", ""},
	{"accepted 5", v5 + "02 000A 00 0001'c'", ""},
	{"accepted 5 password without user name", v5 + "42 000A 00 0001'c' 0001'p'", ""},
	{"MQTT-3.1.2-1 another name", "0004'MQTX' 04 02 000A 0001'c'", "MQTT-3.1.2-1"},
	{"MQTT-3.1.2-1 name beyond the packet", "00FF'MQTT' 04 02 000A 0001'c'", "MQTT-3.1.2-1"},
	{"MQTT-3.1.2-1 name and nothing else", "0004'MQTT'", "MQTT-3.1.2-1"},
	{"MQTT-3.1.2-1 nothing", "", "MQTT-3.1.2-1"},
	{"level and nothing else", v4, "section 2.2.3"},
	{"3.1 of 12 bytes", "0006'MQIsdp' 03 02 000A", "MQTT-3.1.3-3"},
	{"MQTT-3.1.2-1 lower case", "0004'mqtt' 04 02 000A 0001'c'", "MQTT-3.1.2-1"},
	{"MQTT-3.1.2-2 level 3 with MQTT", "0004'MQTT' 03 02 000A 0001'c'", "MQTT-3.1.2-2"},
	{"MQTT-3.1.2-2 level 4 with MQIsdp", "0006'MQIsdp' 04 02 000A 0001'c'", "MQTT-3.1.2-2"},
	{"MQTT-3.1.2-2 level 6", "0004'MQTT' 06 02 000A 00 0001'c'", "MQTT-3.1.2-2"},
	{"MQTT-3.1.2-2 level 0", "0004'MQTT' 00 02 000A 0001'c'", "MQTT-3.1.2-2"},
	{"MQTT-3.1.2-2 bridge bit in 5", "0004'MQTT' 85 02 000A 00 0001'c'", "MQTT-3.1.2-2"},
	{"MQTT-3.1.2-3 3.1.1", v4 + "03 000A 0001'c'", "MQTT-3.1.2-3"},
	{"MQTT-3.1.2-3 5", v5 + "03 000A 00 0001'c'", "MQTT-3.1.2-3"},
	{"3.1 does not look at the reserved flag", "0006'MQIsdp' 03 03 000A 0001'c'", ""},
	{"MQTT-3.1.2-13 will QoS without will", v4 + "0A 000A 0001'c'", "MQTT-3.1.2-13"},
	{"MQTT-3.1.2-11 the same in 5", v5 + "0A 000A 00 0001'c'", "MQTT-3.1.2-11"},
	{"MQTT-3.1.2-15 will retain without will", v4 + "22 000A 0001'c'", "MQTT-3.1.2-15"},
	{"MQTT-3.1.2-13 the same in 5", v5 + "22 000A 00 0001'c'", "MQTT-3.1.2-13"},
	{"MQTT-3.1.2-14 will QoS 3", v4 + "1E 000A 0001'c' 0001'w' 0000", "MQTT-3.1.2-14"},
	{"MQTT-3.1.2-12 the same in 5", v5 + "1E 000A 00 0001'c' 00 0001'w' 0000", "MQTT-3.1.2-12"},
	{"MQTT-3.1.2-22 password without user name", v4 + "42 000A 0001'c' 0001'p'", "MQTT-3.1.2-22"},
	{"MQTT-3.1.3-3 no client identifier", v5 + "02 000A 02 1700", "MQTT-3.1.3-3"},
	{"MQTT-3.1.3-3 client identifier beyond the packet", v4 + "02 000A 0002'c'", "MQTT-3.1.3-3"},
	{"MQTT-1.5.3-1 client identifier", v4 + "02 000A 0001 FF", "MQTT-1.5.3-1"},
	{"MQTT-1.5.4-2 client identifier", v5 + "02 000A 00 0001 00", "MQTT-1.5.4-2"},
	{"MQTT-3.1.2-9 will topic missing", v4 + "06 000A 0001'c'", "MQTT-3.1.2-9"},
	{"MQTT-3.1.2-9 will payload missing", v4 + "06 000A 0001'c' 0001'w'", "MQTT-3.1.2-9"},
	{"MQTT-3.3.2-2 will topic with a wildcard", v4 + "06 000A 0001'c' 0003'w/+' 0000", "MQTT-3.3.2-2"},
	{"MQTT-4.7.3-1 empty will topic", v4 + "06 000A 0001'c' 0000 0000", "MQTT-4.7.3-1"},
	{"MQTT-3.1.2-19 user name missing", v4 + "82 000A 0001'c'", "MQTT-3.1.2-19"},
	{"MQTT-3.1.2-17 the same in 5", v5 + "82 000A 00 0001'c'", "MQTT-3.1.2-17"},
	{"3.1 user name may be missing", "0006'MQIsdp' 03 82 000A 0001'c'", ""},
	{"3.1 password may be missing", "0006'MQIsdp' 03 C2 000A 0001'c' 0001'u'", ""},
	{"3.1 user name cut", "0006'MQIsdp' 03 82 000A 0001'c' 00", "MQTT-3.1.2-19"},
	{"MQTT-3.1.2-21 password missing", v4 + "C2 000A 0001'c' 0001'u'", "MQTT-3.1.2-21"},
	{"MQTT-1.5.3-2 user name", v4 + "82 000A 0001'c' 0001 00", "MQTT-1.5.3-2"},
	{"password is binary", v4 + "C2 000A 0001'c' 0001'u' 0002 00FF", ""},
	{"trailing byte", v4 + "02 000A 0001'c' 00", "section 2.2.3"},
	{"cut in keep alive", v4 + "02 000A", "section 2.2.3"},
	{"property length beyond the packet", v5 + "02 000A 05 0001'c'", "section 2.2.2.1"},
	{"MQTT-1.5.5-1 property length", v5 + "02 000A 8000 0001'c'", "MQTT-1.5.5-1"},
	{"property of PUBLISH", v5 + "02 000A 02 0100 0001'c'", "section 2.2.2.2"},
	{"will property outside of the will", v5 + "02 000A 05 1800000000 0001'c'", "section 2.2.2.2"},
	{"session expiry in the will", v5 + "06 000A 00 0001'c' 05 1100000000 0001'w' 0000", "section 2.2.2.2"},
	{"session expiry twice", v5 + "02 000A 0A 11000000001100000000 0001'c'", "section 2.2.2.2"},
	{"receive maximum 0", v5 + "02 000A 03 210000 0001'c'", "section 2.2.2.2"},
	{"maximum packet size 0", v5 + "02 000A 05 2700000000 0001'c'", "section 2.2.2.2"},
	{"request problem information 2", v5 + "02 000A 02 1702 0001'c'", "section 2.2.2.2"},
	{"authentication data alone", v5 + "02 000A 03 160000 0001'c'", "section 3.1.2.11.10"},
	{"MQTT-1.5.4-1 user property", v5 + "02 000A 06 26 0001 FF 0000 0001'c'", "MQTT-1.5.4-1"},
	{"two user properties of one name", v5 + "02 000A 0C 26 0001'a' 0000 26 0001'a' 0000 0001'c'", ""},
	{"MQTT-3.3.2-14 will response topic", v5 + "06 000A 00 0001'c' 04 08 0001'#' 0001'w' 0000", "MQTT-3.3.2-14"},
}

func TestParseConnectViolations(t *testing.T) {
	for _, tt := range connectViolations {
		t.Run(tt.name, func(t *testing.T) {
			c, err := mqttio.ParseConnect(packet(t, 0x10, tt.body))
			if got := statement(err, c.Version); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestParseConnectSaysWhatToAnswer(t *testing.T) {
	c, err := mqttio.ParseConnect(packet(t, 0x10, "0004'MQTT' 06 02 000A 00 0001'c'"))
	var e *mqttio.Error
	if !errors.Is(err, mqttio.ErrUnsupportedVersion) || !errors.As(err, &e) || e.Code != 0x84 || c.Level != 6 || c.Version != 0 {
		t.Errorf("level 6: %v, %+v", err, c)
	}
	if c, err = mqttio.ParseConnect(packet(t, 0x10, "0004'HTTP' 05 02 000A 00 0001'c'")); err == nil || c.Level != 0 || c.Version != 0 {
		t.Errorf("another protocol: %v, %+v", err, c)
	}
	if c, err = mqttio.ParseConnect(packet(t, 0x10, "0004'MQTT' 05 03 000A 00 0001'c'")); err == nil || c.Version != mqttio.V5 {
		t.Errorf("an error after the level: %v, %+v", err, c)
	}
}

// TestEveryProtocolLevel: whatever level stands behind a protocol name of MQTT, there is an answer in a form that its sender knows
// [MQTT-3.1.2-2]. The upper bit, by which bridges of Mosquitto say what they are, belongs to the levels of 3.x.
func TestEveryProtocolLevel(t *testing.T) {
	for level := range 256 {
		low := mqttio.Version(level & 0x7F)
		for _, name := range []string{"0004'MQTT'", "0006'MQIsdp'"} {
			version, answer := mqttio.Version(0), mqttio.V31
			if name == "0004'MQTT'" {
				answer = mqttio.V311
				if low >= mqttio.V5 {
					answer = mqttio.V5
				}
				if low == mqttio.V311 || level == 5 {
					version = low
				}
			} else if low == mqttio.V31 {
				version = low
			}
			properties := ""
			if version == mqttio.V5 {
				properties = "00"
			}
			c, err := mqttio.ParseConnect(packet(t, 0x10, fmt.Sprintf("%s %02X 02 000A %s 0001'c'", name, level, properties)))
			if (err == nil) != (version != 0) || version == 0 && !errors.Is(err, mqttio.ErrUnsupportedVersion) {
				t.Errorf("%s %#02x: %v", name, level, err)
			}
			if c.Version != version || c.Answer != answer || c.Level != byte(level) || c.Bridge != (version != 0 && level >= 0x80) {
				t.Errorf("%s %#02x: version %v, answer %v, bridge %v; want %v, %v", name, level, c.Version, c.Answer, c.Bridge, version, answer)
			}
		}
	}
	for _, name := range []string{"0004'HTTP'", "0000", "0004'mqtt'", "0005'MQTT '", "0006'MQISDP'"} {
		if c, err := mqttio.ParseConnect(packet(t, 0x10, name+"04 02 000A 0001'c'")); err == nil || c.Answer != 0 {
			t.Errorf("%s: answer %v, %v", name, c.Answer, err)
		}
	}
}

func TestParseConnectNotOne(t *testing.T) {
	if _, err := mqttio.ParseConnect(b(t, "300400017400")); !errors.Is(err, mqttio.ErrNotConnect) {
		t.Errorf("attack 26, MQTT-3.1.0-1: %v", err)
	}
	if _, err := mqttio.ParseConnect(b(t, "16030100C8")); statement(err, mqttio.V5) != "MQTT-2.1.3-1" {
		t.Errorf("a TLS hello: %v", err)
	}
	whole := packet(t, 0x10, "0004'MQTT' 04 C2 000A 0001'c' 0001'u' 0001'p'")
	for n := range len(whole) {
		if _, err := mqttio.ParseConnect(whole[:n]); !errors.Is(err, mqttio.ErrShort) {
			t.Errorf("first %d bytes: %v", n, err)
		}
	}
	if _, err := mqttio.ParseConnect(append(whole, 0xC0, 0)); err != nil {
		t.Errorf("a packet behind it: %v", err)
	}
	if _, err := mqttio.ParseConnect(b(t, "108D00 0004'MQTT' 05 02 000A 00 0000")); statement(err, mqttio.V5) != "MQTT-1.5.5-1" {
		t.Errorf("MQTT-1.5.5-1 in the Remaining Length of an MQTT 5 CONNECT: %v", err)
	}
	if _, err := mqttio.ParseConnect(b(t, "108C00 0004'MQTT' 04 02 000A 0000")); err != nil {
		t.Errorf("the same in 3.1.1: %v", err)
	}
}
