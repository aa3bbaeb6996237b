package wsio_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"mqtt-ws-bridge/wsio"
)

// streamCase is what a device sends and what has to come of it, however the bytes are cut.
type streamCase struct {
	name   string
	wire   []byte
	stream string
	cause  wsio.Cause  // "": the stream ends with io.EOF
	code   int         // what PeerClose says; 0: 1006
	sent   []sentFrame // what the bridge sends, if the wire comes in one piece
}

func (c streamCase) run(t *testing.T) {
	cuttings(c.wire, func(chunks [][]byte) {
		for _, size := range []int{1, 3, 4096} {
			whole := len(chunks) == 1 && size >= len(c.wire)
			nc := script(chunks...)
			conn := wsio.NewConn(nc, nil, 1<<16)
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
			frames := mustParse(t, nc.sent())
			if whole && !equalFrames(frames, c.sent) {
				t.Fatalf("the bridge sent %v, want %v", frames, c.sent)
			}
			if _, again := conn.Read(make([]byte, 8)); again != err {
				t.Fatalf("the next Read said %v after %v", again, err)
			}
		}
	})
}

func causeOf(t *testing.T, err error) wsio.Cause {
	t.Helper()
	var e *wsio.Error
	switch {
	case err == io.EOF:
		return ""
	case errors.As(err, &e):
		return e.Cause
	}
	t.Fatalf("unexpected error %v", err)
	return ""
}

func equalFrames(a, b []sentFrame) bool {
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
			wire: join(masked(fin|binaryData, packets[:1]), masked(fin|binaryData, packets[1:]))},
		{name: "U1_empty_frames", stream: packets, wire: join(masked(fin|binaryData, ""), masked(fin|binaryData, packets[:6]),
			masked(fin|binaryData, ""), masked(fin|binaryData, ""), masked(fin|binaryData, packets[6:]), masked(fin|binaryData, ""))},
		{name: "U1_several_packets_in_a_frame", stream: packets, wire: masked(fin|binaryData, packets)},
		{name: "U1_packets_across_frames", stream: packets, wire: join(masked(fin|binaryData, packets[:3]),
			masked(fin|binaryData, packets[3:7]), masked(fin|binaryData, packets[7:]))},
		{name: "U1_fragments", stream: packets, wire: join(masked(binaryData, packets[:2]),
			masked(continuation, packets[2:9]), masked(fin|continuation, packets[9:]))},
		{name: "U2_header_and_payload_apart", stream: packets, wire: masked(fin|binaryData, packets)}, // the cutting is the test
		{name: "U3_unmasked_pong", stream: packets,
			wire: join(unmasked(fin|pong, ""), unmasked(fin|pong, "ping"), masked(fin|binaryData, packets))},
		{name: "U3_unmasked_close", stream: packets, code: 1000, sent: []sentFrame{{closeFrame, closing(1000, "")}},
			wire: join(masked(fin|binaryData, packets), unmasked(fin|closeFrame, closing(1000, "")))},
		{name: "U3_unmasked_data_is_refused", stream: "ab", cause: wsio.CauseFrameProtocol,
			wire: join(masked(fin|binaryData, "ab"), unmasked(fin|binaryData, packets))},
		{name: "U3_unmasked_ping_is_refused", cause: wsio.CauseFrameProtocol, wire: unmasked(fin|ping, "")},
		{name: "U3_unmasked_continuation_is_refused", stream: "ab", cause: wsio.CauseFrameProtocol,
			wire: join(masked(binaryData, "ab"), unmasked(fin|continuation, "cd"))},
		{name: "U4_mask_of_zero", stream: packets, wire: withKey(fin|binaryData, packets, zero)},
		{name: "U4_weak_mask", stream: packets, wire: withKey(fin|binaryData, packets, weak)},
		{name: "U5_65535_bytes_with_a_64_bit_length", stream: long,
			wire: join(claiming(fin|binaryData, 65535), xor(long, key))},
		{name: "U5_5_bytes_with_a_16_bit_length", stream: "hello",
			wire: join([]byte{fin | binaryData, 0x80 | 126, 0, 5}, key[:], xor("hello", key))},
		{name: "U6_close_code_12592", code: 12592, sent: []sentFrame{{closeFrame, closing(1000, "")}},
			wire: masked(fin|closeFrame, "1000")},
		{name: "U7_ping_is_answered", stream: packets, sent: []sentFrame{{pong, "beat"}},
			wire: join(masked(fin|ping, "beat"), masked(fin|binaryData, packets))},
		{name: "U7_unsolicited_pong", stream: packets,
			wire: join(masked(fin|pong, "dotnet"), masked(fin|binaryData, packets), masked(fin|pong, ""))},
		{name: "U8_end_without_close_frame", stream: packets, wire: masked(fin|binaryData, packets)},
		{name: "U8_end_inside_a_frame", stream: packets[:5], wire: masked(fin|binaryData, packets)[:6+5]},
		{name: "U8_end_inside_a_header", wire: masked(fin|binaryData, packets)[:3]},
		{name: "U9_text_frame", stream: "ab", cause: wsio.CauseTextFrame,
			wire: join(masked(fin|binaryData, "ab"), masked(fin|text, packets))},
	}
	for _, c := range cases {
		t.Run(c.name, c.run)
	}
}

func eachByte(payload string) []byte {
	var wire []byte
	for i := range len(payload) {
		wire = append(wire, masked(fin|binaryData, payload[i:i+1])...)
	}
	return wire
}

// TestU10_idle_conn_is_small: a device that only sends data costs no buffer, whatever it sent.
func TestU10_idle_conn_is_small(t *testing.T) {
	if wsio.ConnSize > 320 {
		t.Errorf("a Conn takes %d bytes", wsio.ConnSize)
	}
	wire := masked(fin|binaryData, packets)
	var pieces [2][]byte
	nc := script()
	conn := wsio.NewConn(nc, nil, 1<<16)
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
