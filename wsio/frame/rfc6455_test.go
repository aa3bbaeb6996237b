package frame_test

import (
	"strings"
	"testing"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/refusal"
)

// TestRFC6455 holds the sections of RFC 6455 on frames, by number.
func TestRFC6455(t *testing.T) {
	broken := refusal.CauseFrameProtocol
	data := wsframes.Masked(wsframes.FIN|wsframes.Binary, "ab")
	full := strings.Repeat("p", 125)
	cases := []streamCase{
		{name: "5.1_unmasked_frame", stream: "ab", cause: broken, wire: wsframes.Join(data, wsframes.Unmasked(wsframes.FIN|wsframes.Binary, "cd"))},
		{name: "5.2_RSV1", cause: broken, wire: wsframes.Masked(wsframes.FIN|wsframes.RSV1|wsframes.Binary, "ab")},
		{name: "5.2_RSV2", cause: broken, wire: wsframes.Masked(wsframes.FIN|wsframes.RSV2|wsframes.Binary, "ab")},
		{name: "5.2_RSV3", cause: broken, wire: wsframes.Masked(wsframes.FIN|wsframes.RSV3|wsframes.Binary, "ab")},
		{name: "5.2_RSV_on_control_frame", cause: broken, wire: wsframes.Masked(wsframes.FIN|wsframes.RSV1|wsframes.Ping, "ab")},
		{name: "5.2_opcode_3", stream: "ab", cause: broken, wire: wsframes.Join(data, wsframes.Masked(wsframes.FIN|0x3, ""))},
		{name: "5.2_opcode_7", stream: "ab", cause: broken, wire: wsframes.Join(data, wsframes.Masked(wsframes.FIN|0x7, "x"))},
		{name: "5.2_opcode_11", stream: "ab", cause: broken, wire: wsframes.Join(data, wsframes.Masked(wsframes.FIN|0xB, ""))},
		{name: "5.2_opcode_15", stream: "ab", cause: broken, wire: wsframes.Join(data, wsframes.Masked(wsframes.FIN|0xF, "x"))},
		{name: "5.2_length_of_125", stream: full, wire: wsframes.Masked(wsframes.FIN|wsframes.Binary, full)},
		{name: "5.2_length_of_126", stream: full + "x", wire: wsframes.Masked(wsframes.FIN|wsframes.Binary, full+"x")},
		{name: "5.2_top_bit_of_the_length", cause: broken, wire: wsframes.Claiming(wsframes.FIN|wsframes.Binary, 1<<63|5)},
		{name: "5.3_key_of_each_frame", stream: "abcdef", wire: wsframes.Join(wsframes.MaskedWith(wsframes.FIN|wsframes.Binary, "abc", [4]byte{1, 2, 3, 4}),
			wsframes.MaskedWith(wsframes.FIN|wsframes.Binary, "def", [4]byte{0xFF, 0, 0xFF, 7}))},
		{name: "5.4_fragments", stream: "abcdef", wire: wsframes.Join(wsframes.Masked(wsframes.Binary, "ab"), wsframes.Masked(wsframes.Continuation, "cd"),
			wsframes.Masked(wsframes.FIN|wsframes.Continuation, "ef"))},
		{name: "5.4_control_frames_between_fragments", stream: "abcd", sent: []wsframes.Frame{wsframes.Sent(wsframes.Pong, "q")},
			wire: wsframes.Join(wsframes.Masked(wsframes.Binary, "ab"), wsframes.Masked(wsframes.FIN|wsframes.Ping, "q"), wsframes.Masked(wsframes.FIN|wsframes.Pong, ""), wsframes.Masked(wsframes.FIN|wsframes.Continuation, "cd"))},
		{name: "5.4_continuation_of_nothing", stream: "ab", cause: broken, wire: wsframes.Join(data, wsframes.Masked(wsframes.FIN|wsframes.Continuation, "cd"))},
		{name: "5.4_continuation_after_the_last", stream: "abcd", cause: broken,
			wire: wsframes.Join(wsframes.Masked(wsframes.Binary, "ab"), wsframes.Masked(wsframes.FIN|wsframes.Continuation, "cd"), wsframes.Masked(wsframes.FIN|wsframes.Continuation, "ef"))},
		{name: "5.4_new_message_inside_another", stream: "ab", cause: broken,
			wire: wsframes.Join(wsframes.Masked(wsframes.Binary, "ab"), wsframes.Masked(wsframes.FIN|wsframes.Binary, "cd"))},
		{name: "5.4_fragmented_ping", cause: broken, wire: wsframes.Masked(wsframes.Ping, "ab")},
		{name: "5.5_control_frame_of_125", stream: "ab", sent: []wsframes.Frame{wsframes.Sent(wsframes.Pong, full)},
			wire: wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Ping, full), data)},
		{name: "5.5_control_frame_of_126", cause: broken, wire: wsframes.Masked(wsframes.FIN|wsframes.Ping, full+"x")},
		{name: "5.5_control_frame_with_a_64_bit_length", cause: broken, wire: wsframes.Claiming(wsframes.FIN|wsframes.Pong, 1<<40)},
		{name: "5.5.1_nothing_counts_after_close", stream: "ab", code: 1001,
			sent: []wsframes.Frame{wsframes.Sent(wsframes.Close, wsframes.Closing(1001, ""))},
			wire: wsframes.Join(data, wsframes.Masked(wsframes.FIN|wsframes.Close, wsframes.Closing(1001, "bye")), data, []byte{0xFF, 0xFF})},
		{name: "5.5.2_empty_ping", stream: "ab", sent: []wsframes.Frame{wsframes.Sent(wsframes.Pong, "")}, wire: wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Ping, ""), data)},
		{name: "5.5.3_latest_ping_only", stream: "ab", sent: []wsframes.Frame{wsframes.Sent(wsframes.Pong, "three")},
			wire: wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Ping, "one"), wsframes.Masked(wsframes.FIN|wsframes.Ping, "two"), data, wsframes.Masked(wsframes.FIN|wsframes.Ping, "three"))},
		{name: "10.4_frame_above_512_MiB", stream: "ab", cause: refusal.CauseFrameTooLong,
			wire: wsframes.Join(data, wsframes.Claiming(wsframes.FIN|wsframes.Binary, 1<<29+1))},
	}
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}

// TestFrameOf512MiBBegins is the other side of section 10.4: the largest frame is not refused by its header.
func TestFrameOf512MiBBegins(t *testing.T) {
	conn := frame.NewConn(script(wsframes.Claiming(wsframes.FIN|wsframes.Binary, 1<<29), wsframes.XOR("abc", wsframes.Key)), nil, 1<<16)
	stream, err := readStream(conn, 64)
	if string(stream) != "abc" || causeOf(t, err) != "" {
		t.Errorf("read %q, %v", stream, err)
	}
}

// TestMaskingExample is the example of section 5.7 as it is printed there.
func TestMaskingExample(t *testing.T) {
	wire := []byte{0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}
	stream, _ := readStream(frame.NewConn(script(wire), nil, 1<<16), 64)
	if string(stream) != "Hello" {
		t.Errorf("read %q", stream)
	}
}
