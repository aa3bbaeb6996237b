package budget

import (
	"testing"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
)

// TestPlanMemory: the parts never add up to more than the limit, and each is large enough to be of use.
func TestPlanMemory(t *testing.T) {
	for _, limit := range []int64{16 << 20, 32 << 20, 48 << 20, 64 << 20, 1 << 30, 900 << 30} {
		p := PlanMemory(MemoryLimit{Bytes: limit})
		handshakes := int64(p.Handshakes) * handshakeCost
		if sum := p.Program + ownMemory + p.Sessions + p.Packets + handshakes; sum > limit || p.Program+p.Runtime > limit {
			t.Errorf("%d bytes: the parts are %d together: %+v", limit, sum, p)
		}
		if p.Sessions < 100*bridge.CostTLS || p.Packets < 1<<20 || p.Handshakes < 10 {
			t.Errorf("%d bytes: a part is of no use: %+v", limit, p)
		}
	}
	if p := PlanMemory(MemoryLimit{Bytes: 64 << 20}); p.Sessions/bridge.CostPlain < 3000 {
		t.Errorf("64 MiB are enough for %d sessions", p.Sessions/bridge.CostPlain)
	}
	if p := PlanMemory(MemoryLimit{}); p != (MemoryPlan{}) {
		t.Errorf("without a limit the plan is %+v", p)
	}
}

// TestSessionsWithinMemory: there are no more sessions than there is room for what each has in any case.
func TestSessionsWithinMemory(t *testing.T) {
	in(t, 1<<20, plenty, func(r rig) {
		if why := r.Room(1, 1<<30-1); why != nil {
			t.Error(why)
		}
		if why := r.Room(1, 1<<30); why != reason.MemoryFull {
			t.Errorf("the answer is %v", why)
		}
	})
}

// TestOver: what the process has above its limit is told, with the program's own pages.
func TestOver(t *testing.T) {
	in(t, 1000, plenty, func(r rig) {
		r.opts.Memory.Program = 100
		for used, want := range map[int64]int64{0: 0, 900: 0, 950: 50} {
			r.use(used)
			if got := r.Over(); got != want {
				t.Errorf("with %d bytes it is over by %d, want %d", used, got, want)
			}
		}
	})
}
