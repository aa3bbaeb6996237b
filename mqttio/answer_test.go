package mqttio_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"mqtt-ws-bridge/mqttio"
)

func TestAppendAck(t *testing.T) {
	for _, tt := range []struct {
		kind mqttio.Type
		v    mqttio.Version
		code byte
		want string
	}{
		{mqttio.TypePuback, mqttio.V31, 0x87, "40021234"},
		{mqttio.TypePuback, mqttio.V311, 0x87, "40021234"},
		{mqttio.TypePuback, mqttio.V5, 0x87, "4003123487"},
		{mqttio.TypePubrec, mqttio.V5, 0x87, "5003123487"},
		{mqttio.TypePubrec, mqttio.V311, 0, "50021234"},
		{mqttio.TypePubrel, mqttio.V311, 0, "62021234"},
		{mqttio.TypePubcomp, mqttio.V5, 0, "70021234"},
		{mqttio.TypePubcomp, mqttio.V5, 0x92, "7003123492"},
	} {
		got := mqttio.AppendAck([]byte("x"), tt.kind, tt.v, 0x1234, tt.code)
		if want := append([]byte("x"), b(t, tt.want)...); !bytes.Equal(got, want) {
			t.Errorf("%v %v: % x, want % x", tt.kind, tt.v, got, want)
		}
		if err := check(got[1:], tt.v, mqttio.Up); err != nil {
			t.Errorf("%v %v: %v", tt.kind, tt.v, err)
		}
	}
}

func TestAppendSuback(t *testing.T) {
	if got, want := mqttio.AppendSuback(nil, mqttio.V311, 0x1234, []byte{0x80, 1}), b(t, "9004 1234 80 01"); !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
	if got, want := mqttio.AppendSuback(nil, mqttio.V5, 0x1234, []byte{0x87}), b(t, "9004 1234 00 87"); !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
	codes := bytes.Repeat([]byte{0x87}, 200) // the length takes two bytes
	got := mqttio.AppendSuback(nil, mqttio.V5, 1, codes)
	if s, err := mqttio.ParseSuback(header(t, got), got, mqttio.V5); err != nil || !bytes.Equal(s.Codes, codes) {
		t.Errorf("%+v, %v", s, err)
	}
}

// A SUBSCRIBE of which a part is forbidden goes on as the rest, and the answers come together again.
func TestSubscribeInParts(t *testing.T) {
	for _, tt := range []struct {
		v                                mqttio.Version
		pkt, codes, sent, suback, merged string
	}{
		{mqttio.V311, "820E 0102 0001'a'00 0001'b'01 0001'c'02", "FF 80 FF", "820A 0102 0001'a'00 0001'c'02", "9004 0102 00 02", "9005 0102 00 80 02"},
		{mqttio.V5, "8211 0102 02 0B07 0001'a'2D 0001'b'01 0001'c'02", "87 87 FF", "8209 0102 02 0B07 0001'c'02",
			"9008 0102 04 1F0001'x' 02", "900A 0102 04 1F0001'x' 87 87 02"},
	} {
		pkt, codes := b(t, tt.pkt), b(t, tt.codes)
		s, err := mqttio.ParseSubscribe(header(t, pkt), pkt, tt.v)
		if err != nil {
			t.Fatal(err)
		}
		sent, err := mqttio.Mount("").AppendSubscribe([]byte("x"), header(t, pkt), pkt, s, codes, len(pkt))
		if want := append([]byte("x"), b(t, tt.sent)...); err != nil || !bytes.Equal(sent, want) {
			t.Errorf("sent % x, %v, want % x", sent, err, want)
		}
		ack := b(t, tt.suback)
		merged, err := mqttio.AppendMerged([]byte("x"), header(t, ack), ack, tt.v, codes)
		if want := append([]byte("x"), b(t, tt.merged)...); err != nil || !bytes.Equal(merged, want) {
			t.Errorf("merged % x, %v, want % x", merged, err, want)
		}
		for _, wrong := range [][]byte{append(slices.Clone(codes), mqttio.CodeOfBroker), codes[:len(codes)-1]} {
			if out, err := mqttio.AppendMerged([]byte("x"), header(t, ack), ack, tt.v, wrong); !errors.Is(err, mqttio.ErrSubackCodes) || string(out) != "x" {
				t.Errorf("% x with % x: % x, %v", ack, wrong, out, err)
			}
		}
	}
}

// Whatever entries are kept, the packet is a good SUBSCRIBE with these entries in their order.
func FuzzAppendSubscribe(f *testing.F) {
	f.Add(b(f, "8211 0102 02 0B07 0001'a'2D 0001'b'01 0001'c'02"), uint64(5), true)
	f.Add(b(f, "820E 0102 0001'a'00 0001'b'01 0001'c'02"), uint64(2), false)
	f.Fuzz(func(t *testing.T, in []byte, keep uint64, five bool) {
		v := mqttio.V311
		if five {
			v = mqttio.V5
		}
		h, err := mqttio.ParseHeader(in)
		if err != nil || h.Type() != mqttio.TypeSubscribe || mqttio.Check(h, in, v, mqttio.Up) != nil {
			return
		}
		in = in[:h.Size()]
		s, _ := mqttio.ParseSubscribe(h, in, v)
		var codes []byte
		var want []string
		i := 0
		for filter, options := range s.All() {
			code := byte(0x80)
			if keep>>(i%64)&1 == 1 {
				code = mqttio.CodeOfBroker
				want = append(want, string(filter)+string(rune(options)))
			}
			codes = append(codes, code)
			i++
		}
		if len(want) == 0 {
			return
		}
		out, err := mqttio.Mount("").AppendSubscribe(nil, h, in, s, codes, len(in))
		if err == nil {
			err = check(out, v, mqttio.Up)
		}
		if err != nil {
			t.Fatalf("% x became % x: %v", in, out, err)
		}
		back, err := mqttio.ParseSubscribe(header(t, out), out, v)
		if err != nil || back.PacketID != s.PacketID || !bytes.Equal(back.Properties, s.Properties) {
			t.Fatalf("% x became % x: %v", in, out, err)
		}
		var got []string
		for filter, options := range back.All() {
			got = append(got, string(filter)+string(rune(options)))
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
	})
}
