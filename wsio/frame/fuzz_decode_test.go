package frame_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"mqtt-ws-bridge/internal/wsframes"
	"mqtt-ws-bridge/wsio/frame"
)

// seeds are the wires of the tables, so that a fuzzer starts from every rule.
func seeds() [][]byte {
	return [][]byte{
		wsframes.Masked(wsframes.FIN|wsframes.Binary, packets),
		eachByte(packets),
		wsframes.Join(wsframes.Masked(wsframes.Binary, packets[:2]), wsframes.Masked(wsframes.FIN|wsframes.Ping, "q"), wsframes.Masked(wsframes.Continuation, ""), wsframes.Masked(wsframes.FIN|wsframes.Continuation, packets[2:])),
		wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Ping, "one"), wsframes.Masked(wsframes.FIN|wsframes.Pong, "two"), wsframes.Masked(wsframes.FIN|wsframes.Binary, "x"), wsframes.Masked(wsframes.FIN|wsframes.Close, wsframes.Closing(1000, "bye"))),
		wsframes.Join(wsframes.Unmasked(wsframes.FIN|wsframes.Pong, ""), wsframes.Unmasked(wsframes.FIN|wsframes.Pong, "ping"), wsframes.Unmasked(wsframes.FIN|wsframes.Close, wsframes.Closing(1001, ""))),
		wsframes.Join(wsframes.Masked(wsframes.FIN|wsframes.Binary, "ab"), wsframes.Unmasked(wsframes.FIN|wsframes.Binary, "cd")),
		wsframes.Masked(wsframes.FIN|wsframes.Close, "1000"), wsframes.Masked(wsframes.FIN|wsframes.Close, "\x03"), wsframes.Masked(wsframes.FIN|wsframes.Close, wsframes.Closing(1000, "\xff")),
		wsframes.Masked(wsframes.FIN|wsframes.Text, "text"), wsframes.Masked(wsframes.FIN|wsframes.RSV1|wsframes.Binary, "z"), wsframes.Masked(wsframes.FIN|0x3, "z"), wsframes.Masked(wsframes.FIN|wsframes.Continuation, "z"),
		wsframes.Join(wsframes.Masked(wsframes.Binary, "a"), wsframes.Masked(wsframes.FIN|wsframes.Binary, "b")),
		wsframes.Join(wsframes.Claiming(wsframes.FIN|wsframes.Binary, 5), wsframes.XOR("hello", wsframes.Key)),
		wsframes.Claiming(wsframes.FIN|wsframes.Binary, 1<<63), wsframes.Claiming(wsframes.FIN|wsframes.Binary, 1<<62), wsframes.Claiming(wsframes.FIN|wsframes.Ping, 200),
		wsframes.Masked(wsframes.FIN|wsframes.Binary, string(make([]byte, 300))),
		wsframes.MaskedWith(wsframes.FIN|wsframes.Binary, packets, [4]byte{}),
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
	var d frame.Decoder
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
		case fmt.Sprint(whole.err) != fmt.Sprint(cut.err):
			t.Errorf("%v in one piece, %v in several", whole.err, cut.err)
		case whole.pinged != cut.pinged || !bytes.Equal(whole.ping, cut.ping):
			t.Errorf("ping %q in one piece, %q in several", whole.ping, cut.ping)
		case whole.closed != cut.closed || !bytes.Equal(whole.close, cut.close):
			t.Errorf("close %q in one piece, %q in several", whole.close, cut.close)
		}
	})
}
