package mqttio_test

import (
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
