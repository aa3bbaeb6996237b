package mqttio_test

import (
	"errors"
	"testing"

	"mqtt-ws-bridge/mqttio"
)

func TestParseHeader(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     mqttio.Header
		err      string
	}{
		{"nothing", "", mqttio.Header{}, "short"},
		{"one byte", "30", mqttio.Header{}, "short"},
		{"ping", "C000", mqttio.Header{First: 0xC0, Remaining: 0, Len: 2}, ""},
		{"one length byte", "307F", mqttio.Header{First: 0x30, Remaining: 127, Len: 2}, ""},
		{"cut after one of two", "3080", mqttio.Header{}, "short"},
		{"two length bytes", "308001", mqttio.Header{First: 0x30, Remaining: 128, Len: 3}, ""},
		{"two at most", "30FF7F", mqttio.Header{First: 0x30, Remaining: 16383, Len: 3}, ""},
		{"three length bytes", "30808001", mqttio.Header{First: 0x30, Remaining: 16384, Len: 4}, ""},
		{"four length bytes", "3080808001", mqttio.Header{First: 0x30, Remaining: 2097152, Len: 5}, ""},
		{"the largest", "30FFFFFF7F", mqttio.Header{First: 0x30, Remaining: 268435455, Len: 5}, ""},
		{"cut after three of four", "30FFFFFF", mqttio.Header{}, "short"},
		{"attack 6: five length bytes", "30FFFFFFFF01", mqttio.Header{}, "section 1.5.5"},
		{"attack 6: five, seen at the fourth", "30FFFFFFFF", mqttio.Header{}, "section 1.5.5"},
		{"longer than needed", "C08000", mqttio.Header{First: 0xC0, Remaining: 0, Len: 3}, ""},
		{"longest for nothing", "C080808000", mqttio.Header{First: 0xC0, Remaining: 0, Len: 5}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := mqttio.ParseHeader(b(t, tt.in))
			said := statement(err, mqttio.V5)
			if errors.Is(err, mqttio.ErrShort) {
				said = "short"
			}
			if got != tt.want || said != tt.err {
				t.Errorf("got %+v, %q; want %+v, %q", got, said, tt.want, tt.err)
			}
		})
	}
}

func TestHeaderFields(t *testing.T) {
	h := mqttio.Header{First: 0x3D, Remaining: 300, Len: 3}
	if h.Type() != mqttio.TypePublish || h.Flags() != 13 || h.Size() != 303 || h.QoS() != 2 || !h.Dup() || !h.Retain() {
		t.Errorf("%+v: %v %d %d %d %v %v", h, h.Type(), h.Flags(), h.Size(), h.QoS(), h.Dup(), h.Retain())
	}
	if s := mqttio.TypeUnsuback.String() + mqttio.Type(0).String() + mqttio.TypeAuth.String(); s != "UNSUBACKRESERVEDAUTH" {
		t.Error(s)
	}
	if s := mqttio.V31.String() + mqttio.V311.String() + mqttio.V5.String() + mqttio.Version(0).String(); s != "3.13.1.15unknown" {
		t.Error(s)
	}
	if s := mqttio.Up.String() + mqttio.Down.String(); s != "updown" {
		t.Error(s)
	}
}

// The flags every type may have, MQTT 5 table 2-2 and MQTT 3.1.1 table 2.2, and who may send it, table 2-1.
func TestCheckHeaderAllFirstBytes(t *testing.T) {
	for _, v := range versions {
		for _, d := range directions {
			for first := range 256 {
				h := mqttio.Header{First: byte(first), Remaining: 2, Len: 2}
				switch h.Type() {
				case mqttio.TypePingreq, mqttio.TypePingresp, mqttio.TypeDisconnect, mqttio.TypeAuth:
					h.Remaining = 0
				case mqttio.TypeConnect, mqttio.TypePublish, mqttio.TypeSubscribe, mqttio.TypeUnsubscribe, mqttio.TypeSuback:
					h.Remaining = 12
				case mqttio.TypeUnsuback:
					if v == mqttio.V5 {
						h.Remaining = 3
					}
				}
				err := mqttio.CheckHeader(h, v, d)
				if want := allowed(h, v, d); (err == nil) != want {
					t.Errorf("%v %v %#02x: %v, allowed: %v", v, d, first, err, want)
				}
			}
		}
	}
}

func allowed(h mqttio.Header, v mqttio.Version, d mqttio.Direction) bool {
	flags := byte(0)
	switch h.Type() {
	case 0:
		return false
	case mqttio.TypeConnect, mqttio.TypePingreq:
		if d == mqttio.Down {
			return false
		}
	case mqttio.TypeSubscribe, mqttio.TypeUnsubscribe:
		if d == mqttio.Down {
			return false
		}
		flags = 2
	case mqttio.TypeConnack, mqttio.TypeSuback, mqttio.TypeUnsuback, mqttio.TypePingresp:
		if d == mqttio.Up {
			return false
		}
	case mqttio.TypePublish:
		return h.QoS() < 3 && (v == mqttio.V31 || h.QoS() > 0 || !h.Dup())
	case mqttio.TypePubrel:
		flags = 2
	case mqttio.TypeDisconnect:
		if v != mqttio.V5 && d == mqttio.Down {
			return false
		}
	case mqttio.TypeAuth:
		if v != mqttio.V5 {
			return false
		}
	}
	return h.Flags() == flags || v == mqttio.V31
}

func TestCheckHeaderViolations(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    mqttio.Header
		v    mqttio.Version
		d    mqttio.Direction
		want string
	}{
		{"reserved type", mqttio.Header{First: 0x00, Len: 2}, mqttio.V5, mqttio.Up, "section 2.1.2"},
		{"AUTH in 3.1.1", mqttio.Header{First: 0xF0, Len: 2}, mqttio.V311, mqttio.Up, "section 2.2.1"},
		{"attack 27: CONNACK up", mqttio.Header{First: 0x20, Remaining: 2, Len: 2}, mqttio.V5, mqttio.Up, "section 2.1.2"},
		{"DISCONNECT down in 3.1.1", mqttio.Header{First: 0xE0, Len: 2}, mqttio.V311, mqttio.Down, "section 2.2.1"},
		{"MQTT-3.3.1-4 QoS 3", mqttio.Header{First: 0x36, Remaining: 9, Len: 2}, mqttio.V311, mqttio.Up, "MQTT-3.3.1-4"},
		{"MQTT-3.3.1-2 DUP with QoS 0", mqttio.Header{First: 0x38, Remaining: 9, Len: 2}, mqttio.V5, mqttio.Up, "MQTT-3.3.1-2"},
		{"MQTT-2.1.3-1 CONNECT", mqttio.Header{First: 0x11, Remaining: 12, Len: 2}, mqttio.V5, mqttio.Up, "MQTT-2.1.3-1"},
		{"MQTT-2.2.2-2 PUBACK", mqttio.Header{First: 0x42, Remaining: 2, Len: 2}, mqttio.V311, mqttio.Up, "MQTT-2.2.2-2"},
		{"MQTT-3.6.1-1", mqttio.Header{First: 0x60, Remaining: 2, Len: 2}, mqttio.V5, mqttio.Up, "MQTT-3.6.1-1"},
		{"MQTT-3.8.1-1", mqttio.Header{First: 0x80, Remaining: 9, Len: 2}, mqttio.V5, mqttio.Up, "MQTT-3.8.1-1"},
		{"MQTT-3.8.1-1 DUP", mqttio.Header{First: 0x8A, Remaining: 9, Len: 2}, mqttio.V311, mqttio.Up, "MQTT-3.8.1-1"},
		{"3.1 DUP on SUBSCRIBE", mqttio.Header{First: 0x8A, Remaining: 9, Len: 2}, mqttio.V31, mqttio.Up, ""},
		{"3.1 DUP on UNSUBSCRIBE", mqttio.Header{First: 0xAA, Remaining: 9, Len: 2}, mqttio.V31, mqttio.Up, ""},
		{"3.1 DUP on PUBREL", mqttio.Header{First: 0x6A, Remaining: 2, Len: 2}, mqttio.V31, mqttio.Down, ""},
		{"MQTT-3.10.1-1", mqttio.Header{First: 0xA0, Remaining: 9, Len: 2}, mqttio.V5, mqttio.Up, "MQTT-3.10.1-1"},
		{"MQTT-3.14.1-1", mqttio.Header{First: 0xE1, Len: 2}, mqttio.V311, mqttio.Up, "MQTT-3.14.1-1"},
		{"MQTT-3.15.1-1", mqttio.Header{First: 0xF1, Len: 2}, mqttio.V5, mqttio.Up, "MQTT-3.15.1-1"},
		{"PINGREQ with a body", mqttio.Header{First: 0xC0, Remaining: 1, Len: 2}, mqttio.V5, mqttio.Up, "section 2.1.4"},
		{"PUBACK of one byte", mqttio.Header{First: 0x40, Remaining: 1, Len: 2}, mqttio.V5, mqttio.Up, "section 2.1.4"},
		{"PUBACK of three bytes", mqttio.Header{First: 0x40, Remaining: 3, Len: 2}, mqttio.V311, mqttio.Up, "section 2.2.3"},
		{"PUBACK of three bytes in 5", mqttio.Header{First: 0x40, Remaining: 3, Len: 2}, mqttio.V5, mqttio.Up, ""},
		{"CONNACK of three bytes", mqttio.Header{First: 0x20, Remaining: 3, Len: 2}, mqttio.V311, mqttio.Down, "section 2.2.3"},
		{"DISCONNECT with a body", mqttio.Header{First: 0xE0, Remaining: 1, Len: 2}, mqttio.V311, mqttio.Up, "section 2.2.3"},
		{"MQTT-1.5.5-1", mqttio.Header{First: 0xC0, Remaining: 0, Len: 3}, mqttio.V5, mqttio.Up, "MQTT-1.5.5-1"},
		{"MQTT-1.5.5-1 not in 3.1.1", mqttio.Header{First: 0xC0, Remaining: 0, Len: 3}, mqttio.V311, mqttio.Up, ""},
		{"MQTT-1.5.5-1 passes down", mqttio.Header{First: 0xD0, Remaining: 0, Len: 3}, mqttio.V5, mqttio.Down, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := statement(mqttio.CheckHeader(tt.h, tt.v, tt.d), tt.v); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
