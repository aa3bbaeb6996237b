package mqttio_test

import (
	"errors"
	"testing"

	"mqtt-ws-bridge/mqttio"
)

func TestParseConnack(t *testing.T) {
	c, err := mqttio.ParseConnack(b(t, "20020105"), mqttio.V311)
	if err != nil || !c.SessionPresent || c.Code != 5 || c.MaximumQoS != 2 || c.ReceiveMaximum != 65535 {
		t.Errorf("3.1.1: %+v, %v", c, err)
	}
	if c, err = mqttio.ParseConnack(b(t, "20020100"), mqttio.V31); err != nil || c.SessionPresent {
		t.Errorf("3.1, where the first byte is reserved: %+v, %v", c, err)
	}
	if c, err = mqttio.ParseConnack(b(t, "20020001"), mqttio.V5); err != nil || c.Code != 1 {
		t.Errorf("a 3.1.1 broker's answer to MQTT 5: %+v, %v", c, err)
	}
	c, err = mqttio.ParseConnack(packet(t, 0x20, "00 00 2C 13 001E 11 0000003C 12 0002'id' 27 00000400 24 01 21 0007"+
		" 22 0009 1F 0002'ok' 1C 0001'o' 26 0001'k' 0001'v' 25 00"), mqttio.V5)
	if err != nil {
		t.Fatal(err)
	}
	if !c.HasServerKeepAlive || c.ServerKeepAlive != 30 || !c.HasSessionExpiry || c.SessionExpiry != 60 ||
		string(c.AssignedClientID) != "id" || c.MaximumPacketSize != 1024 || c.MaximumQoS != 1 || c.ReceiveMaximum != 7 ||
		c.TopicAliasMaximum != 9 || string(c.ReasonString) != "ok" || string(c.ServerReference) != "o" {
		t.Errorf("%+v", c)
	}
	if _, err := mqttio.ParseConnack(b(t, "200300"), mqttio.V5); !errors.Is(err, mqttio.ErrShort) {
		t.Errorf("cut: %v", err)
	}
}

func TestParseConnackViolations(t *testing.T) {
	for _, tt := range []struct {
		name, pkt, want string
		v               mqttio.Version
	}{
		{"MQTT-3.2.0-1 another packet", "D000", "MQTT-3.2.0-1", mqttio.V5},
		{"flags", "21020000", "MQTT-2.2.2-2", mqttio.V311},
		{"three bytes in 3.1.1", "2003000000", "section 2.2.3", mqttio.V311},
		{"property length beyond the packet", "2003000001", "section 2.2.2.1", mqttio.V5},
		{"bytes behind the properties", "200400000000", "section 2.1.4", mqttio.V5},
		{"property cut", "20050000021300", "section 2.2.2.2", mqttio.V5},
		{"unknown property", "20050000020A00", "section 2.2.2.2", mqttio.V5},
		{"property id of two bytes", "20050000029300", "section 2.2.2.2", mqttio.V5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := mqttio.ParseConnack(b(t, tt.pkt), tt.v)
			if got := statement(err, tt.v); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
