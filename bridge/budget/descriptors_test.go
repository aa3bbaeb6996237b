package budget

import "testing"

// TestPlanDescriptors: what the configuration allows is allowed as long as it fits; then handshakes give way, then sessions.
func TestPlanDescriptors(t *testing.T) {
	for _, c := range []struct {
		name                       string
		most                       uint64
		sessions, handshakes, each int
		wantSessions, wantShakes   int
	}{
		{"not known", 0, 10000, 1024, 2, 10000, 1024},
		{"plenty", 1 << 20, 20000, 1024, 2, 20000, 1024},
		{"no bound at all", 1<<64 - 1, 20000, 1024, 2, 20000, 1024},
		{"just enough", 2*8000 + 1024 + ownDescriptors, 8000, 1024, 2, 8000, 1024},
		{"8000 of 20000", 20000, 8000, 1024, 2, 8000, 1024},
		{"one too few is a handshake", 2*8000 + 1024 + ownDescriptors - 1, 8000, 1024, 2, 8000, 1023},
		{"20000 of 40960", 40960, 20000, 1024, 2, 20000, 896},
		{"handshakes keep a rest", 40192, 20000, 1024, 2, 20000, 128},
		{"then sessions give way", 40190, 20000, 1024, 2, 19999, 128},
		{"embedded", 10000 + 1024 + ownDescriptors, 10000, 1024, 1, 10000, 1024},
		{"gateway", 1024, 10000, 1024, 2, 416, 128},
		{"tiny", 64, 10000, 1024, 2, 18, 12},
		{"absurd", 3, 10000, 1024, 2, 1, 1},
		{"one", 1, 10000, 1024, 2, 0, 1},
	} {
		p := PlanDescriptors(c.most, c.sessions, c.handshakes, c.each)
		if p.Sessions != c.wantSessions || p.Handshakes != c.wantShakes {
			t.Errorf("%s: %d sessions, %d handshakes, want %d and %d", c.name, p.Sessions, p.Handshakes, c.wantSessions, c.wantShakes)
		}
		if sum := p.Each*p.Sessions + p.Handshakes + p.Own; c.most > 3 && uint64(sum) > c.most {
			t.Errorf("%s: %d descriptors are shared out", c.name, sum)
		}
		if p.Lowered(c.sessions) != (p.Sessions < c.sessions) {
			t.Errorf("%s: Lowered is wrong", c.name)
		}
	}
}

// TestPlanIsNeverMoreThanThereIs and a larger limit never affords less.
func TestPlanIsNeverMoreThanThereIs(t *testing.T) {
	for _, each := range []int{1, 2} {
		last := 0
		for most := 8; most < 60000; most += 7 {
			p := PlanDescriptors(uint64(most), 20000, 1024, each)
			if sum := each*p.Sessions + p.Handshakes + p.Own; sum > most || p.Sessions < last || p.Handshakes < 1 {
				t.Fatalf("of %d: %+v, after %d sessions", most, p, last)
			}
			last = p.Sessions
		}
		if last != 20000 {
			t.Errorf("%d sessions at the end", last)
		}
	}
}
