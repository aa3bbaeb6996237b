package wsio_test

import (
	"bytes"
	"slices"
	"testing"

	"mqtt-ws-bridge/wsio"
)

// seeds are the wires of the tables, so that a fuzzer starts from every rule.
func seeds() [][]byte {
	return [][]byte{
		masked(fin|binaryData, packets),
		eachByte(packets),
		join(masked(binaryData, packets[:2]), masked(fin|ping, "q"), masked(continuation, ""), masked(fin|continuation, packets[2:])),
		join(masked(fin|ping, "one"), masked(fin|pong, "two"), masked(fin|binaryData, "x"), masked(fin|closeFrame, closing(1000, "bye"))),
		join(unmasked(fin|pong, ""), unmasked(fin|pong, "ping"), unmasked(fin|closeFrame, closing(1001, ""))),
		join(masked(fin|binaryData, "ab"), unmasked(fin|binaryData, "cd")),
		masked(fin|closeFrame, "1000"), masked(fin|closeFrame, "\x03"), masked(fin|closeFrame, closing(1000, "\xff")),
		masked(fin|text, "text"), masked(fin|rsv1|binaryData, "z"), masked(fin|0x3, "z"), masked(fin|continuation, "z"),
		join(masked(binaryData, "a"), masked(fin|binaryData, "b")),
		join(claiming(fin|binaryData, 5), xor("hello", key)),
		claiming(fin|binaryData, 1<<63), claiming(fin|binaryData, 1<<62), claiming(fin|ping, 200),
		masked(fin|binaryData, string(make([]byte, 300))),
		withKey(fin|binaryData, packets, [4]byte{}),
	}
}

// decoded is all that a decoder makes of a wire.
type decoded struct {
	stream []byte
	err    error
	ping   []byte // the latest
	pinged bool
	close  []byte
	closed bool
}

// decodeCut decodes a wire cut into pieces of these sizes, over and over; no sizes: in one piece.
func decodeCut(t *testing.T, wire, sizes []byte) decoded {
	var d wsio.Decoder
	var got decoded
	wire = slices.Clone(wire)
	for i := 0; len(wire) > 0 && got.err == nil; i++ {
		piece := wire
		if len(sizes) > 0 {
			piece = wire[:min(len(wire), 1+int(sizes[i%len(sizes)]))]
		}
		wire = wire[len(piece):]
		var n int
		n, got.err = d.Decode(piece)
		if n < 0 || n > len(piece) {
			t.Fatalf("%d bytes of %d", n, len(piece))
		}
		got.stream = append(got.stream, piece[:n]...)
		if p, ok := d.TakePing(); ok {
			got.ping, got.pinged = slices.Clone(p), true
		}
	}
	if p, ok := d.Closed(); ok {
		got.close, got.closed = slices.Clone(p), true
	}
	return got
}

// FuzzDecode: however the same bytes are cut, the same comes of them.
func FuzzDecode(f *testing.F) {
	for _, wire := range seeds() {
		f.Add(wire, []byte{0})
		f.Add(wire, []byte{2, 0, 9})
	}
	f.Fuzz(func(t *testing.T, wire, sizes []byte) {
		whole, cut := decodeCut(t, wire, nil), decodeCut(t, wire, sizes)
		switch {
		case !bytes.Equal(whole.stream, cut.stream):
			t.Errorf("stream % x in one piece, % x in several", whole.stream, cut.stream)
		case whole.err != cut.err:
			t.Errorf("%v in one piece, %v in several", whole.err, cut.err)
		case whole.pinged != cut.pinged || !bytes.Equal(whole.ping, cut.ping):
			t.Errorf("ping %q in one piece, %q in several", whole.ping, cut.ping)
		case whole.closed != cut.closed || !bytes.Equal(whole.close, cut.close):
			t.Errorf("close %q in one piece, %q in several", whole.close, cut.close)
		}
	})
}
