package mqttio_test

import (
	"bytes"
	"io"
	"testing"

	"mqtt-ws-bridge/mqttio"
)

// split finds packets naively: everything is there at once. tail is what is not a whole packet any more, bad what is refused
// whatever follows.
func split(input []byte, v mqttio.Version, d mqttio.Direction, limit int) (packets [][]byte, tail []byte, bad bool) {
	for len(input) > 0 {
		h, err := mqttio.ParseHeader(input)
		switch {
		case err == mqttio.ErrShort:
			return packets, input, false
		case err != nil || h.Size() > limit || mqttio.CheckHeader(h, v, d) != nil:
			return packets, input, true
		case h.Size() > len(input):
			return packets, input, false
		}
		if mqttio.Check(h, input[:h.Size()], v, d) != nil {
			return packets, input, true
		}
		packets, input = append(packets, plain(input[:h.Size()], v)), input[h.Size():]
	}
	return packets, nil, false
}

// plain is a packet as a stream gives it: in MQTT 3.1 without the flags that are not used there.
func plain(pkt []byte, v mqttio.Version) []byte {
	if v != mqttio.V31 {
		return pkt
	}
	pkt = bytes.Clone(pkt)
	switch kind := mqttio.Type(pkt[0] >> 4); kind {
	case mqttio.TypePublish:
		if pkt[0]&6 == 0 {
			pkt[0] &= 0xF7
		}
	case mqttio.TypeConnect:
	case mqttio.TypePubrel, mqttio.TypeSubscribe, mqttio.TypeUnsubscribe:
		pkt[0] = byte(kind)<<4 | 2
	default:
		pkt[0] &= 0xF0
	}
	return pkt
}

// cut makes pieces of input whose sizes cuts says, over and over.
func cut(input, cuts []byte) *pieces {
	r := new(pieces)
	for i := 0; len(input) > 0; i++ {
		n := len(input)
		if len(cuts) > 0 {
			n = min(n, 1+int(cuts[i%len(cuts)])*int(cuts[i%len(cuts)]))
		}
		*r, input = append(*r, input[:n]), input[n:]
	}
	return r
}

// FuzzStreamCuts: any cutting of the same bytes into reads gives the same packets, and the runs are the packets as they came.
func FuzzStreamCuts(f *testing.F) {
	var many []byte
	for _, g := range golden {
		if g.v == mqttio.V311 && g.d == mqttio.Up && g.name[:4] != "CONN" {
			many = append(many, b(f, g.pkt)...)
		}
	}
	f.Add(many, []byte{0}, false, byte(4))
	f.Add(many, []byte{1, 0, 3}, false, byte(4))
	f.Add(bytes.Repeat(many, 40), []byte{30}, false, byte(4))
	f.Add(append(sized(70<<10), many...), []byte{200, 1}, false, byte(4))
	f.Add(append(sized(140<<10), 0xD0, 0), []byte{250, 9}, true, byte(4))
	f.Add(append(sized(40<<10), 0x30), []byte{}, true, byte(5))
	f.Add(b(f, "3008 0003'a/b' 00 'hi' E0010400"), []byte{0}, false, byte(5))
	f.Fuzz(func(t *testing.T, input, cuts []byte, down bool, level byte) {
		v := mqttio.Version(3 + level%3)
		s := &mqttio.Stream{Version: v, Limit: 1 << 20}
		if down {
			s.Direction, s.MinPart = mqttio.Down, mqttio.MaxWhole
		}
		want, tail, bad := split(input, v, s.Direction, s.Limit)
		got := drain(t, s, cut(input, cuts))
		s.Close()
		compare(t, got, want, tail, bad)
	})
}

// compare allows what streaming has to: of a packet longer than MaxWhole the stream passes on what it cannot check yet, and it
// refuses one that only PUBLISH may be.
func compare(t *testing.T, got found, want [][]byte, tail []byte, bad bool) {
	t.Helper()
	long := 0
	for i, p := range got.packets {
		switch {
		case i < len(want) && bytes.Equal(p, want[i]):
		case i >= len(want) && i == len(got.packets)-1 && len(got.parts) > 0 && len(tail) > 0 && bytes.HasPrefix(tail[1:], p[1:]):
			long = len(p)
		case i >= len(want) && len(got.parts) > 0: // a long one with faults that cannot be seen when streaming
			return
		default:
			t.Fatalf("packet %d is % x", i, p[:min(len(p), 50)])
		}
	}
	whole := bytes.Join(got.packets, nil)
	if !bytes.Equal(got.runs, whole) {
		t.Fatalf("%d bytes in runs, %d in packets", len(got.runs), len(whole))
	}
	stopped := got.err != io.EOF
	switch {
	case stopped != bad && long == 0 && !(stopped && longOther(tail, want, got)):
		t.Fatalf("the stream ends with %v, the naive splitter says bad: %v", got.err, bad)
	case !stopped && len(got.packets) < len(want):
		t.Fatalf("%d packets, want %d", len(got.packets), len(want))
	}
}

// longOther reports whether the stream stopped at a long packet: one that is no PUBLISH, or whose head is wrong and the rest of
// which never came.
func longOther(tail []byte, want [][]byte, got found) bool {
	next := tail
	if len(got.packets) < len(want) {
		next = want[len(got.packets)]
	}
	h, err := mqttio.ParseHeader(next)
	return err == nil && h.Size() > mqttio.MaxWhole
}
