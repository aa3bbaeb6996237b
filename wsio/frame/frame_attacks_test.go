package frame_test

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/refusal"
)

// TestAttacks holds attacks 9 to 16 on the frame layer, by their numbers in the list of attacks.
func TestAttacks(t *testing.T) {
	broken := refusal.CauseFrameProtocol
	bin := byte(wsframes.FIN | wsframes.Binary)
	cases := []streamCase{
		{name: "9_length_with_the_sign_bit", cause: broken, wire: wsframes.Claiming(bin, 1<<63)},
		{name: "9_length_of_2^64-1", cause: broken, wire: wsframes.Claiming(bin, 1<<64-1)},
		{name: "9_length_of_2^63-1", cause: refusal.CauseFrameTooLong, wire: wsframes.Claiming(bin, 1<<63-1)},
		{name: "9_sign_bit_in_a_continuation", stream: "a", cause: broken,
			wire: wsframes.Join(wsframes.Masked(wsframes.Binary, "a"), wsframes.Claiming(wsframes.FIN|wsframes.Continuation, 1<<63|1))},
		{name: "9_sign_bit_in_a_control_frame", cause: broken, wire: wsframes.Claiming(wsframes.FIN|wsframes.Ping, 1<<63)},
		{name: "10_compressed_frame", cause: broken, wire: wsframes.Masked(wsframes.FIN|wsframes.RSV1|wsframes.Binary, "\x4a\x04\x00")},
		{name: "11_empty_compressed_frame", cause: broken, wire: wsframes.Masked(wsframes.FIN|wsframes.RSV1|wsframes.Binary, "")},
		{name: "11_compressed_continuation", stream: "a", cause: broken,
			wire: wsframes.Join(wsframes.Masked(wsframes.Binary, "a"), wsframes.Masked(wsframes.FIN|wsframes.RSV1|wsframes.Continuation, ""))},
		{name: "12_control_frame_above_125", cause: broken, wire: wsframes.Masked(wsframes.FIN|wsframes.Close, string(make([]byte, 126)))},
		{name: "12_fragmented_close", cause: broken, wire: wsframes.Masked(wsframes.Close, wsframes.Closing(1000, ""))},
		{name: "12_close_of_one_byte", code: 1005, sent: []wsframes.Frame{wsframes.Sent(wsframes.Close, wsframes.Closing(1002, ""))},
			wire: wsframes.Masked(wsframes.FIN|wsframes.Close, "\x03")},
		{name: "12_reason_is_not_UTF-8", code: 1000, sent: []wsframes.Frame{wsframes.Sent(wsframes.Close, wsframes.Closing(1002, ""))},
			wire: wsframes.Masked(wsframes.FIN|wsframes.Close, wsframes.Closing(1000, "\xff\xfe"))},
		{name: "12_reserved_code_1005", code: 1005, sent: []wsframes.Frame{wsframes.Sent(wsframes.Close, wsframes.Closing(1000, ""))},
			wire: wsframes.Masked(wsframes.FIN|wsframes.Close, wsframes.Closing(1005, ""))},
		{name: "13_unmasked_data", cause: broken, wire: wsframes.Unmasked(bin, "ab")},
		{name: "13_unmasked_empty_data", cause: broken, wire: wsframes.Unmasked(bin, "")},
		{name: "14_text", cause: refusal.CauseTextFrame, wire: wsframes.Masked(wsframes.FIN|wsframes.Text, "ab")},
		{name: "14_fragmented_text", cause: refusal.CauseTextFrame, wire: wsframes.Masked(wsframes.Text, "ab")},
		{name: "15_reserved_opcode", cause: broken, wire: wsframes.Masked(wsframes.FIN|0x5, "ab")},
		{name: "15_RSV2_and_RSV3", cause: broken, wire: wsframes.Masked(wsframes.FIN|wsframes.RSV2|wsframes.RSV3|wsframes.Binary, "ab")},
		{name: "16_empty_first_and_last_fragment", stream: "ab",
			wire: wsframes.Join(wsframes.Masked(wsframes.Binary, ""), wsframes.Masked(wsframes.Continuation, "ab"), wsframes.Masked(wsframes.FIN|wsframes.Continuation, ""))},
		{name: "16_message_of_empty_fragments", stream: "ab", wire: wsframes.Join(wsframes.Masked(wsframes.Binary, ""), wsframes.Masked(wsframes.Continuation, ""),
			wsframes.Masked(wsframes.FIN|wsframes.Continuation, ""), wsframes.Masked(bin, "ab"))},
		{name: "16_fragments_of_one_byte", stream: "abc",
			wire: wsframes.Join(wsframes.Masked(wsframes.Binary, "a"), wsframes.Masked(wsframes.Continuation, "b"), wsframes.Masked(wsframes.FIN|wsframes.Continuation, "c"))},
		{name: "16_ping_between", stream: "ab", sent: []wsframes.Frame{wsframes.Sent(wsframes.Pong, "")},
			wire: wsframes.Join(wsframes.Masked(wsframes.Binary, "a"), wsframes.Masked(wsframes.FIN|wsframes.Ping, ""), wsframes.Masked(wsframes.FIN|wsframes.Continuation, "b"))},
		{name: "16_stray_continuation", cause: broken, wire: wsframes.Masked(wsframes.FIN|wsframes.Continuation, "ab")},
		{name: "16_new_message_inside", stream: "a", cause: broken, wire: wsframes.Join(wsframes.Masked(wsframes.Binary, "a"), wsframes.Masked(wsframes.Binary, "b"))},
	}
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}

// TestAttack17 floods: whatever the number of frames in a read, the bridge answers it with at most one pong.
func TestAttack17(t *testing.T) {
	const frames, size = 10_000, 4096
	for name, sent := range map[string][]byte{
		"ping_flood":           wsframes.Masked(wsframes.FIN|wsframes.Ping, "x"),
		"pong_flood":           wsframes.Masked(wsframes.FIN|wsframes.Pong, "x"),
		"empty_frame_flood":    wsframes.Masked(wsframes.FIN|wsframes.Binary, ""),
		"1-byte_frame_flood":   wsframes.Masked(wsframes.FIN|wsframes.Binary, "x"),
		"empty_fragment_flood": wsframes.Masked(wsframes.Continuation, ""),
	} {
		t.Run(name, func(t *testing.T) {
			wire := bytes.Repeat(sent, frames)
			if sent[0] == wsframes.Continuation {
				wire = wsframes.Join(wsframes.Masked(wsframes.Binary, ""), wire)
			}
			nc := script(wire)
			_, err := readStream(frame.NewConn(nc, nil, 1<<16), size)
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
	for name, sent := range map[string][]byte{
		"ping":           wsframes.Masked(wsframes.FIN|wsframes.Ping, "x"),
		"pong":           wsframes.Masked(wsframes.FIN|wsframes.Pong, "x"),
		"empty_ping":     wsframes.Masked(wsframes.FIN|wsframes.Ping, ""),
		"empty_frame":    wsframes.Masked(wsframes.FIN|wsframes.Binary, ""),
		"empty_fragment": wsframes.Masked(wsframes.Continuation, ""),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				data, next := wsframes.Masked(wsframes.FIN|wsframes.Binary, "ab"), byte(wsframes.FIN|wsframes.Binary)
				if sent[0] == wsframes.Continuation {
					data, next = wsframes.Masked(wsframes.Binary, "ab"), wsframes.Continuation
				}
				chunks := [][]byte{data, bytes.Repeat(sent, burst)}
				for range 100 {
					chunks = append(chunks, wsframes.Masked(next, "ab"), sent)
				}
				nc := script(chunks...)
				conn := frame.NewConn(nc, nil, 1<<16)
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
				nc.chunks = [][]byte{wsframes.Masked(next, "ab"), bytes.Repeat(sent, burst+2+4), wsframes.Masked(next, "ab")} // with 4 that may be pieces of a packet
				stream, err := readStream(conn, 4096)
				if causeOf(t, err) != refusal.CauseControlFlood || string(stream) != "ab" {
					t.Errorf("read %q and %v of a flood", stream, err)
				}
			})
		})
	}
}

// TestEmptyPieces: paho.golang sends a packet piece by piece, and some of the pieces are empty. They are no flood.
func TestEmptyPieces(t *testing.T) {
	piece := wsframes.Masked(wsframes.FIN|wsframes.Binary, "")
	one := wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Binary, "a"), piece, piece, wsframes.Masked(wsframes.FIN|wsframes.Binary, "b"), piece, piece, piece, piece)
	conn := frame.NewConn(script(bytes.Repeat(one, 1000)), nil, 1<<16)
	conn.LimitControls(1)
	stream, err := readStream(conn, 4096)
	if causeOf(t, err) != "" || len(stream) != 2000 {
		t.Errorf("read %d bytes and %v", len(stream), err)
	}
}
