package mqttio_test

import (
	"bytes"
	"testing"

	"mqtt-ws-bridge/mqttio"
)

// Everything that runs for each packet runs without allocating, whatever the packet, also for the errors.
func TestNothingAllocates(t *testing.T) {
	for _, tt := range golden {
		pkt := b(t, tt.pkt)
		h := header(t, pkt)
		if n := testing.AllocsPerRun(100, func() {
			if err := check(pkt, tt.v, tt.d); err != nil {
				t.Fatal(err)
			}
			if err := view(h, pkt, tt.v); err != nil {
				t.Fatal(err)
			}
			if h.Type() == mqttio.TypePublish {
				if _, err := mqttio.CheckPublishHead(h, pkt, tt.v, tt.d); err != nil {
					t.Fatal(err)
				}
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", tt.name, n)
		}
	}
	bad := b(t, "300B 0001'a' 06 030003 FFFF00")
	if n := testing.AllocsPerRun(100, func() {
		if check(bad, mqttio.V5, mqttio.Up) == nil {
			t.Fatal("accepted")
		}
	}); n != 0 {
		t.Errorf("an error: %v allocations", n)
	}
	props := mqttio.Properties(b(t, "0101 260001'k'0001'v' 230001"))
	sum := 0
	if n := testing.AllocsPerRun(100, func() {
		for prop := range props.All() {
			sum += int(prop.Number) + len(prop.Value)
		}
	}); n != 0 || sum == 0 {
		t.Errorf("properties: %v allocations", n)
	}
}

// Nor does moving a PUBLISH below a mount and back, once the stream has its buffers.
func TestMovingAllocatesNothing(t *testing.T) {
	const m, packets = mqttio.Mount("t/a/"), 20
	for d, pkt := range map[mqttio.Direction][]byte{
		mqttio.Up:   b(t, "300F 0001'x' 09 0101 080001'r' 090000 'pl'"),
		mqttio.Down: b(t, "3017 0005't/a/x' 0D 0101 080005't/a/r' 090000 'pl'"),
	} {
		s := &mqttio.Stream{Direction: d, Version: mqttio.V5, Limit: 1 << 10, Grow: 16}
		in := bytes.NewReader(nil)
		if n := testing.AllocsPerRun(100, func() {
			in.Reset(bytes.Repeat(pkt, packets))
			if _, err := s.Fill(in); err != nil {
				t.Fatal(err)
			}
			for range packets {
				p, err := s.Next()
				if err != nil {
					t.Fatal(err)
				}
				q, err := mqttio.ParsePublish(p.Header, p.Bytes, mqttio.V5)
				if err != nil {
					t.Fatal(err)
				}
				edit := m.Up(p.Header, p.Bytes, mqttio.V5, &q)
				if d == mqttio.Down {
					edit = m.Down(p.Header, p.Bytes, mqttio.V5, &q)
				}
				s.Replace(edit.Append)
			}
			s.Done()
		}); n >= packets/2 { // the input is one, and pools may lose their buffers
			t.Errorf("%v: %v allocations", d, n)
		}
	}
}
