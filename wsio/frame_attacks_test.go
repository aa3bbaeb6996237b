package wsio_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/wsio"
)

// TestAttacks holds attacks 9 to 16 on the frame layer, by their numbers in the list of attacks.
func TestAttacks(t *testing.T) {
	broken := wsio.CauseFrameProtocol
	bin := byte(fin | binaryData)
	cases := []streamCase{
		{name: "9_length_with_the_sign_bit", cause: broken, wire: claiming(bin, 1<<63)},
		{name: "9_length_of_2^64-1", cause: broken, wire: claiming(bin, 1<<64-1)},
		{name: "9_length_of_2^63-1", cause: wsio.CauseFrameTooLong, wire: claiming(bin, 1<<63-1)},
		{name: "9_sign_bit_in_a_continuation", stream: "a", cause: broken,
			wire: join(masked(binaryData, "a"), claiming(fin|continuation, 1<<63|1))},
		{name: "9_sign_bit_in_a_control_frame", cause: broken, wire: claiming(fin|ping, 1<<63)},
		{name: "10_compressed_frame", cause: broken, wire: masked(fin|rsv1|binaryData, "\x4a\x04\x00")},
		{name: "11_empty_compressed_frame", cause: broken, wire: masked(fin|rsv1|binaryData, "")},
		{name: "11_compressed_continuation", stream: "a", cause: broken,
			wire: join(masked(binaryData, "a"), masked(fin|rsv1|continuation, ""))},
		{name: "12_control_frame_above_125", cause: broken, wire: masked(fin|closeFrame, string(make([]byte, 126)))},
		{name: "12_fragmented_close", cause: broken, wire: masked(closeFrame, closing(1000, ""))},
		{name: "12_close_of_one_byte", code: 1005, sent: []sentFrame{{closeFrame, closing(1002, "")}},
			wire: masked(fin|closeFrame, "\x03")},
		{name: "12_reason_is_not_UTF-8", code: 1000, sent: []sentFrame{{closeFrame, closing(1002, "")}},
			wire: masked(fin|closeFrame, closing(1000, "\xff\xfe"))},
		{name: "12_reserved_code_1005", code: 1005, sent: []sentFrame{{closeFrame, closing(1000, "")}},
			wire: masked(fin|closeFrame, closing(1005, ""))},
		{name: "13_unmasked_data", cause: broken, wire: unmasked(bin, "ab")},
		{name: "13_unmasked_empty_data", cause: broken, wire: unmasked(bin, "")},
		{name: "14_text", cause: wsio.CauseTextFrame, wire: masked(fin|text, "ab")},
		{name: "14_fragmented_text", cause: wsio.CauseTextFrame, wire: masked(text, "ab")},
		{name: "15_reserved_opcode", cause: broken, wire: masked(fin|0x5, "ab")},
		{name: "15_RSV2_and_RSV3", cause: broken, wire: masked(fin|rsv2|rsv3|binaryData, "ab")},
		{name: "16_empty_first_and_last_fragment", stream: "ab",
			wire: join(masked(binaryData, ""), masked(continuation, "ab"), masked(fin|continuation, ""))},
		{name: "16_message_of_empty_fragments", stream: "ab", wire: join(masked(binaryData, ""), masked(continuation, ""),
			masked(fin|continuation, ""), masked(bin, "ab"))},
		{name: "16_fragments_of_one_byte", stream: "abc",
			wire: join(masked(binaryData, "a"), masked(continuation, "b"), masked(fin|continuation, "c"))},
		{name: "16_ping_between", stream: "ab", sent: []sentFrame{{pong, ""}},
			wire: join(masked(binaryData, "a"), masked(fin|ping, ""), masked(fin|continuation, "b"))},
		{name: "16_stray_continuation", cause: broken, wire: masked(fin|continuation, "ab")},
		{name: "16_new_message_inside", stream: "a", cause: broken, wire: join(masked(binaryData, "a"), masked(binaryData, "b"))},
	}
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}

// TestAttack17 floods: whatever the number of frames in a read, the bridge answers it with at most one pong.
func TestAttack17(t *testing.T) {
	const frames, size = 10_000, 4096
	for name, frame := range map[string][]byte{
		"ping_flood":           masked(fin|ping, "x"),
		"pong_flood":           masked(fin|pong, "x"),
		"empty_frame_flood":    masked(fin|binaryData, ""),
		"1-byte_frame_flood":   masked(fin|binaryData, "x"),
		"empty_fragment_flood": masked(continuation, ""),
	} {
		t.Run(name, func(t *testing.T) {
			wire := bytes.Repeat(frame, frames)
			if frame[0] == continuation {
				wire = join(masked(binaryData, ""), wire)
			}
			nc := script(wire)
			_, err := readStream(wsio.NewConn(nc, nil, 1<<16), size)
			if causeOf(t, err) != "" {
				t.Fatal(err)
			}
			if reads := len(wire)/size + 1; len(nc.writes) > reads {
				t.Errorf("%d pongs for %d reads", len(nc.writes), reads)
			}
		})
	}
}

// TestAttack17_rate: frames that bring nothing of the stream are bounded by their number in a second, of which ten seconds' worth
// may come at once; those that bring something are not counted.
func TestAttack17_rate(t *testing.T) {
	const rate, burst = 5, 50
	for name, frame := range map[string][]byte{
		"ping":           masked(fin|ping, "x"),
		"pong":           masked(fin|pong, "x"),
		"empty_ping":     masked(fin|ping, ""),
		"empty_frame":    masked(fin|binaryData, ""),
		"empty_fragment": masked(continuation, ""),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				data, next := masked(fin|binaryData, "ab"), byte(fin|binaryData)
				if frame[0] == continuation {
					data, next = masked(binaryData, "ab"), continuation
				}
				chunks := [][]byte{data, bytes.Repeat(frame, burst)}
				for range 100 {
					chunks = append(chunks, masked(next, "ab"), frame)
				}
				nc := script(chunks...)
				conn := wsio.NewConn(nc, nil, 1<<16)
				conn.LimitControls(rate)
				p, n := make([]byte, 4096), 0
				for n < 2*(1+100) {
					got, err := conn.Read(p)
					if err != nil {
						t.Fatalf("after %d bytes: %v", n, err)
					}
					n += got
					time.Sleep(time.Second / rate) // for the frame of each chunk
				}
				nc.chunks = [][]byte{masked(next, "ab"), bytes.Repeat(frame, burst+2+4), masked(next, "ab")} // with 4 that may be pieces of a packet
				stream, err := readStream(conn, 4096)
				if causeOf(t, err) != wsio.CauseControlFlood || string(stream) != "ab" {
					t.Errorf("read %q and %v of a flood", stream, err)
				}
			})
		})
	}
}

// TestEmptyPieces: paho.golang sends a packet piece by piece, and some of the pieces are empty. They are no flood.
func TestEmptyPieces(t *testing.T) {
	piece := masked(fin|binaryData, "")
	one := join(masked(fin|binaryData, "a"), piece, piece, masked(fin|binaryData, "b"), piece, piece, piece, piece)
	conn := wsio.NewConn(script(bytes.Repeat(one, 1000)), nil, 1<<16)
	conn.LimitControls(1)
	stream, err := readStream(conn, 4096)
	if causeOf(t, err) != "" || len(stream) != 2000 {
		t.Errorf("read %d bytes and %v", len(stream), err)
	}
}
