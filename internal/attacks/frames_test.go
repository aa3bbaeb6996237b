//go:build linux

package attacks

import (
	"encoding/binary"
	"strings"
	"testing"
)

// frameCase is what a device sends as a frame, and how the bridge ends the connection for it.
type frameCase struct {
	name   string
	wire   string
	reason string
	code   int
}

// refuse sends each to the bridge twice: in place of CONNECT, and when the device is online.
func (k *attack) refuse(t *testing.T, cases []frameCase) {
	t.Helper()
	times := make(map[string]int)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := open(t, k).say(c.wire).wantEnd(c.code); got != "" {
				t.Errorf("a device without CONNECT hears %x", got)
			}
			d := online(t, k, hello{version: 4, id: "framer"})
			d.alive()
			if got := d.say(c.wire).wantEnd(c.code); got != "" {
				t.Errorf("an online device hears %x", got)
			}
			times[c.reason] += 2
		})
	}
	for reason, n := range times {
		k.wantReason(reason, n)
	}
}

// claim is the head of a masked frame that claims a length in eight bytes.
func claim(first byte, n uint64) string {
	return string(binary.BigEndian.AppendUint64([]byte{first, 0xff}, n)) + "\x00\x00\x00\x00"
}

func TestAttack09_frame_length(t *testing.T) {
	k := plain(t)
	k.refuse(t, []frameCase{
		{"sign_bit", claim(data, 1<<63), "frame-protocol", 1002},
		{"sign_bit_and_more", claim(data, 1<<63|100) + pingreq, "frame-protocol", 1002},
		{"2^64-1", claim(data, 1<<64-1), "frame-protocol", 1002},
		{"2^63-1", claim(data, 1<<63-1), "frame-too-long", 1009},
		{"512_MiB_and_1", claim(data, 512<<20+1), "frame-too-long", 1009},
		{"sign_bit_in_a_ping", claim(ping, 1<<63), "frame-protocol", 1002},
		{"sign_bit_in_a_continuation", frame(0x02, "") + claim(0x80, 1<<64-1), "frame-protocol", 1002},
	})
}

// TestAttack10_deflate_bomb: no compression is agreed, so there is nothing to inflate.
func TestAttack10_deflate_bomb(t *testing.T) {
	bomb := strings.Repeat("\x00\x00\x00\xff\xff", 10_000) // empty stored blocks
	k := plain(t)
	k.refuse(t, []frameCase{{"RSV1", frame(data|reserved1, bomb), "frame-protocol", 1002}})
	offer := "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-webkit-deflate-frame\r\n"
	d := reach(t, k.bridge.WS).upgraded(with(offer)) // which sees that no extension is agreed
	d.join(hello{version: 4, id: "deflater"}).alive()
}

func TestAttack11_compressed_without_agreement(t *testing.T) {
	k := plain(t)
	k.refuse(t, []frameCase{
		{"compressed", frame(data|reserved1, "\x4a\x04\x00"), "frame-protocol", 1002},
		{"empty", frame(data|reserved1, ""), "frame-protocol", 1002},
		{"continuation", frame(0x02, "") + frame(0x80|reserved1, ""), "frame-protocol", 1002},
		{"ping", frame(ping|reserved1, ""), "frame-protocol", 1002},
	})
}

func TestAttack12_control_frames(t *testing.T) {
	k := plain(t)
	k.refuse(t, []frameCase{
		{"ping_of_126", frame(ping, strings.Repeat("x", 126)), "frame-protocol", 1002},
		{"close_of_65536", frame(closing, strings.Repeat("x", 1<<16)), "frame-protocol", 1002},
		{"fragmented_ping", frame(ping&^0x80, "x"), "frame-protocol", 1002},
		{"fragmented_close", frame(closing&^0x80, ""), "frame-protocol", 1002},
	})
	// Junk in a close frame is not sent back. What is allowed is answered with its code.
	for payload, want := range map[string]int{
		"": 1005, "\x03\xe8": 1000, "\x03\xe8bye": 1000, "\x03": 1002, "\x03\xe8\xff\xfe": 1002, "\x03\xed": 1000,
		"\x00\x00": 1000, "\xff\xff": 1000,
	} {
		_, err := online(t, k, hello{version: 4, id: "closer"}).say(frame(closing, payload)).message()
		got, ok := err.(closed)
		if !ok || got.text != "" || got.code != want {
			t.Errorf("a close frame with %q is answered with %#v, want %d", payload, err, want)
		}
	}
}

func TestAttack13_unmasked(t *testing.T) {
	k := plain(t)
	k.refuse(t, []frameCase{
		{"data", framed(data, 0, pingreq), "frame-protocol", 1002},
		{"empty", framed(data, 0, ""), "frame-protocol", 1002},
		{"continuation", frame(0x02, "") + framed(0x80, 0, ""), "frame-protocol", 1002},
	})
}

func TestAttack14_text(t *testing.T) {
	k := plain(t)
	k.refuse(t, []frameCase{
		{"text", frame(text, pingreq), "text-frame", 1003},
		{"empty", frame(text, ""), "text-frame", 1003},
		{"fragmented", frame(text&^0x80, "\xc0"), "text-frame", 1003},
	})
}

func TestAttack15_reserved(t *testing.T) {
	var cases []frameCase
	for _, opcode := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		cases = append(cases, frameCase{"opcode_" + string("0123456789abcdef"[opcode]), frame(0x80|opcode, ""), "frame-protocol", 1002})
	}
	k := plain(t)
	k.refuse(t, append(cases,
		frameCase{"RSV2", frame(data|0x20, pingreq), "frame-protocol", 1002},
		frameCase{"RSV3", frame(data|0x10, pingreq), "frame-protocol", 1002},
	))
}

func TestAttack16_fragments(t *testing.T) {
	const first, next, end = 0x02, 0x00, 0x80
	k := plain(t)
	k.refuse(t, []frameCase{
		{"stray_continuation", frame(end, pingreq), "frame-protocol", 1002},
		{"stray_continuation_without_end", frame(next, pingreq), "frame-protocol", 1002},
		{"message_inside", frame(first, "") + frame(data, pingreq), "frame-protocol", 1002},
		{"text_inside", frame(first, "") + frame(text, pingreq), "text-frame", 1003},
	})
	d := online(t, k, hello{version: 4, id: "cutter"})
	for name, wire := range map[string]string{
		"empty first and last":    frame(first, "") + frame(next, pingreq) + frame(end, ""),
		"empty message":           frame(data, "") + frame(first, "") + frame(end, "") + frame(data, pingreq),
		"one byte each":           frame(first, "\xc0") + frame(end, "\x00"),
		"ping between":            frame(first, "\xc0") + frame(ping, "x") + frame(next, "") + frame(pong, "") + frame(end, "\x00"),
		"message ends mid packet": frame(data, "\xc0") + frame(data, "\x00"),
	} {
		if got := d.say(wire).packet(); got != pingresp {
			t.Errorf("%s: heard is %x", name, got)
		}
		for _, b := range []byte(wire) { // the same with every header cut
			d.say(string([]byte{b}))
		}
		if got := d.packet(); got != pingresp {
			t.Errorf("%s, byte by byte: heard is %x", name, got)
		}
	}
	d.alive()
}
