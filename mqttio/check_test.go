package mqttio_test

import (
	"errors"
	"testing"

	"mqtt-ws-bridge/mqttio"
)

// Packets as the specifications draw them, one of every type and form, which pass.
var golden = []struct {
	name string
	v    mqttio.Version
	d    mqttio.Direction
	pkt  string
}{
	{"CONNECT 3.1", mqttio.V31, mqttio.Up, "100F 0006'MQIsdp' 03 02 000A 0001'c'"},
	{"CONNECT 3.1.1", mqttio.V311, mqttio.Up, "100D 0004'MQTT' 04 02 000A 0001'c'"},
	{"CONNECT 5", mqttio.V5, mqttio.Up, "100E 0004'MQTT' 05 02 000A 00 0001'c'"},
	{"CONNACK 3.1", mqttio.V31, mqttio.Down, "20020000"},
	{"CONNACK 3.1.1", mqttio.V311, mqttio.Down, "20020100"},
	{"CONNACK 5", mqttio.V5, mqttio.Down, "2003000000"},
	{"CONNACK 5 with properties", mqttio.V5, mqttio.Down, "2006000003 13000A"},
	{"PUBLISH QoS 0", mqttio.V311, mqttio.Up, "3007 0003'a/b' 'hi'"},
	{"PUBLISH QoS 0 empty payload", mqttio.V31, mqttio.Up, "3105 0003'a/b'"},
	{"PUBLISH QoS 1 3.1", mqttio.V31, mqttio.Up, "3A09 0003'a/b' 0001 'hi'"},
	{"PUBLISH QoS 1 empty payload", mqttio.V311, mqttio.Up, "3205 0001'a' 0001"},
	{"PUBLISH QoS 2", mqttio.V311, mqttio.Down, "3D09 0003'a/b' FFFF 'hi'"},
	{"PUBLISH 5", mqttio.V5, mqttio.Up, "3008 0003'a/b' 00 'hi'"},
	{"PUBLISH 5 QoS 1 with properties", mqttio.V5, mqttio.Up, "320F 0003'a/b' 0001 05 0200000E10 'hi'"},
	{"PUBLISH 5 by alias", mqttio.V5, mqttio.Up, "3006 0000 03 230001"},
	{"PUBLISH 5 down with subscription identifiers", mqttio.V5, mqttio.Down, "3008 0001't' 04 0B01 0B02"},
	{"PUBLISH 5 UTF-8 topic", mqttio.V5, mqttio.Up, "3006 0003 E28093 00"},
	{"MQTT-1.5.4-3 BOM, and discouraged characters", mqttio.V5, mqttio.Up, "300B 0008 EFBBBF EFBFBF 017F 00"},
	{"PUBACK", mqttio.V311, mqttio.Up, "40020001"},
	{"PUBACK 5", mqttio.V5, mqttio.Up, "40020001"},
	{"PUBACK 5 with code", mqttio.V5, mqttio.Up, "4003000110"},
	{"PUBACK 5 with reason string", mqttio.V5, mqttio.Up, "4008 0001 80 04 1F0001'x'"},
	{"PUBREC", mqttio.V31, mqttio.Up, "50020001"},
	{"PUBREC 5", mqttio.V5, mqttio.Down, "500400019700"},
	{"PUBREL", mqttio.V311, mqttio.Up, "62020001"},
	{"PUBREL 3.1 sent again", mqttio.V31, mqttio.Up, "6A020001"},
	{"PUBREL 5", mqttio.V5, mqttio.Up, "6203000192"},
	{"PUBCOMP", mqttio.V311, mqttio.Up, "70020001"},
	{"PUBCOMP 5", mqttio.V5, mqttio.Up, "7003000192"},
	{"PUBLISH QoS 0 3.1 with DUP", mqttio.V31, mqttio.Up, "3805 0003'a/b'"},
	{"PUBACK 3.1 unused flags", mqttio.V31, mqttio.Up, "42020001"},
	{"PUBREC 3.1 unused flags", mqttio.V31, mqttio.Down, "5F020001"},
	{"PUBREL 3.1 unused flags", mqttio.V31, mqttio.Up, "60020001"},
	{"SUBSCRIBE 3.1 unused flags", mqttio.V31, mqttio.Up, "8008 0001 0003'a/b' 01"},
	{"UNSUBSCRIBE 3.1 unused flags", mqttio.V31, mqttio.Up, "A307 0001 0003'a/b'"},
	{"SUBACK 3.1 unused flags", mqttio.V31, mqttio.Down, "9203 0001 01"},
	{"UNSUBACK 3.1 unused flags", mqttio.V31, mqttio.Down, "B2020001"},
	{"PINGREQ 3.1 unused flags", mqttio.V31, mqttio.Up, "C200"},
	{"PINGRESP 3.1 unused flags", mqttio.V31, mqttio.Down, "DF00"},
	{"DISCONNECT 3.1 unused flags", mqttio.V31, mqttio.Up, "E100"},
	{"CONNECT 3.1 unused flags", mqttio.V31, mqttio.Up, "180F 0006'MQIsdp' 03 02 000A 0001'c'"},
	{"SUBSCRIBE 3.1 sent again", mqttio.V31, mqttio.Up, "8A08 0001 0003'a/b' 01"},
	{"SUBSCRIBE two filters", mqttio.V311, mqttio.Up, "820E 0001 0003'a/+' 01 0003'b/#' 02"},
	{"SUBSCRIBE 5", mqttio.V5, mqttio.Up, "8209 0001 00 0003'a/b' 2D"},
	{"SUBSCRIBE 5 with identifier", mqttio.V5, mqttio.Up, "8209 0001 02 0B01 0001'#' 00"},
	{"SUBSCRIBE 5 shared", mqttio.V5, mqttio.Up, "8210 0001 00 000A'$share/g/#' 01"},
	{"SUBACK", mqttio.V311, mqttio.Down, "900400010280"},
	{"SUBACK 5", mqttio.V5, mqttio.Down, "900400010001"},
	{"UNSUBSCRIBE", mqttio.V311, mqttio.Up, "A207 0001 0003'a/b'"},
	{"UNSUBSCRIBE 5", mqttio.V5, mqttio.Up, "A20D 0001 00 0003'a/b' 0003'c/#'"},
	{"UNSUBACK", mqttio.V311, mqttio.Down, "B0020001"},
	{"UNSUBACK 5", mqttio.V5, mqttio.Down, "B00400010011"},
	{"PINGREQ", mqttio.V311, mqttio.Up, "C000"},
	{"PINGRESP", mqttio.V5, mqttio.Down, "D000"},
	{"DISCONNECT", mqttio.V311, mqttio.Up, "E000"},
	{"DISCONNECT 5", mqttio.V5, mqttio.Up, "E000"},
	{"DISCONNECT 5 with will", mqttio.V5, mqttio.Up, "E00104"},
	{"DISCONNECT 5 with session expiry", mqttio.V5, mqttio.Up, "E007 00 05 1100000000"},
	{"DISCONNECT 5 down", mqttio.V5, mqttio.Down, "E0028B00"},
	{"AUTH 5", mqttio.V5, mqttio.Up, "F00A 18 08 150001's' 160001'd'"},
	{"AUTH 5 down", mqttio.V5, mqttio.Down, "F0028B00"},
	{"AUTH 5 success", mqttio.V5, mqttio.Down, "F000"},
}

func TestCheckGolden(t *testing.T) {
	for _, tt := range golden {
		t.Run(tt.name, func(t *testing.T) {
			pkt := b(t, tt.pkt)
			if err := check(pkt, tt.v, tt.d); err != nil {
				t.Errorf("% x: %v", pkt, err)
			}
			h, err := mqttio.ParseHeader(pkt)
			if err != nil || h.Size() != len(pkt) {
				t.Fatalf("size %d of %d, %v", h.Size(), len(pkt), err)
			}
			for n := range pkt {
				if err := mqttio.Check(h, pkt[:n], tt.v, tt.d); !errors.Is(err, mqttio.ErrShort) {
					t.Errorf("first %d bytes: %v", n, err)
				}
			}
			if err := mqttio.Check(h, append(pkt, 0xFF, 0xFF), tt.v, tt.d); err != nil {
				t.Errorf("with more bytes behind: %v", err)
			}
		})
	}
}

// Packets that a device must not send. want is the statement of MQTT 5, want311 that of 3.1.1; empty if the packet is not
// one of that version.
var upViolations = []struct {
	name, pkt string
	want      string // statement in MQTT 5
	want311   string // in MQTT 3.1.1, if the packet is one of 3.x
}{
	{"MQTT-3.3.2-2 + in topic name", "3005 0003'a/+'", "", "MQTT-3.3.2-2"},
	{"MQTT-3.3.2-2 # in topic name", "3006 0003'#/a' 00", "MQTT-3.3.2-2", ""},
	{"MQTT-3.3.2-2 + in a long topic name", "3012 000F'abcdefgh+jklmno' 00", "MQTT-3.3.2-2", ""},
	{"MQTT-3.3.2-2 # at the end of a long topic name", "3013 0010'abcdefghijklmno#' 00", "MQTT-3.3.2-2", ""},
	{"MQTT-1.5.4-2 NUL in topic name", "3005 0002'a' 00 00", "MQTT-1.5.4-2", ""},
	{"MQTT-1.5.3-2 NUL in topic name", "3004 0002'a' 00", "", "MQTT-1.5.3-2"},
	{"MQTT-1.5.4-2 NUL in a long topic name", "300B 0008'abcdefg' 00 00", "MQTT-1.5.4-2", ""},
	{"MQTT-1.5.4-1 cut UTF-8", "3005 0002'a' C3 00", "MQTT-1.5.4-1", ""},
	{"MQTT-1.5.4-1 overlong UTF-8", "3005 0002 C080 00", "MQTT-1.5.4-1", ""},
	{"MQTT-1.5.4-1 surrogate", "3006 0003 EDA080 00", "MQTT-1.5.4-1", ""},
	{"MQTT-1.5.4-1 above U+10FFFF", "3007 0004 F4908080 00", "MQTT-1.5.4-1", ""},
	{"MQTT-1.5.4-1 in a long topic name", "300C 0009'abcdefgh' FF 00", "MQTT-1.5.4-1", ""},
	{"MQTT-4.7.3-1 empty topic name", "3002 0000", "", "MQTT-4.7.3-1"},
	{"empty topic name without alias", "3003 0000 00", "section 3.3.2.1", ""},
	{"attack 8: topic name beyond the packet", "3005 0004'a/b'", "section 1.5.4", "section 1.5.3"},
	{"topic length cut", "3201 00", "section 2.1.4", "section 2.2.3"},
	{"packet identifier cut", "3205 0002'ab' 01", "section 1.5.4", "section 1.5.3"},
	{"MQTT-2.2.1-3 packet identifier 0", "3208 0003'a/b' 0000 00", "MQTT-2.2.1-3", ""},
	{"MQTT-2.3.1-1 packet identifier 0", "3207 0003'a/b' 0000", "", "MQTT-2.3.1-1"},
	{"property length beyond the packet", "3004 0001'a' 01", "section 2.2.2.1", ""},
	{"property length of five bytes", "3008 0001'a' 8080808001", "section 2.2.2.1", ""},
	{"MQTT-1.5.5-1 property length", "3005 0001'a' 8000", "MQTT-1.5.5-1", ""},
	{"unknown property", "3006 0001'a' 02 0400", "section 2.2.2.2", ""},
	{"property with an id above all", "3006 0001'a' 02 FF01", "section 2.2.2.2", ""},
	{"property of CONNECT in PUBLISH", "3009 0001'a' 05 1100000000", "section 2.2.2.2", ""},
	{"property cut", "3007 0001'a' 03 020000", "section 2.2.2.2", ""},
	{"property string cut", "3007 0001'a' 03 030001", "section 2.2.2.2", ""},
	{"user property without value", "3008 0001'a' 04 260001'k'", "section 2.2.2.2", ""},
	{"payload format 2", "3006 0001'a' 02 0102", "section 2.2.2.2", ""},
	{"payload format twice", "3008 0001'a' 04 0101 0101", "section 2.2.2.2", ""},
	{"MQTT-3.3.2-8 topic alias 0", "3007 0001'a' 03 230000", "MQTT-3.3.2-8", ""},
	{"MQTT-3.3.2-14 response topic", "3008 0001'a' 04 080001'+'", "MQTT-3.3.2-14", ""},
	{"MQTT-1.5.4-2 response topic", "3008 0001'a' 04 080001 00", "MQTT-1.5.4-2", ""},
	{"MQTT-3.3.2-19 content type", "3008 0001'a' 04 030001 FF", "MQTT-1.5.4-1", ""},
	{"MQTT-1.5.7-1 user property name", "300A 0001'a' 06 260001 00 0000", "MQTT-1.5.4-2", ""},
	{"MQTT-1.5.7-1 user property value", "300A 0001'a' 06 260000 0001 FF", "MQTT-1.5.4-1", ""},
	{"MQTT-3.3.4-6 subscription identifier up", "3006 0001'a' 02 0B01", "MQTT-3.3.4-6", ""},
	{"MQTT-2.2.1-5 PUBACK 0", "40020000", "MQTT-2.2.1-5", "MQTT-2.3.1-6"},
	{"MQTT-3.4.2-1 PUBACK code", "4003000192", "MQTT-3.4.2-1", ""},
	{"MQTT-3.5.2-1 PUBREC code", "50030001FF", "MQTT-3.5.2-1", ""},
	{"MQTT-3.6.2-1 PUBREL code", "6203000180", "MQTT-3.6.2-1", ""},
	{"MQTT-3.7.2-1 PUBCOMP code", "7003000101", "MQTT-3.7.2-1", ""},
	{"PUBACK trailing byte", "40050001000000", "section 2.1.4", ""},
	{"PUBACK property of PUBLISH", "4006 0001 00 02 0100", "section 2.2.2.2", ""},
	{"MQTT-2.2.1-3 SUBSCRIBE 0", "8207 0000 00 0001'a' 00", "MQTT-2.2.1-3", ""},
	{"MQTT-2.3.1-1 SUBSCRIBE 0", "8206 0000 0001'a' 00", "", "MQTT-2.3.1-1"},
	{"MQTT-3.8.3-2 SUBSCRIBE without filter", "82030001 00", "MQTT-3.8.3-2", ""},
	{"MQTT-3.8.3-3 SUBSCRIBE without filter", "82020001", "", "MQTT-3.8.3-3"},
	{"SUBSCRIBE filter beyond the packet", "8207 0001 00 0009'a' 00", "section 1.5.4", ""},
	{"SUBSCRIBE without options", "8206 0001 00 0001'a'", "section 1.5.4", ""},
	{"MQTT-3.8.3-5 options", "8207 0001 00 0001'a' 40", "MQTT-3.8.3-5", ""},
	{"MQTT-3-8.3-4 options", "8206 0001 0001'a' 04", "", "MQTT-3-8.3-4"},
	{"MQTT-3-8.3-4 QoS 3", "8206 0001 0001'a' 03", "", "MQTT-3-8.3-4"},
	{"QoS 3 in 5", "8207 0001 00 0001'a' 03", "section 3.8.3.1", ""},
	{"retain handling 3", "8207 0001 00 0001'a' 30", "section 3.8.3.1", ""},
	{"MQTT-3.8.3-4 no local on a shared subscription", "8210 0001 00 000A'$share/g/a' 05", "MQTT-3.8.3-4", ""},
	{"bad second filter", "820B 0001 00 0001'a' 00 0001 FF 00", "MQTT-1.5.4-1", ""},
	{"subscription identifier 0", "8209 0001 02 0B00 0001'a' 00", "section 2.2.2.2", ""},
	{"subscription identifier twice", "820B 0001 04 0B01 0B02 0001'a' 00", "section 2.2.2.2", ""},
	{"MQTT-1.5.5-1 subscription identifier", "820A 0001 03 0B8100 0001'a' 00", "MQTT-1.5.5-1", ""},
	{"subscription identifier of five bytes", "820D 0001 06 0B8080808001 0001'a' 00", "section 2.2.2.2", ""},
	{"MQTT-2.2.1-3 UNSUBSCRIBE 0", "A206 0000 00 0001'a'", "MQTT-2.2.1-3", ""},
	{"MQTT-3.10.3-2 UNSUBSCRIBE without filter", "A2020001", "section 2.1.4", "MQTT-3.10.3-2"},
	{"MQTT-3.10.3-2 in 5", "A2030001 00", "MQTT-3.10.3-2", ""},
	{"MQTT-3.10.3-1 filter", "A206 0001 00 0001 FF", "MQTT-1.5.4-1", ""},
	{"UNSUBSCRIBE filter beyond the packet", "A206 0001 00 0002'a'", "section 1.5.4", ""},
	{"MQTT-3.14.2-1 DISCONNECT code", "E00101", "MQTT-3.14.2-1", ""},
	{"MQTT-3.14.2-1 DISCONNECT code of CONNACK", "E00184", "MQTT-3.14.2-1", ""},
	{"DISCONNECT trailing byte", "E003000000", "section 2.1.4", ""},
	{"MQTT-3.15.2-1 AUTH success up", "F000", "MQTT-3.15.2-1", "section 2.2.1"},
	{"MQTT-3.15.2-1 AUTH code", "F006 00 04 150001's'", "MQTT-3.15.2-1", ""},
	{"AUTH without method", "F00118", "section 3.15.2.2.2", ""},
	{"attack 27: CONNACK up", "20020000", "section 2.1.2", "section 2.2.1"},
	{"attack 27: SUBACK up", "9003000100", "section 2.1.2", "section 2.2.1"},
	{"attack 27: UNSUBACK up", "B0020001", "section 2.1.2", "section 2.2.1"},
	{"attack 27: PINGRESP up", "D000", "section 2.1.2", "section 2.2.1"},
	{"reserved type", "0000", "section 2.1.2", "section 2.2.1"},
}

func TestCheckUpViolations(t *testing.T) {
	for _, tt := range upViolations {
		t.Run(tt.name, func(t *testing.T) {
			pkt := b(t, tt.pkt)
			if h, err := mqttio.ParseHeader(pkt); err != nil || h.Size() != len(pkt) {
				t.Fatalf("test packet % x: size %d of %d, %v", pkt, h.Size(), len(pkt), err)
			}
			if tt.want != "" {
				if got := statement(check(pkt, mqttio.V5, mqttio.Up), mqttio.V5); got != tt.want {
					t.Errorf("5: got %q, want %q", got, tt.want)
				}
			}
			if tt.want311 != "" {
				for _, v := range []mqttio.Version{mqttio.V31, mqttio.V311} {
					if got := statement(check(pkt, v, mqttio.Up), v); got != tt.want311 {
						t.Errorf("%v: got %q, want %q", v, got, tt.want311)
					}
				}
			}
		})
	}
}

// What a broker says passes as it is as long as everything lies within its packet.
func TestCheckDown(t *testing.T) {
	for _, tt := range []struct {
		name, pkt, want string
		v               mqttio.Version
	}{
		{"wildcard in topic name", "3005 0003'a/+'", "", mqttio.V311},
		{"empty topic name", "3003 0000 00", "", mqttio.V5},
		{"not UTF-8", "3004 0002 FF 00", "", mqttio.V311},
		{"packet identifier 0", "3207 0003'a/b' 0000", "", mqttio.V311},
		{"unknown property", "3006 0001'a' 02 0400", "", mqttio.V5},
		{"MQTT-1.5.5-1", "3005 0001'a' 8000", "", mqttio.V5},
		{"unknown code", "4003000163", "", mqttio.V5},
		{"PUBACK 0", "40020000", "", mqttio.V311},
		{"unknown SUBACK code", "900300017F", "", mqttio.V311},
		{"topic name beyond the packet", "3005 0004'a/b'", "section 1.5.4", mqttio.V5},
		{"property length beyond the packet", "3004 0001'a' 01", "section 2.2.2.1", mqttio.V5},
		{"PUBACK property length", "400400010001", "section 2.2.2.1", mqttio.V5},
		{"SUBACK property length", "900400010201", "section 2.2.2.1", mqttio.V5},
		{"DISCONNECT property length", "E0020001", "section 2.2.2.1", mqttio.V5},
		{"DISCONNECT trailing bytes", "E003000000", "section 2.1.4", mqttio.V5},
		{"AUTH property length", "F0020001", "section 2.2.2.1", mqttio.V5},
		{"CONNACK property", "20050000020A00", "section 2.2.2.2", mqttio.V5},
		{"QoS 3", "3607 0003'a/b' 0001", "MQTT-3.3.1-4", mqttio.V311},
		{"CONNECT", "100D 0004'MQTT' 04 02 000A 0001'c'", "section 2.2.1", mqttio.V311},
		{"SUBSCRIBE", "8206 0001 0001'a' 00", "section 2.2.1", mqttio.V311},
		{"UNSUBSCRIBE", "A205 0001 0001'a'", "section 2.2.1", mqttio.V311},
		{"PINGREQ", "C000", "section 2.2.1", mqttio.V311},
		{"DISCONNECT in 3.1.1", "E000", "section 2.2.1", mqttio.V311},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pkt := b(t, tt.pkt)
			if got := statement(check(pkt, tt.v, mqttio.Down), tt.v); got != tt.want {
				t.Errorf("% x: got %q, want %q", pkt, got, tt.want)
			}
		})
	}
}

func TestCheckTopicFilters(t *testing.T) {
	for _, tt := range []struct{ filter, want, want311 string }{
		{"a/b", "", ""}, {"#", "", ""}, {"+", "", ""}, {"/", "", ""}, {"//", "", ""}, {"+/+", "", ""}, {"+/+/#", "", ""},
		{"/#", "", ""}, {"a/#", "", ""}, {"a//+/", "", ""}, {"$SYS/#", "", ""}, {"$share", "", ""}, {"$sharex/+", "", ""},
		{"", "MQTT-4.7.3-1", "MQTT-4.7.3-1"},
		{"a#", "MQTT-4.7.1-1", "MQTT-4.7.1-2"}, {"#/a", "MQTT-4.7.1-1", "MQTT-4.7.1-2"}, {"##", "MQTT-4.7.1-1", "MQTT-4.7.1-2"},
		{"a/#/", "MQTT-4.7.1-1", "MQTT-4.7.1-2"}, {"a/b#", "MQTT-4.7.1-1", "MQTT-4.7.1-2"},
		{"a+", "MQTT-4.7.1-2", "MQTT-4.7.1-3"}, {"+a", "MQTT-4.7.1-2", "MQTT-4.7.1-3"}, {"a/+b/c", "MQTT-4.7.1-2", "MQTT-4.7.1-3"},
		{"++", "MQTT-4.7.1-2", "MQTT-4.7.1-3"}, {"+#", "MQTT-4.7.1-2", "MQTT-4.7.1-3"},
		{"a\x00", "MQTT-1.5.4-2", "MQTT-1.5.3-2"}, {"abcdefgh\xff", "MQTT-1.5.4-1", "MQTT-1.5.3-1"},
		{"$share/g/a", "", ""}, {"$share/g//", "", ""}, {"$share/g/+/#", "", ""},
		{"$share/", "MQTT-4.8.2-1", ""}, {"$share//a", "MQTT-4.8.2-1", ""},
		{"$share/g", "MQTT-4.8.2-2", ""}, {"$share/g/", "MQTT-4.8.2-2", ""},
		{"$share/+/a", "MQTT-4.8.2-2", ""}, {"$share/#/a", "MQTT-4.8.2-2", "MQTT-4.7.1-2"}, {"$share/g+/a", "MQTT-4.8.2-2", "MQTT-4.7.1-3"},
		{"$share/g/a#", "MQTT-4.7.1-1", "MQTT-4.7.1-2"}, {"$share/g/+a", "MQTT-4.7.1-2", "MQTT-4.7.1-3"},
	} {
		field := append([]byte{0, byte(len(tt.filter))}, tt.filter...)
		v311 := append([]byte{0x82, byte(len(field) + 3), 0, 1}, append(field, 0)...)
		v5 := append([]byte{0x82, byte(len(field) + 4), 0, 1, 0}, append(field, 0)...)
		unsub := append([]byte{0xA2, byte(len(field) + 3), 0, 1, 0}, field...)
		if got := statement(check(v311, mqttio.V311, mqttio.Up), mqttio.V311); got != tt.want311 {
			t.Errorf("3.1.1 %q: got %q, want %q", tt.filter, got, tt.want311)
		}
		if got := statement(check(v5, mqttio.V5, mqttio.Up), mqttio.V5); got != tt.want {
			t.Errorf("5 %q: got %q, want %q", tt.filter, got, tt.want)
		}
		if got := statement(check(unsub, mqttio.V5, mqttio.Up), mqttio.V5); got != tt.want {
			t.Errorf("5 UNSUBSCRIBE %q: got %q, want %q", tt.filter, got, tt.want)
		}
	}
}
