package mqttio_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"mqtt-ws-bridge/mqttio"
)

// pieces is a reader that returns its parts one by one, as far as there is room, and io.EOF after them.
type pieces [][]byte

func (r *pieces) Read(p []byte) (int, error) {
	if len(*r) == 0 {
		return 0, io.EOF
	}
	n := copy(p, (*r)[0])
	if (*r)[0] = (*r)[0][n:]; len((*r)[0]) == 0 {
		*r = (*r)[1:]
	}
	return n, nil
}

// found is what a stream gave of its input.
type found struct {
	packets [][]byte // whole ones, and long ones put together
	parts   []int    // sizes of the parts of long packets
	runs    []byte   // all runs, one after the other
	widest  int      // packets in the run with most of them
	err     error
}

// drain reads r to the end the way the bridge does.
func drain(t testing.TB, s *mqttio.Stream, r io.Reader) (f found) {
	t.Helper()
	for {
		p, err := s.Next()
		switch {
		case err == nil && p.First:
			f.packets = append(f.packets, bytes.Clone(p.Bytes))
		case err == nil:
			last := len(f.packets) - 1
			f.packets[last] = append(f.packets[last], p.Bytes...)
		case err == mqttio.ErrShort || err == mqttio.ErrRunFull:
			f.take(t, s)
			if err == mqttio.ErrShort {
				n, err := s.Fill(r)
				if err != nil {
					f.err = err
					return f
				}
				if n == 0 {
					t.Fatal("the stream makes no room to read into")
				}
			}
		default:
			f.take(t, s)
			f.err = err
			return f
		}
		if err == nil && !p.Whole() {
			f.parts = append(f.parts, len(p.Bytes))
			if p.Last == s.MidPacket() {
				t.Fatalf("Last is %v and MidPacket %v", p.Last, s.MidPacket())
			}
		}
	}
}

// take writes the run.
func (f *found) take(t testing.TB, s *mqttio.Stream) {
	t.Helper()
	buf, ends := s.Run()
	at := mqttio.Headroom
	for _, end := range ends {
		if end <= at || end > len(buf) {
			t.Fatalf("packet from %d to %d of %d", at, end, len(buf))
		}
		at = end
	}
	if len(ends) > 0 {
		if at != len(buf) {
			t.Fatalf("the run ends at %d, its buffer at %d", at, len(buf))
		}
		f.runs = append(f.runs, buf[mqttio.Headroom:]...)
		clear(buf) // scratch for whoever writes it
	}
	f.widest = max(f.widest, len(ends))
	s.Done()
}

func up311() *mqttio.Stream {
	return &mqttio.Stream{Direction: mqttio.Up, Version: mqttio.V311, Limit: mqttio.MaxPacketSize}
}

func down311() *mqttio.Stream {
	return &mqttio.Stream{Direction: mqttio.Down, Version: mqttio.V311, Limit: mqttio.MaxPacketSize, MinPart: mqttio.MaxWhole}
}

// sized makes a PUBLISH of exactly size bytes.
func sized(size int) []byte {
	for _, n := range []int{2, 3, 4, 5} { // of the fixed header
		remaining := size - n
		out := []byte{0x30}
		for r := remaining; ; {
			c := byte(r & 0x7F)
			if r >>= 7; r == 0 {
				out = append(out, c)
				break
			}
			out = append(out, c|0x80)
		}
		if len(out) == n {
			out = append(out, 0, 1, 't')
			for i := len(out); i < size; i++ {
				out = append(out, byte(i*7))
			}
			return out
		}
	}
	panic("no such size")
}

func TestStreamSizes(t *testing.T) {
	for _, size := range []int{5, 129, 131, 4095, 4096, 4097, 32 << 10, 32<<10 + 1, mqttio.MaxWhole - 1, mqttio.MaxWhole, mqttio.MaxWhole + 1, 300 << 10} {
		pkt := sized(size)
		input := append(bytes.Clone(pkt), 0x30, 3, 0, 1, 't')
		for name, s := range map[string]*mqttio.Stream{"up": up311(), "down": down311()} {
			readers := []io.Reader{bytes.NewReader(input), iotest.HalfReader(bytes.NewReader(input))}
			if size < 5000 || size == mqttio.MaxWhole+1 { // the others would take their time
				readers = append(readers, iotest.OneByteReader(bytes.NewReader(input)))
			}
			for _, r := range readers {
				f := drain(t, s, r)
				if f.err != io.EOF || len(f.packets) != 2 || !bytes.Equal(f.packets[0], pkt) || !bytes.Equal(f.runs, input) {
					t.Fatalf("%s, %d bytes: %d packets, %d bytes in runs, %v", name, size, len(f.packets), len(f.runs), f.err)
				}
				if size <= mqttio.MaxWhole && len(f.parts) > 0 || size > 2*mqttio.MaxWhole && len(f.parts) == 0 {
					t.Errorf("%s, %d bytes come in %d parts", name, size, len(f.parts))
				}
				if !s.Idle() || s.MidPacket() {
					t.Errorf("%s, %d bytes: something is left", name, size)
				}
			}
		}
	}
}

// TestStreamMinPart: down, no part is smaller than MinPart but the last, and none larger than MaxWhole.
func TestStreamMinPart(t *testing.T) {
	f := drain(t, down311(), iotest.HalfReader(bytes.NewReader(sized(200<<10))))
	want := []int{64 << 10, 64 << 10, 64 << 10, 8 << 10}
	if len(f.parts) != len(want) || f.parts[0] != want[0] || f.parts[3] != want[3] {
		t.Errorf("parts of %v bytes, want %v", f.parts, want)
	}
	s := up311()
	f = drain(t, s, &pieces{sized(200 << 10)[:100], sized(200 << 10)[100:150]})
	if len(f.parts) != 2 || f.parts[0] != 100 || f.parts[1] != 50 || !s.MidPacket() || s.Idle() {
		t.Errorf("without MinPart the parts have %v bytes, want what came", f.parts)
	}
	s.Close()
}

func TestStreamRunFull(t *testing.T) {
	input := bytes.Repeat([]byte{0xC0, 0}, 5000)
	f := drain(t, up311(), bytes.NewReader(input))
	if f.err != io.EOF || len(f.packets) != 5000 || !bytes.Equal(f.runs, input) || f.widest > 256 || f.widest < 64 {
		t.Errorf("%d packets, %d bytes, runs of up to %d, %v", len(f.packets), len(f.runs), f.widest, f.err)
	}
	s := up311()
	if _, err := s.Fill(bytes.NewReader(input)); err != nil {
		t.Fatal(err)
	}
	for range 32 {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // it stays full until Done
		if _, err := s.Next(); err != mqttio.ErrRunFull {
			t.Fatalf("behind 32 packets: %v", err)
		}
	}
	s.Done()
	if _, err := s.Next(); err != nil {
		t.Fatalf("behind Done: %v", err)
	}
	s.Close()
}

// TestStreamRefuses on the earliest byte that tells.
func TestStreamRefuses(t *testing.T) {
	limited := func(limit int) *mqttio.Stream {
		return &mqttio.Stream{Direction: mqttio.Up, Version: mqttio.V311, Limit: limit}
	}
	fresh := func() *mqttio.Stream { return &mqttio.Stream{Direction: mqttio.Up, Limit: 100} }
	for _, c := range []struct {
		name, input string
		s           *mqttio.Stream
		want        error
		text        string
	}{
		{name: "not CONNECT", input: "C0", s: fresh(), want: mqttio.ErrNotConnect},
		{name: "CONNECT over its limit", input: "1063", s: fresh(), want: mqttio.ErrTooLarge},
		{name: "over the limit", input: "30 E407", s: limited(998), want: mqttio.ErrTooLarge},
		{name: "at the limit", input: "30 E407", s: limited(999), want: io.EOF},
		{name: "four bytes of length", input: "30 FFFFFFFF", s: limited(1 << 20), text: "remaining length"},
		{name: "claims 256 MiB", input: "30 FFFFFF7F", s: limited(1 << 20), want: mqttio.ErrTooLarge}, // attack 5
		{name: "wrong flags", input: "82 81", s: limited(1 << 20), want: io.EOF},
		{name: "wrong flags of a cut packet", input: "80 8101", s: limited(1 << 20), text: "flags"},
		{name: "wrong direction of a cut packet", input: "20 8101", s: limited(1 << 20), text: "direction"},
		{name: "long SUBSCRIBE", input: "82 808004 0001", s: up311(), want: mqttio.ErrControlPacketTooLarge},
		{name: "long PUBLISH to a wildcard", input: "30 808004 0001 23", s: up311(), text: "wildcard"},
		{name: "long PUBLISH without packet identifier", input: "32 808004 0001 74 0000", s: up311(), text: "packet identifier 0"},
	} {
		f := drain(t, c.s, bytes.NewReader(b(t, c.input)))
		var e *mqttio.Error
		if c.want != nil && f.err != c.want || c.text != "" && (!errors.As(f.err, &e) || !strings.Contains(e.Text, c.text)) {
			t.Errorf("%s: %v", c.name, f.err)
		}
		if len(f.packets) > 0 {
			t.Errorf("%s: %d packets", c.name, len(f.packets))
		}
		c.s.Close()
	}
}

// TestStreamLongTopic: a topic is looked at whole before the first part of its packet is passed on, however it is cut.
func TestStreamLongTopic(t *testing.T) {
	topic := strings.Repeat("x", 65535)
	pkt := append([]byte{0x32, 0x80, 0x80, 0x08, 0xFF, 0xFF}, topic...)
	pkt = append(pkt, 0, 7)
	pkt = append(pkt, make([]byte, 4+128<<10-len(pkt))...)
	for _, r := range []io.Reader{bytes.NewReader(pkt), iotest.HalfReader(bytes.NewReader(pkt))} {
		if f := drain(t, up311(), r); f.err != io.EOF || !bytes.Equal(f.runs, pkt) || len(f.packets) != 1 {
			t.Errorf("%d of %d bytes, %v", len(f.runs), len(pkt), f.err)
		}
	}
	pkt[6+65534] = '#'
	if f := drain(t, up311(), iotest.OneByteReader(bytes.NewReader(pkt))); len(f.runs) > 0 || f.err == io.EOF {
		t.Errorf("with a wildcard at its end %d bytes pass, %v", len(f.runs), f.err)
	}
}

// TestStreamReadErrors: an error comes through, with the bytes that came along, and an idle stream holds nothing.
func TestStreamReadErrors(t *testing.T) {
	s := up311()
	if n, err := s.Fill(iotest.ErrReader(io.ErrClosedPipe)); n != 0 || err != io.ErrClosedPipe || !s.Idle() {
		t.Errorf("%d, %v, idle %v", n, err, s.Idle())
	}
	if n, err := s.Fill(iotest.DataErrReader(bytes.NewReader([]byte{0xC0, 0}))); n != 2 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
	if p, err := s.Next(); err != nil || !p.Whole() {
		t.Errorf("%v, %v", p, err)
	}
	s.Close()
	if buf, ends := new(mqttio.Stream).Run(); buf != nil || ends != nil {
		t.Error("an unused stream has a run")
	}
}

// A packet that is taken out of the run leaves what came before and after it.
// TestMaxRun: a run has no more packets than asked for, and none is lost between two.
func TestMaxRun(t *testing.T) {
	s := mqttio.Stream{Direction: mqttio.Up, Version: mqttio.V311, Limit: 1 << 20, MaxRun: 2}
	in := pieces{bytes.Repeat([]byte{0xC0, 0}, 5)}
	var runs []int
	for {
		_, err := s.Next()
		if err == nil {
			continue
		}
		if _, ends := s.Run(); len(ends) > 0 {
			runs = append(runs, len(ends))
		}
		s.Done()
		if err == mqttio.ErrShort {
			if _, err := s.Fill(&in); err != nil {
				break
			}
		}
	}
	if !slices.Equal(runs, []int{2, 2, 1}) {
		t.Errorf("runs of %v packets", runs)
	}
}

func TestRunBefore(t *testing.T) {
	for _, tt := range []struct{ in, without, want string }{
		{"D000 3003 0001'a' D000 D000", "PUBLISH", "D000 D000 D000"},
		{"3003 0001'a' D000", "PUBLISH", "D000"},
		{"D000 3003 0001'a'", "PUBLISH", "D000"},
		{"3003 0001'a' 3003 0001'b' D000 3003 0001'c'", "PUBLISH", "D000"},
	} {
		s := mqttio.Stream{Direction: mqttio.Down, Version: mqttio.V311, Limit: 1 << 20}
		in := pieces{b(t, tt.in)}
		var got []byte
		take := func(run []byte, _ []int) {
			if len(run) > 0 {
				got = append(got, run[mqttio.Headroom:]...)
			}
			s.Done()
		}
		for {
			p, err := s.Next()
			if err == mqttio.ErrShort {
				take(s.Run())
				if _, err := s.Fill(&in); err != nil {
					break
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.Header.Type().String() == tt.without {
				take(s.RunBefore())
			}
		}
		s.Close()
		if want := b(t, tt.want); !bytes.Equal(got, want) {
			t.Errorf("%s: % x, want % x", tt.in, got, want)
		}
	}
}
