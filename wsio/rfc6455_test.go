package wsio_test

import (
	"strings"
	"testing"

	"mqtt-ws-bridge/wsio"
)

// TestRFC6455 holds the sections of RFC 6455 on frames, by number.
func TestRFC6455(t *testing.T) {
	broken := wsio.CauseFrameProtocol
	data := masked(fin|binaryData, "ab")
	full := strings.Repeat("p", 125)
	cases := []streamCase{
		{name: "5.1_unmasked_frame", stream: "ab", cause: broken, wire: join(data, unmasked(fin|binaryData, "cd"))},
		{name: "5.2_RSV1", cause: broken, wire: masked(fin|rsv1|binaryData, "ab")},
		{name: "5.2_RSV2", cause: broken, wire: masked(fin|rsv2|binaryData, "ab")},
		{name: "5.2_RSV3", cause: broken, wire: masked(fin|rsv3|binaryData, "ab")},
		{name: "5.2_RSV_on_control_frame", cause: broken, wire: masked(fin|rsv1|ping, "ab")},
		{name: "5.2_opcode_3", stream: "ab", cause: broken, wire: join(data, masked(fin|0x3, ""))},
		{name: "5.2_opcode_7", stream: "ab", cause: broken, wire: join(data, masked(fin|0x7, "x"))},
		{name: "5.2_opcode_11", stream: "ab", cause: broken, wire: join(data, masked(fin|0xB, ""))},
		{name: "5.2_opcode_15", stream: "ab", cause: broken, wire: join(data, masked(fin|0xF, "x"))},
		{name: "5.2_length_of_125", stream: full, wire: masked(fin|binaryData, full)},
		{name: "5.2_length_of_126", stream: full + "x", wire: masked(fin|binaryData, full+"x")},
		{name: "5.2_top_bit_of_the_length", cause: broken, wire: claiming(fin|binaryData, 1<<63|5)},
		{name: "5.3_key_of_each_frame", stream: "abcdef", wire: join(withKey(fin|binaryData, "abc", [4]byte{1, 2, 3, 4}),
			withKey(fin|binaryData, "def", [4]byte{0xFF, 0, 0xFF, 7}))},
		{name: "5.4_fragments", stream: "abcdef", wire: join(masked(binaryData, "ab"), masked(continuation, "cd"),
			masked(fin|continuation, "ef"))},
		{name: "5.4_control_frames_between_fragments", stream: "abcd", sent: []sentFrame{{pong, "q"}},
			wire: join(masked(binaryData, "ab"), masked(fin|ping, "q"), masked(fin|pong, ""), masked(fin|continuation, "cd"))},
		{name: "5.4_continuation_of_nothing", stream: "ab", cause: broken, wire: join(data, masked(fin|continuation, "cd"))},
		{name: "5.4_continuation_after_the_last", stream: "abcd", cause: broken,
			wire: join(masked(binaryData, "ab"), masked(fin|continuation, "cd"), masked(fin|continuation, "ef"))},
		{name: "5.4_new_message_inside_another", stream: "ab", cause: broken,
			wire: join(masked(binaryData, "ab"), masked(fin|binaryData, "cd"))},
		{name: "5.4_fragmented_ping", cause: broken, wire: masked(ping, "ab")},
		{name: "5.5_control_frame_of_125", stream: "ab", sent: []sentFrame{{pong, full}},
			wire: join(masked(fin|ping, full), data)},
		{name: "5.5_control_frame_of_126", cause: broken, wire: masked(fin|ping, full+"x")},
		{name: "5.5_control_frame_with_a_64_bit_length", cause: broken, wire: claiming(fin|pong, 1<<40)},
		{name: "5.5.1_nothing_counts_after_close", stream: "ab", code: 1001,
			sent: []sentFrame{{closeFrame, closing(1001, "")}},
			wire: join(data, masked(fin|closeFrame, closing(1001, "bye")), data, []byte{0xFF, 0xFF})},
		{name: "5.5.2_empty_ping", stream: "ab", sent: []sentFrame{{pong, ""}}, wire: join(masked(fin|ping, ""), data)},
		{name: "5.5.3_latest_ping_only", stream: "ab", sent: []sentFrame{{pong, "three"}},
			wire: join(masked(fin|ping, "one"), masked(fin|ping, "two"), data, masked(fin|ping, "three"))},
		{name: "10.4_frame_above_512_MiB", stream: "ab", cause: wsio.CauseFrameTooLong,
			wire: join(data, claiming(fin|binaryData, 1<<29+1))},
	}
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}

// TestFrameOf512MiBBegins is the other side of section 10.4: the largest frame is not refused by its header.
func TestFrameOf512MiBBegins(t *testing.T) {
	conn := wsio.NewConn(script(claiming(fin|binaryData, 1<<29), xor("abc", key)), nil, 1<<16)
	stream, err := readStream(conn, 64)
	if string(stream) != "abc" || causeOf(t, err) != "" {
		t.Errorf("read %q, %v", stream, err)
	}
}

// TestMaskingExample is the example of section 5.7 as it is printed there.
func TestMaskingExample(t *testing.T) {
	wire := []byte{0x82, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}
	stream, _ := readStream(wsio.NewConn(script(wire), nil, 1<<16), 64)
	if string(stream) != "Hello" {
		t.Errorf("read %q", stream)
	}
}
