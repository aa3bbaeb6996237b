package frame_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
	"mqtt-ws-bridge/wsio/refusal"
)

// streamCase is what a device sends and what has to come of it, however the bytes are cut.
type streamCase struct {
	name   string
	wire   []byte
	stream string
	cause  refusal.Cause    // "": the stream ends with io.EOF
	code   int              // what PeerClose says; 0: 1006
	sent   []wsframes.Frame // what the bridge sends, if the wire comes in one piece
}

func (c streamCase) run(t *testing.T) {
	cuttings(c.wire, func(chunks [][]byte) {
		for _, size := range []int{1, 3, 4096} {
			whole := len(chunks) == 1 && size >= len(c.wire)
			nc := script(chunks...)
			conn := frame.NewConn(nc, nil, 1<<16)
			stream, err := readStream(conn, size)
			if got := causeOf(t, err); got != c.cause {
				t.Fatalf("%d chunks, buffer of %d: ended with %v, want %q", len(chunks), size, err, c.cause)
			}
			if string(stream) != c.stream {
				t.Fatalf("%d chunks, buffer of %d: stream %.200q, want %.200q", len(chunks), size, stream, c.stream)
			}
			want := c.code
			if want == 0 {
				want = 1006
			}
			if got := conn.PeerClose(); got != want {
				t.Fatalf("PeerClose: %d, want %d", got, want)
			}
			frames := wsframes.MustParse(t, nc.sent())
			if whole && !equalFrames(frames, c.sent) {
				t.Fatalf("the bridge sent %v, want %v", frames, c.sent)
			}
			if _, again := conn.Read(make([]byte, 8)); again != err {
				t.Fatalf("the next Read said %v after %v", again, err)
			}
		}
	})
}

func causeOf(t *testing.T, err error) refusal.Cause {
	t.Helper()
	var e *frame.Error
	switch {
	case err == io.EOF:
		return ""
	case errors.As(err, &e):
		return e.Cause
	}
	t.Fatalf("unexpected error %v", err)
	return ""
}

func equalFrames(a, b []wsframes.Frame) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

const packets = "\x10\x04abcd\xc0\x00\x30\x03xyz" // three MQTT packets, as far as wsio knows or cares

// TestUplink holds the rules U1 to U9 of device-quirks.
func TestUplink(t *testing.T) {
	zero := [4]byte{}
	weak := [4]byte{0, 0, 0, 1}
	long := strings.Repeat("0123456789abcdef", 4096)[:65535]
	cases := []streamCase{
		{name: "U1_single_byte_frames", stream: packets, wire: eachByte(packets)},
		{name: "U1_one_byte_then_the_rest", stream: packets,
			wire: wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Binary, packets[:1]), wsframes.Masked(wsframes.FIN|wsframes.Binary, packets[1:]))},
		{name: "U1_empty_frames", stream: packets, wire: wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Binary, ""), wsframes.Masked(wsframes.FIN|wsframes.Binary, packets[:6]),
			wsframes.Masked(wsframes.FIN|wsframes.Binary, ""), wsframes.Masked(wsframes.FIN|wsframes.Binary, ""), wsframes.Masked(wsframes.FIN|wsframes.Binary, packets[6:]), wsframes.Masked(wsframes.FIN|wsframes.Binary, ""))},
		{name: "U1_several_packets_in_a_frame", stream: packets, wire: wsframes.Masked(wsframes.FIN|wsframes.Binary, packets)},
		{name: "U1_packets_across_frames", stream: packets, wire: wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Binary, packets[:3]),
			wsframes.Masked(wsframes.FIN|wsframes.Binary, packets[3:7]), wsframes.Masked(wsframes.FIN|wsframes.Binary, packets[7:]))},
		{name: "U1_fragments", stream: packets, wire: wsframes.Join(wsframes.Masked(wsframes.Binary, packets[:2]),
			wsframes.Masked(wsframes.Continuation, packets[2:9]), wsframes.Masked(wsframes.FIN|wsframes.Continuation, packets[9:]))},
		{name: "U2_header_and_payload_apart", stream: packets, wire: wsframes.Masked(wsframes.FIN|wsframes.Binary, packets)}, // the cutting is the test
		{name: "U3_unmasked_pong", stream: packets,
			wire: wsframes.Join(wsframes.Unmasked(wsframes.FIN|wsframes.Pong, ""), wsframes.Unmasked(wsframes.FIN|wsframes.Pong, "ping"), wsframes.Masked(wsframes.FIN|wsframes.Binary, packets))},
		{name: "U3_unmasked_close", stream: packets, code: 1000, sent: []wsframes.Frame{wsframes.Sent(wsframes.Close, wsframes.Closing(1000, ""))},
			wire: wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Binary, packets), wsframes.Unmasked(wsframes.FIN|wsframes.Close, wsframes.Closing(1000, "")))},
		{name: "U3_unmasked_data_is_refused", stream: "ab", cause: refusal.CauseFrameProtocol,
			wire: wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Binary, "ab"), wsframes.Unmasked(wsframes.FIN|wsframes.Binary, packets))},
		{name: "U3_unmasked_ping_is_refused", cause: refusal.CauseFrameProtocol, wire: wsframes.Unmasked(wsframes.FIN|wsframes.Ping, "")},
		{name: "U3_unmasked_continuation_is_refused", stream: "ab", cause: refusal.CauseFrameProtocol,
			wire: wsframes.Join(wsframes.Masked(wsframes.Binary, "ab"), wsframes.Unmasked(wsframes.FIN|wsframes.Continuation, "cd"))},
		{name: "U4_mask_of_zero", stream: packets, wire: wsframes.MaskedWith(wsframes.FIN|wsframes.Binary, packets, zero)},
		{name: "U4_weak_mask", stream: packets, wire: wsframes.MaskedWith(wsframes.FIN|wsframes.Binary, packets, weak)},
		{name: "U5_65535_bytes_with_a_64_bit_length", stream: long,
			wire: wsframes.Join(wsframes.Claiming(wsframes.FIN|wsframes.Binary, 65535), wsframes.XOR(long, wsframes.Key))},
		{name: "U5_5_bytes_with_a_16_bit_length", stream: "hello",
			wire: wsframes.Join([]byte{wsframes.FIN | wsframes.Binary, 0x80 | 126, 0, 5}, wsframes.Key[:], wsframes.XOR("hello", wsframes.Key))},
		{name: "U6_close_code_12592", code: 12592, sent: []wsframes.Frame{wsframes.Sent(wsframes.Close, wsframes.Closing(1000, ""))},
			wire: wsframes.Masked(wsframes.FIN|wsframes.Close, "1000")},
		{name: "U7_ping_is_answered", stream: packets, sent: []wsframes.Frame{wsframes.Sent(wsframes.Pong, "beat")},
			wire: wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Ping, "beat"), wsframes.Masked(wsframes.FIN|wsframes.Binary, packets))},
		{name: "U7_unsolicited_pong", stream: packets,
			wire: wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Pong, "dotnet"), wsframes.Masked(wsframes.FIN|wsframes.Binary, packets), wsframes.Masked(wsframes.FIN|wsframes.Pong, ""))},
		{name: "U8_end_without_close_frame", stream: packets, wire: wsframes.Masked(wsframes.FIN|wsframes.Binary, packets)},
		{name: "U8_end_inside_a_frame", stream: packets[:5], wire: wsframes.Masked(wsframes.FIN|wsframes.Binary, packets)[:6+5]},
		{name: "U8_end_inside_a_header", wire: wsframes.Masked(wsframes.FIN|wsframes.Binary, packets)[:3]},
		{name: "U9_text_frame", stream: "ab", cause: refusal.CauseTextFrame,
			wire: wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Binary, "ab"), wsframes.Masked(wsframes.FIN|wsframes.Text, packets))},
	}
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}

func eachByte(payload string) []byte {
	var wire []byte
	for i := range len(payload) {
		wire = append(wire, wsframes.Masked(wsframes.FIN|wsframes.Binary, payload[i:i+1])...)
	}
	return wire
}

// TestU10_idle_conn_is_small: a device that only sends data costs no buffer, whatever it sent.
func TestU10_idle_conn_is_small(t *testing.T) {
	if frame.ConnSize > 320 {
		t.Errorf("a Conn takes %d bytes", frame.ConnSize)
	}
	wire := wsframes.Masked(wsframes.FIN|wsframes.Binary, packets)
	var pieces [2][]byte
	nc := script()
	conn := frame.NewConn(nc, nil, 1<<16)
	p := make([]byte, 512)
	allocs := testing.AllocsPerRun(100, func() {
		pieces = [2][]byte{wire[:7], wire[7:]} // decoding works on the copy in p
		nc.chunks = pieces[:]
		for range 2 {
			if _, err := conn.Read(p); err != nil {
				t.Fatal(err)
			}
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations for a frame in two reads", allocs)
	}
}
