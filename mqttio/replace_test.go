package mqttio_test

import (
	"bytes"
	"io"
	"testing"

	"mqtt-ws-bridge/mqttio"
)

// FuzzStreamReplace: packets that are replaced, left alone and taken out come in runs as one would write them one by one, however the
// input is cut; and a run never outgrows its buffer.
func FuzzStreamReplace(f *testing.F) {
	addRuns(f)
	f.Fuzz(func(t *testing.T, input, cuts, what []byte, grow uint16) {
		if len(what) == 0 {
			return
		}
		s := &mqttio.Stream{Version: mqttio.V311, Limit: 1 << 20, MinPart: mqttio.MaxWhole, Grow: int(grow) % (mqttio.MaxGrow + 1)}
		defer s.Close()
		extra := bytes.Repeat([]byte{'+'}, s.Grow)
		r := cut(input, cuts)
		var got, want []byte
		take := func(run []byte, ends []int) {
			if len(ends) > 0 {
				got = append(got, run[mqttio.Headroom:]...)
				if last := ends[len(ends)-1]; last != len(run) {
					t.Fatalf("a run of %d bytes ends at %d", len(run), last)
				}
			}
			if len(run) > mqttio.Headroom+mqttio.MaxWhole+2<<10 {
				t.Fatalf("a run of %d bytes", len(run))
			}
			for i := range run { // whoever writes it may
				run[i] = 0xEE
			}
		}
		for i := 0; ; {
			p, err := s.Next()
			switch err {
			case nil:
				switch what[i%len(what)] % 4 {
				case 0:
					want = append(want, p.Bytes...)
				case 1:
					s.Replace(func(dst []byte) []byte { return append(append(dst, extra...), p.Bytes...) })
					want = append(append(want, extra...), p.Bytes...)
				case 2:
					take(s.RunBefore())
					s.Done()
				case 3:
					s.Drop()
				}
				i++
			case mqttio.ErrShort, mqttio.ErrRunFull:
				take(s.Run())
				s.Done()
				if err == mqttio.ErrShort {
					if _, err := s.Fill(r); err == io.EOF {
						if !bytes.Equal(got, want) {
							t.Fatalf("%d bytes in runs, want %d", len(got), len(want))
						}
						return
					}
				}
			default:
				return
			}
		}
	})
}

// addRuns adds runs in which every second or third packet is changed.
func addRuns(f *testing.F) {
	small := b(f, "3005 0003'a/b' C000 3205 0001'a' 0102 E000")
	f.Add(bytes.Repeat(small, 300), []byte{0}, []byte{0, 1, 2}, uint16(100))
	f.Add(append(bytes.Repeat(small, 40), sized(70<<10)...), []byte{250, 3}, []byte{1}, uint16(1024))
	f.Add(append(sized(60<<10), bytes.Repeat(small, 500)...), []byte{255}, []byte{1, 0, 1, 1, 2}, uint16(1024))
	f.Add(append(sized(40<<10), bytes.Repeat(small, 1000)...), []byte{255}, []byte{1}, uint16(1024))
	f.Add(append(append(sized(40<<10), bytes.Repeat(small, 20)...), sized(100<<10)...), []byte{255}, []byte{1}, uint16(1024))
	f.Add(bytes.Repeat(small, 300), []byte{0}, []byte{3, 0, 3, 3, 2, 1, 3}, uint16(100))
	f.Add(append(sized(100<<10), bytes.Repeat(small, 500)...), []byte{255, 30}, []byte{3}, uint16(0))
	f.Add(append(sized(mqttio.MaxWhole), small...), []byte{255}, []byte{0, 1}, uint16(1000))
}

// The last packet of an edited run can be taken out as of any other.
func TestRunBeforeOfEdited(t *testing.T) {
	s := &mqttio.Stream{Version: mqttio.V311, Limit: 1 << 10, Grow: 10}
	defer s.Close()
	if _, err := s.Fill(bytes.NewReader(b(t, "C000 C000 E000 C000"))); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := s.Next(); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			s.Replace(func(dst []byte) []byte { return append(dst, "ping"...) })
		}
	}
	run, ends := s.RunBefore()
	if string(run[mqttio.Headroom:]) != "ping\xC0\x00" || len(ends) != 2 {
		t.Errorf("% x, %v", run[mqttio.Headroom:], ends)
	}
	s.Done()
	if p, err := s.Next(); err != nil || p.Header.Type() != mqttio.TypePingreq {
		t.Errorf("what follows is %v, %v", p.Header.Type(), err)
	}
}
