//go:build linux

package attacks

import (
	"slices"
	"strings"
	"testing"
)

// packetCase is what an online device sends, and how the bridge ends the connection for it.
type packetCase struct {
	name    string
	version byte
	wire    string
	reason  string
	code    int
}

// refusePackets sends each, and sees that the broker hears nothing with one of these words.
func (k *attack) refusePackets(t *testing.T, cases []packetCase, unheard ...string) {
	t.Helper()
	times := make(map[string]int)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := online(t, k, hello{version: c.version, id: "packets"})
			d.alive()
			got := d.send(c.wire).wantEnd(c.code)
			if farewell := c.version == 5; farewell != strings.HasPrefix(got, "\xe0") || !farewell && got != "" {
				t.Errorf("the device hears %x", got)
			}
			times[c.reason]++
		})
	}
	for reason, n := range times {
		k.wantReason(reason, n)
	}
	k.wantUnheard(unheard...)
}

// TestAttack07_length_beyond_the_frame: a packet goes on in the next frames, whatever they begin with, and half of one is none.
func TestAttack07_length_beyond_the_frame(t *testing.T) {
	k := plain(t)
	d := online(t, k, hello{version: 4, id: "spanning"}).send(subscribe(1, "seven/#"))
	_ = d.packet()
	inner := publish("seven/smuggled", "x")
	outer := publish("seven/outer", "payload"+inner+inner)
	d.send(outer[:14])
	d.alone()
	d.send(outer[14:20])
	for rest := outer[20:]; rest != ""; rest = rest[min(len(inner), len(rest)):] {
		d.send(rest[:min(len(inner), len(rest))])
	}
	if got := d.packet(); got != outer {
		t.Errorf("got %q, want %q", got, outer)
	}
	half := online(t, k, hello{version: 4, id: "half"}).send(outer[:len(outer)-1])
	half.alone()
	_ = half.Close()
	k.wantReason("device-closed", 1)
	d.alive() // with nothing before the answer
	k.wantUnheard("seven/smuggled")
}

// TestAttack08_inner_lengths: lengths inside a packet that lead out of it.
func TestAttack08_inner_lengths(t *testing.T) {
	k := plain(t)
	k.refusePackets(t, []packetCase{
		{"topic", 4, packet(0x30, "\x00\xffeight/inner"), "packet-malformed", 1002},
		{"topic_by_one", 4, packet(0x30, "\x00\x0ceight/inner"), "packet-malformed", 1002},
		{"topic_without_length", 4, packet(0x30, "\x00"), "packet-malformed", 1002},
		{"no_packet_identifier", 4, packet(0x32, str("eight/inner")), "packet-malformed", 1002},
		{"filter", 4, packet(0x82, "\x00\x01\xff\xffeight/inner"), "packet-malformed", 1002},
		{"no_filter", 4, packet(0x82, "\x00\x01"), "packet-protocol", 1002},
		{"properties", 5, packet(0x30, str("eight/inner")+"\x7f"), "packet-malformed", 1002},
		{"property_length_of_5_bytes", 5, packet(0x30, str("eight/inner")+"\xff\xff\xff\xff\x01"), "packet-malformed", 1002},
		{"string_in_a_property", 5, packet(0x30, str("eight/inner")+"\x05\x26\x00\xffab"), "packet-malformed", 1002},
		{"unknown_property", 5, packet(0x30, str("eight/inner")+"\x02\x7e\x00"), "packet-malformed", 1002},
	}, "eight/inner")
	name := str("MQTT")
	for _, body := range []string{
		"\xff\xffMQTT", "\x00", "", name, name + "\x04\x02\x00", name + "\x04\x02\x00\x3c\x00\xffeight", name + "\x05\x02\x00\x3c\x7f",
		name + "\x05\x02\x00\x3c\xff\xff\xff\xff\x01", name + "\x04\x06\x00\x3c" + str("eight") + "\x00\xff", name + "\x04\xc2\x00\x3c" + str("eight"),
	} {
		open(t, k).send(packet(0x10, body)).wantEnd(1002)
	}
	k.wantReason("connect-malformed", 10)
}

// TestAttack18_packets_and_messages: however packets are put into messages, their order stays and each comes back by itself.
func TestAttack18_packets_and_messages(t *testing.T) {
	k := plain(t)
	d := online(t, k, hello{version: 4, id: "packing"}).send(subscribe(1, "eighteen"))
	_ = d.packet()
	var sent []string
	for i := range 500 {
		sent = append(sent, publish("eighteen", strings.Repeat(string(rune('a'+i%26)), i)))
	}
	stream := strings.Join(sent, "")
	for name, size := range map[string]int{"all in one": len(stream), "many in one": 5000, "one in many": 7} {
		for begin := 0; begin < len(stream); begin += size {
			d.send(stream[begin:min(begin+size, len(stream))])
		}
		for i, want := range sent {
			if got := d.packet(); got != want {
				t.Fatalf("%s: message %d is %q, want %q", name, i, got, want)
			}
		}
	}
}

func TestAttack25_second_connect(t *testing.T) {
	k := plain(t)
	second := func(version byte) string { return hello{version: version, id: "second-connect"}.packet() }
	k.refusePackets(t, []packetCase{
		{"3.1", 3, second(3), "packet-protocol", 1002},
		{"3.1.1", 4, second(4), "packet-protocol", 1002},
		{"5", 5, second(5), "packet-protocol", 1002},
		{"another_version", 4, second(5), "packet-protocol", 1002},
	}, "second-connect")
	// Both in one frame: the first is served, the second is not passed on.
	open(t, k).send(hello{version: 4, id: "first-connect"}.packet(), second(4)).wantEnd(1002)
	k.wantUnheard("second-connect")
}

// TestAttack26_first_packet: nothing but CONNECT is a beginning, and what is sent behind it without waiting keeps its order.
func TestAttack26_first_packet(t *testing.T) {
	k := plain(t)
	connected := k.broker.Log.Count("New connection from")
	beginnings := []string{
		publish("first/packet", "x"), subscribe(1, "first/packet"), pingreq, disconnect, "\x20\x02\x00\x00", "\x00\x00",
		packet(0x11, str("MQTT")), "GET / HTTP/1.1\r\n\r\n",
	}
	behind := hello{version: 4, id: "not-first"}.packet()
	for _, first := range beginnings {
		if got := open(t, k).send(first, behind).wantEnd(1002); got != "" {
			t.Errorf("%q as the first packet is answered with %x", first, got)
		}
	}
	k.wantUnheard("first/packet", "not-first")
	if now := k.broker.Log.Count("New connection from"); now != connected {
		t.Errorf("the broker has %d connections more", now-connected)
	}
	d := open(t, k).send(hello{version: 4, id: "pipelined"}.packet(), subscribe(1, "pipe"), publish("pipe", "1"), publish("pipe", "2"), pingreq)
	for _, want := range []string{"\x20\x02\x00\x00", "\x90\x03\x00\x01\x00", publish("pipe", "1"), publish("pipe", "2"), pingresp} {
		if got := d.packet(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestAttack27_wrong_direction: packets that only a broker may send, and those that nobody may.
func TestAttack27_wrong_direction(t *testing.T) {
	k := plain(t)
	k.refusePackets(t, []packetCase{
		{"CONNACK", 4, "\x20\x02\x00\x00", "packet-protocol", 1002},
		{"SUBACK", 4, "\x90\x03\x00\x01\x00", "packet-protocol", 1002},
		{"UNSUBACK", 4, "\xb0\x02\x00\x01", "packet-protocol", 1002},
		{"PINGRESP", 4, pingresp, "packet-protocol", 1002},
		{"PINGRESP_5", 5, pingresp, "packet-protocol", 1002},
		{"type_0", 4, "\x00\x00", "packet-malformed", 1002},
		{"type_15_in_3.1.1", 4, "\xf0\x00", "packet-malformed", 1002},
		{"PINGREQ_with_flags", 4, "\xc1\x00", "packet-malformed", 1002},
		{"SUBSCRIBE_without_flags", 4, packet(0x80, "\x00\x01"+str("x")+"\x00"), "packet-malformed", 1002},
	})
	// AUTH is a device's to send, but nobody asked: the broker may judge that, or the bridge. The session ends either way.
	d := online(t, k, hello{version: 5, id: "auth"})
	if _, code := d.send("\xf0\x00").end(); code == 0 {
		t.Error("AUTH out of turn ends without a close code")
	}
}

// TestUnusedFlagsIn31: the flags that MQTT 3.1 calls unused mean nothing, to the bridge and to a real broker behind it.
func TestUnusedFlagsIn31(t *testing.T) {
	k := plain(t)
	hi := hello{version: 3, id: "old"}.packet()
	d := open(t, k).send("\x1e" + hi[1:])
	if got := d.packet(); got != "\x20\x02\x00\x00" {
		t.Fatalf("CONNACK %x", got)
	}
	d.wants("SUBSCRIBE", packet(0x80, "\x00\x01"+str("old")+"\x02"), "\x90\x03\x00\x01\x02")
	d.wants("PUBLISH with QoS 0 and DUP", packet(0x38, str("old")+"a"), packet(0x30, str("old")+"a"))
	d.wants("PUBLISH with QoS 1", packet(0x32, str("old")+"\x00\x02b"), "\x40\x02\x00\x02", packet(0x32, str("old")+"\x00\x01b"))
	d.send("\x42\x02\x00\x01") // PUBACK
	d.wants("PUBLISH with QoS 2", packet(0x34, str("old")+"\x00\x03c"), "\x50\x02\x00\x03")
	d.wants("PUBREL", "\x6d\x02\x00\x03", "\x70\x02\x00\x03", packet(0x34, str("old")+"\x00\x02c"))
	d.wants("PUBREC", "\x51\x02\x00\x02", "\x62\x02\x00\x02")
	d.send("\x7f\x02\x00\x02") // PUBCOMP
	d.wants("UNSUBSCRIBE", packet(0xa8, "\x00\x04"+str("old")), "\xb0\x02\x00\x04")
	d.wants("PINGREQ", "\xc2\x00", pingresp)
	d.send("\xe1\x00").wantEnd(1000)
}

// wants sends a packet and reads as many as there are answers, in any order.
func (d *device) wants(what, send string, answers ...string) {
	d.t.Helper()
	d.send(send)
	var got []string
	for range answers {
		got = append(got, d.packet())
	}
	slices.Sort(got)
	slices.Sort(answers)
	if !slices.Equal(got, answers) {
		d.t.Fatalf("%s is answered by %x, want %x", what, got, answers)
	}
}
