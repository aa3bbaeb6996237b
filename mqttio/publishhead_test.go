package mqttio_test

import (
	"bytes"
	"errors"
	"testing"

	"mqtt-ws-bridge/mqttio"
)

func TestCheckPublishHead(t *testing.T) {
	for _, tt := range []struct {
		name, head string
		v          mqttio.Version
		d          mqttio.Direction
		n          int
		want       string
	}{
		{"3.1.1 QoS 0", "30 80808010 0003'a/b'", mqttio.V311, mqttio.Up, 10, ""},
		{"3.1.1 QoS 1", "32 80808010 0003'a/b' 0001", mqttio.V311, mqttio.Up, 12, ""},
		{"5 QoS 0, properties not looked at", "30 80808010 0003'a/b' FFFFFFFF", mqttio.V5, mqttio.Up, 10, ""},
		{"5 empty topic, which an alias may stand for", "30 80808010 0000", mqttio.V5, mqttio.Up, 7, ""},
		{"MQTT-4.7.3-1 3.1.1 empty topic", "30 80808010 0000", mqttio.V311, mqttio.Up, 0, "MQTT-4.7.3-1"},
		{"MQTT-3.3.2-2 wildcard", "30 80808010 0003'a/#'", mqttio.V311, mqttio.Up, 0, "MQTT-3.3.2-2"},
		{"wildcard passes down", "30 80808010 0003'a/#'", mqttio.V311, mqttio.Down, 10, ""},
		{"MQTT-1.5.3-1 not UTF-8", "30 80808010 0001 FF", mqttio.V311, mqttio.Up, 0, "MQTT-1.5.3-1"},
		{"MQTT-2.3.1-1 packet identifier 0", "34 80808010 0001'a' 0000", mqttio.V311, mqttio.Up, 0, "MQTT-2.3.1-1"},
		{"packet identifier 0 passes down", "34 80808010 0001'a' 0000", mqttio.V311, mqttio.Down, 10, ""},
		{"MQTT-3.3.1-4 QoS 3", "36 80808010 0001'a' 0001", mqttio.V311, mqttio.Down, 0, "MQTT-3.3.1-4"},
		{"another packet", "82 80808010 0001'a' 0001", mqttio.V311, mqttio.Up, 0, "section 3.3"},
		{"topic fills the packet", "3005 0003'a/b'", mqttio.V311, mqttio.Up, 7, ""},
		{"topic beyond the packet", "3004 0003'a/b'", mqttio.V311, mqttio.Up, 0, "section 1.5.3"},
		{"no room for the packet identifier", "3206 0003'a/b' 00", mqttio.V311, mqttio.Up, 0, "section 1.5.3"},
		{"no room for the property length", "3005 0003'a/b'", mqttio.V5, mqttio.Down, 0, "section 1.5.4"},
		{"MQTT-1.5.5-1 for a length of zero", "30 80808000 0003'a/b'", mqttio.V5, mqttio.Up, 0, "section 2.1.4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			head := b(t, tt.head)
			h := header(t, head)
			n, err := mqttio.CheckPublishHead(h, head, tt.v, tt.d)
			if got := statement(err, tt.v); n != tt.n || got != tt.want {
				t.Fatalf("got %d, %q; want %d, %q", n, got, tt.n, tt.want)
			}
			for i := h.Len; i < n; i++ {
				if n, err := mqttio.CheckPublishHead(h, head[:i], tt.v, tt.d); n != 0 || !errors.Is(err, mqttio.ErrShort) {
					t.Errorf("first %d bytes: %d, %v", i, n, err)
				}
			}
		})
	}
}

// A length that cannot fit is refused before the bytes it asks for are there.
func TestCheckPublishHeadDoesNotWaitForWhatCannotCome(t *testing.T) {
	head := b(t, "3205 FFFF")
	if _, err := mqttio.CheckPublishHead(header(t, head), head, mqttio.V311, mqttio.Up); statement(err, mqttio.V5) != "section 1.5.4" {
		t.Error(err)
	}
}

func TestCheckPublishHeadLongestTopic(t *testing.T) {
	head := append(b(t, "32 80808010 FFFF"), bytes.Repeat([]byte{'t'}, 65535)...)
	head = append(head, 0, 1)
	n, err := mqttio.CheckPublishHead(header(t, head), head, mqttio.V311, mqttio.Up)
	if n != 65544 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

func TestParsePublishHead(t *testing.T) {
	head := b(t, "35 80808010 0003'a/b' 0102 03 230007 'beginning'")
	h := header(t, head)
	p, err := mqttio.ParsePublishHead(h, head, mqttio.V5)
	if err != nil || string(p.Topic) != "a/b" || p.PacketID != 0x102 || p.QoS != 2 || !p.Retain || p.TopicAlias() != 7 || string(p.Payload) != "beginning" {
		t.Errorf("%+v, %v", p, err)
	}
	for n := range len(head) - len("beginning") {
		if _, err := mqttio.ParsePublishHead(h, head[:n], mqttio.V5); err == nil {
			t.Errorf("the first %d bytes are enough", n)
		}
	}
	whole := b(t, "3006 0001'a' 'xyz' C000")
	if p, err := mqttio.ParsePublishHead(header(t, whole), whole, mqttio.V311); err != nil || string(p.Payload) != "xyz" {
		t.Errorf("%+v, %v", p, err)
	}
}
