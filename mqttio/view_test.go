package mqttio_test

import (
	"fmt"
	"slices"
	"testing"

	"mqtt-ws-bridge/mqttio"
)

func header(t testing.TB, pkt []byte) mqttio.Header {
	t.Helper()
	h, err := mqttio.ParseHeader(pkt)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestParsePublish(t *testing.T) {
	pkt := b(t, "3D0A 0003'a/b' 1234 '{\"x'")
	p, err := mqttio.ParsePublish(header(t, pkt), pkt[:len(pkt):len(pkt)], mqttio.V311)
	if err != nil || string(p.Topic) != "a/b" || p.PacketID != 0x1234 || p.QoS != 2 || !p.Dup || !p.Retain || string(p.Payload) != `{"x` {
		t.Errorf("%+v, %v", p, err)
	}
	pkt = b(t, "3011 0000 0C 010126 0001'k' 0001'v' 230102 'hi'")
	if p, err = mqttio.ParsePublish(header(t, pkt), pkt, mqttio.V5); err != nil {
		t.Fatal(err)
	}
	if len(p.Topic) != 0 || p.TopicAlias() != 0x102 || string(p.Payload) != "hi" || p.PacketID != 0 {
		t.Errorf("%+v alias %d", p, p.TopicAlias())
	}
	if _, ok := p.Properties.Get(mqttio.PropContentType); ok {
		t.Error("found a property that is not there")
	}
	pkt = b(t, "3004 0001'a' 00")
	if p, err = mqttio.ParsePublish(header(t, pkt), pkt, mqttio.V5); err != nil || p.TopicAlias() != 0 || len(p.Payload) != 0 {
		t.Errorf("%+v, %v", p, err)
	}
}

// What is appended to a view must not reach into the packet behind it.
func TestViewsAreCapped(t *testing.T) {
	pkt := b(t, "300B 0001'a' 05 0300026869 'xy' C000")
	p, err := mqttio.ParsePublish(header(t, pkt), pkt, mqttio.V5)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(p.Topic, 'X')
	_ = append(p.Properties, 'X')
	_ = append(p.Payload, 'X')
	if want := b(t, "300B 0001'a' 05 0300026869 'xy' C000"); !slices.Equal(pkt, want) {
		t.Errorf("% x", pkt)
	}
}

func TestProperties(t *testing.T) {
	pkt := b(t, "3020 0001'a' 1C 0101 0200000010 26 0001'k' 0001'v' 26 0000 0001'w' 0B8001 0900 02 00FF")
	p, err := mqttio.ParsePublish(header(t, pkt), pkt, mqttio.V5)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for prop := range p.Properties.All() {
		got = append(got, fmt.Sprintf("%d %d %q %q", prop.ID, prop.Number, prop.Name, prop.Value))
	}
	want := []string{`1 1 "" ""`, `2 16 "" ""`, `38 0 "k" "v"`, `38 0 "" "w"`, `11 128 "" ""`, `9 0 "" "\x00\xff"`}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for range p.Properties.All() {
		break // must end the iteration
	}
	n := 0
	for range mqttio.Properties(b(t, "0101 0A00 0101")).All() {
		n++
	}
	if n != 1 {
		t.Errorf("%d properties up to one that cannot be read, want 1", n)
	}
	if _, ok := mqttio.Properties(b(t, "0A00 0101")).Get(mqttio.PropPayloadFormat); ok {
		t.Error("found a property behind one that cannot be read")
	}
}

func TestParseSubscribe(t *testing.T) {
	pkt := b(t, "8211 0102 02 0B07 0003'a/b' 2D 0003'c/#' 01")
	s, err := mqttio.ParseSubscribe(header(t, pkt), pkt, mqttio.V5)
	if err != nil || s.PacketID != 0x102 {
		t.Fatalf("%+v, %v", s, err)
	}
	var got []string
	for filter, options := range s.All() {
		got = append(got, fmt.Sprintf("%s %d %v %v %d", filter, options&mqttio.OptionQoS, options&mqttio.OptionNoLocal != 0,
			options&mqttio.OptionRetainAsPublished != 0, options&mqttio.OptionRetainHandling>>4))
	}
	if want := []string{"a/b 1 true true 2", "c/# 1 false false 0"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if id, ok := s.Properties.Get(mqttio.PropSubscriptionID); !ok || id.Number != 7 {
		t.Errorf("subscription identifier %+v", id)
	}
	for range s.All() {
		break
	}
}

func TestParseUnsubscribe(t *testing.T) {
	pkt := b(t, "A20C 0102 0003'a/b' 0003'c/#'")
	u, err := mqttio.ParseUnsubscribe(header(t, pkt), pkt, mqttio.V311)
	if err != nil || u.PacketID != 0x102 {
		t.Fatalf("%+v, %v", u, err)
	}
	var got []string
	for filter := range u.All() {
		got = append(got, string(filter))
	}
	if want := []string{"a/b", "c/#"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for range u.All() {
		break
	}
}

func TestParseAcks(t *testing.T) {
	pkt := b(t, "9009 0102 04 1F0001'x' 0087")
	s, err := mqttio.ParseSuback(header(t, pkt), pkt, mqttio.V5)
	if err != nil || s.PacketID != 0x102 || !slices.Equal(s.Codes, []byte{0, 0x87}) || len(s.Properties) != 4 {
		t.Errorf("SUBACK: %+v, %v", s, err)
	}
	pkt = b(t, "B0020102")
	if s, err = mqttio.ParseSuback(header(t, pkt), pkt, mqttio.V311); err != nil || s.PacketID != 0x102 || len(s.Codes) != 0 {
		t.Errorf("UNSUBACK: %+v, %v", s, err)
	}
	pkt = b(t, "4008 0102 97 04 1F0001'x'")
	a, err := mqttio.ParseAck(header(t, pkt), pkt, mqttio.V5)
	if err != nil || a.PacketID != 0x102 || a.Code != 0x97 || len(a.Properties) != 4 {
		t.Errorf("PUBACK: %+v, %v", a, err)
	}
	pkt = b(t, "70020102")
	if a, err = mqttio.ParseAck(header(t, pkt), pkt, mqttio.V5); err != nil || a.PacketID != 0x102 || a.Code != 0 {
		t.Errorf("PUBCOMP: %+v, %v", a, err)
	}
}

func TestParseDisconnect(t *testing.T) {
	pkt := b(t, "E00F 9D 0D 110000000A 1F0001'x' 1C0001'o'")
	d, err := mqttio.ParseDisconnect(header(t, pkt), pkt, mqttio.V5)
	if err != nil || d.Code != 0x9D || !d.HasSessionExpiry || d.SessionExpiry != 10 || string(d.ReasonString) != "x" || string(d.ServerReference) != "o" {
		t.Errorf("%+v, %v", d, err)
	}
	pkt = b(t, "E000")
	if d, err = mqttio.ParseDisconnect(header(t, pkt), pkt, mqttio.V311); err != nil || d.Code != 0 || d.HasSessionExpiry || d.ReasonString != nil {
		t.Errorf("%+v, %v", d, err)
	}
}

// The views check lengths by themselves: a caller may use them without Check.
func TestViewsOfBadPackets(t *testing.T) {
	for _, tt := range []struct{ name, pkt, want string }{
		{"PUBLISH topic", "30020004", "section 1.5.4"},
		{"PUBLISH nothing", "300100", "section 1.5.4"},
		{"PUBLISH identifier", "3203000000", "section 1.5.4"},
		{"PUBLISH properties", "30020000", "section 2.2.2.1"},
		{"PUBACK", "400100", "section 2.1.4"},
		{"SUBSCRIBE", "820100", "section 2.1.4"},
		{"SUBSCRIBE empty", "8203000100", "MQTT-3.8.3-2"},
		{"UNSUBSCRIBE", "A20100", "section 2.1.4"},
		{"SUBACK", "900100", "section 2.1.4"},
		{"UNSUBACK properties", "B0020001", "section 2.2.2.1"},
		{"DISCONNECT", "E0020001", "section 2.2.2.1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			pkt := b(t, tt.pkt)
			h := header(t, pkt)
			if got := statement(view(h, pkt, mqttio.V5), mqttio.V5); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := view(h, pkt[:len(pkt)-1], mqttio.V5); got != mqttio.ErrShort {
				t.Errorf("cut: %v", got)
			}
		})
	}
	for _, pkt := range []string{"4003000100", "E00100"} {
		if got := statement(view(header(t, b(t, pkt)), b(t, pkt), mqttio.V311), mqttio.V311); got != "section 2.2.3" {
			t.Errorf("%s in 3.1.1: got %q", pkt, got)
		}
	}
}

// view reads a packet with the view for its type, and everything the view shows.
func view(h mqttio.Header, pkt []byte, v mqttio.Version) (err error) {
	switch h.Type() {
	case mqttio.TypeConnect:
		_, err = mqttio.ParseConnect(pkt)
	case mqttio.TypeConnack:
		_, err = mqttio.ParseConnack(pkt, v)
	case mqttio.TypePublish:
		var p mqttio.Publish
		if p, err = mqttio.ParsePublish(h, pkt, v); err == nil {
			p.TopicAlias()
		}
	case mqttio.TypePuback, mqttio.TypePubrec, mqttio.TypePubrel, mqttio.TypePubcomp:
		_, err = mqttio.ParseAck(h, pkt, v)
	case mqttio.TypeSubscribe:
		var s mqttio.Subscribe
		if s, err = mqttio.ParseSubscribe(h, pkt, v); err == nil {
			for range s.All() {
			}
		}
	case mqttio.TypeUnsubscribe:
		var u mqttio.Unsubscribe
		if u, err = mqttio.ParseUnsubscribe(h, pkt, v); err == nil {
			for range u.All() {
			}
		}
	case mqttio.TypeSuback, mqttio.TypeUnsuback:
		_, err = mqttio.ParseSuback(h, pkt, v)
	case mqttio.TypeDisconnect:
		_, err = mqttio.ParseDisconnect(h, pkt, v)
	}
	return err
}
