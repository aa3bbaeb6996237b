package mqttio_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"mqtt-ws-bridge/mqttio"
)

// addGolden gives a fuzz target packets of all kinds to start from.
func addGolden(f *testing.F) {
	for _, tt := range golden {
		f.Add(b(f, tt.pkt))
	}
}

// slowHeader reads a fixed header as the specification's pseudo code does, MQTT 5 section 1.5.5.
func slowHeader(in []byte) (remaining, size int, short, bad bool) {
	multiplier := 1
	for i := 1; ; i++ {
		if i >= len(in) {
			return 0, 0, true, false
		}
		remaining += int(in[i]&127) * multiplier
		if in[i]&128 == 0 {
			return remaining, i + 1, false, false
		}
		if multiplier *= 128; multiplier > 128*128*128 {
			return 0, 0, false, true
		}
	}
}

func FuzzParseHeader(f *testing.F) {
	addGolden(f)
	f.Add([]byte{0x30, 0xFF, 0xFF, 0xFF, 0x7F})
	f.Add([]byte{0x30, 0xFF, 0xFF, 0xFF, 0xFF, 0x01})
	f.Add([]byte{0x30, 0x80, 0x80, 0x00})
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := mqttio.ParseHeader(in)
		remaining, size, short, bad := slowHeader(in)
		var e *mqttio.Error
		switch {
		case short != errors.Is(err, mqttio.ErrShort), bad != errors.As(err, &e):
			t.Fatalf("% x: %v; short %v, malformed %v", in, err, short, bad)
		case err != nil:
			if h != (mqttio.Header{}) {
				t.Fatalf("% x: %+v with %v", in, h, err)
			}
		case h != mqttio.Header{First: in[0], Remaining: remaining, Len: size}, h.Size() > mqttio.MaxPacketSize:
			t.Fatalf("% x: %+v, want %d in %d", in, h, remaining, size)
		}
	})
}

// What Check accepts every view reads, a packet good enough up is good enough down, and nothing is read or written
// outside of the packet.
func FuzzCheck(f *testing.F) {
	addGolden(f)
	f.Add([]byte{0x32, 5, 0, 1, 't', 0, 0}) // packet identifier 0
	f.Add([]byte{0x30, 3, 0, 1, '+'})
	f.Add([]byte{0x30, 0x83, 0, 0, 1, 't'}) // a length of more bytes than it needs
	f.Fuzz(func(t *testing.T, in []byte) {
		h, err := mqttio.ParseHeader(in)
		if err != nil {
			return
		}
		before := slices.Clone(in)
		in = in[:min(len(in), h.Size()):min(len(in), h.Size())]
		for _, v := range versions {
			up, down := mqttio.Check(h, in, v, mqttio.Up), mqttio.Check(h, in, v, mqttio.Down)
			checkAgrees(t, h, in, v, up, mqttio.Up)
			checkAgrees(t, h, in, v, down, mqttio.Down)
			streamAgrees(t, h, in, v, up, mqttio.Up)
			streamAgrees(t, h, in, v, down, mqttio.Down)
			bothWays := h.Type() >= mqttio.TypePublish && h.Type() <= mqttio.TypePubcomp || v == mqttio.V5 && h.Type() >= mqttio.TypeDisconnect
			if up == nil && down != nil && bothWays {
				t.Fatalf("%v % x: passes up but not down: %v", v, in, down)
			}
			_ = view(h, in, v) // must not panic, whatever Check says
		}
		if !bytes.Equal(in, before[:len(in)]) {
			t.Fatalf("% x was changed to % x", before, in)
		}
	})
}

// streamAgrees holds what a stream says of a whole packet, which may have recognized it at a glance, against ParseHeader and Check.
func streamAgrees(t *testing.T, h mqttio.Header, in []byte, v mqttio.Version, said error, d mqttio.Direction) {
	if len(in) < h.Size() || h.Size() > mqttio.MaxWhole {
		return
	}
	s := mqttio.Stream{Direction: d, Version: v, Limit: mqttio.MaxPacketSize}
	defer s.Close()
	want := plain(in, v)
	h.First = want[0]
	for r := bytes.NewReader(in); r.Len() > 0; {
		if _, err := s.Fill(r); err != nil {
			t.Fatal(err)
		}
		p, err := s.Next()
		switch {
		case err == mqttio.ErrShort && r.Len() > 0: // a larger buffer is needed
		case err != said:
			t.Fatalf("%v %v % x: stream says %v, Check %v", v, d, in, err, said)
		case err != nil:
			return
		case p.Header != h || !bytes.Equal(p.Bytes, want) || !p.Whole():
			t.Fatalf("%v %v % x: stream finds %+v", v, d, in, p)
		}
	}
}

// checkAgrees holds what Check said of a packet against the rest of the package.
func checkAgrees(t *testing.T, h mqttio.Header, in []byte, v mqttio.Version, said error, d mqttio.Direction) {
	head := mqttio.CheckHeader(h, v, d)
	if head != nil && said != head {
		t.Fatalf("%v %v % x: header %v, packet %v", v, d, in, head, said)
	}
	if head == nil && (len(in) < h.Size()) != errors.Is(said, mqttio.ErrShort) {
		t.Fatalf("%v %v % x: %v with %d bytes of %d", v, d, in, said, len(in), h.Size())
	}
	if said == nil {
		if err := view(h, in, v); err != nil {
			t.Fatalf("%v %v % x: passes, but its view says %v", v, d, in, err)
		}
	}
	if h.Type() != mqttio.TypePublish || len(in) < h.Size() {
		return
	}
	n, err := mqttio.CheckPublishHead(h, in, v, d)
	if said == nil && (err != nil || n > len(in)) {
		t.Fatalf("%v %v % x: passes, but its head is %d, %v", v, d, in, n, err)
	}
	if err != nil && err != said {
		t.Fatalf("%v %v % x: head says %v, packet %v", v, d, in, err, said)
	}
}

// A CONNECT is read the same whatever stands behind it, and what is read of it makes the same CONNECT again.
func FuzzConnect(f *testing.F) {
	for _, tt := range golden {
		if pkt := b(f, tt.pkt); pkt[0] == 0x10 {
			f.Add(pkt)
		}
	}
	f.Add(packet(f, 0x10, "0004'MQTT' 05 E6 0100 05 1100000E10 0003'dev' 05 1800000005 0003'w/t' 0002'by' 0001'u' 0002'pw'"))
	f.Add(packet(f, 0x10, "0006'MQIsdp' 83 CE 003C 0003'dev' 0003'w/t' 0004'gone' 0001'u' 0002'pw'"))
	f.Add(packet(f, 0x10, "0006'MQIsdp' 03 C2 003C 0003'dev'"))
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := mqttio.ParseConnect(in)
		if err != nil {
			return
		}
		h := header(t, in)
		pkt := in[:h.Size():h.Size()]
		if _, err := mqttio.ParseConnect(pkt[:len(pkt)-1]); !errors.Is(err, mqttio.ErrShort) {
			t.Fatalf("% x without its last byte: %v", pkt, err)
		}
		if got := rebuild(c, pkt); !bytes.Equal(got, pkt[h.Len:]) {
			t.Fatalf("rebuilt % x\nfrom    % x", got, pkt[h.Len:])
		}
		if err := mqttio.Check(h, pkt, c.Version, mqttio.Up); err != nil {
			t.Fatalf("% x: Check says %v", pkt, err)
		}
		at := c.At
		if !slices.IsSorted([]int{at.Level, at.Flags, at.KeepAlive, at.Properties, at.ClientID, at.Will, at.Username, at.Password, at.End}) {
			t.Fatalf("offsets %+v", at)
		}
	})
}

// rebuild writes a CONNECT, without its fixed header, from its view. The flags byte is taken from the packet, since
// what was read of it is checked against it.
func rebuild(c mqttio.Connect, pkt []byte) []byte {
	var out []byte
	put := func(field []byte) { out = append(append(out, byte(len(field)>>8), byte(len(field))), field...) }
	name := "MQTT"
	if c.Version == mqttio.V31 {
		name = "MQIsdp"
	}
	put([]byte(name))
	flags := pkt[c.At.Flags]
	if c.CleanStart != (flags>>1&1 == 1) || c.Will != (flags>>2&1 == 1) || c.WillQoS != flags>>3&3 || c.WillRetain != (flags>>5&1 == 1) ||
		c.HasPassword && flags>>6&1 == 0 || c.HasUsername && flags>>7 == 0 || c.Bridge != (c.Level >= 0x80) {
		return nil
	}
	out = append(out, c.Level, flags, byte(c.KeepAlive>>8), byte(c.KeepAlive))
	if c.Version == mqttio.V5 {
		out = append(appendVarint(out, len(c.Properties)), c.Properties...)
	}
	put(c.ClientID)
	if c.Will {
		if c.Version == mqttio.V5 {
			out = append(appendVarint(out, len(c.WillProperties)), c.WillProperties...)
		}
		put(c.WillTopic)
		put(c.WillPayload)
	}
	if c.HasUsername {
		put(c.Username)
	}
	if c.HasPassword {
		put(c.Password)
	}
	return out
}

func appendVarint(out []byte, n int) []byte {
	for n >= 128 {
		out = append(out, byte(n)|0x80)
		n >>= 7
	}
	return append(out, byte(n))
}
