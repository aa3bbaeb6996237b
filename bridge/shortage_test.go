package bridge_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// budgetFake has room until it has none.
type budgetFake struct {
	why    atomic.Pointer[reason.Reason]
	others atomic.Int64 // sessions that Room was asked about last
	over   atomic.Int64

	mu    sync.Mutex
	short []*reason.Reason // that were heard of
}

func (b *budgetFake) none(why *reason.Reason) { b.why.Store(why) }

func (b *budgetFake) Over() int64 { return b.over.Load() }

func (b *budgetFake) Room(n int, _ int64) *reason.Reason {
	b.others.Store(int64(n))
	return b.why.Load()
}

func (b *budgetFake) Short(why *reason.Reason, _ error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.short = append(b.short, why)
}

// spent lets devices in that find nothing left for them a moment later.
func (s *scene) spent(why *reason.Reason) {
	s.lax.Store(true)
	s.budget.none(why)
}

// TestBudgetIsAskedAboutTheOthers: for the first session there are none, for the second one.
func TestBudgetIsAskedAboutTheOthers(t *testing.T) {
	bubbles(t, func(t *testing.T, v mqttio.Version) {
		s := &scene{rig: newRig(t, nil), v: v}
		for want := range int64(3) {
			s.online()
			if n := s.budget.others.Load(); n != want {
				t.Errorf("the budget was asked with %d sessions, want %d", n, want)
			}
		}
	})
}

// TestShortage: what the system says when something of ours has run out, however wrapped, and nothing else.
func TestShortage(t *testing.T) {
	resolver := &net.DNSError{Err: "dial udp 127.0.0.1:53: socket: too many open files", Name: "broker", Server: "127.0.0.1:53"}
	for _, c := range []struct {
		err  error
		want *reason.Reason
	}{
		{syscall.EMFILE, reason.DescriptorsFull},
		{syscall.ENFILE, reason.DescriptorsFull},
		{syscall.ENOMEM, reason.MemoryFull},
		{syscall.ENOBUFS, reason.MemoryFull},
		{syscall.EADDRNOTAVAIL, reason.PortsFull},
		{&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}, reason.DescriptorsFull},
		{errors.Join(syscall.ECONNREFUSED, fmt.Errorf("dial b: %w", syscall.ENFILE)), reason.DescriptorsFull},
		{&net.OpError{Op: "dial", Err: resolver}, reason.DescriptorsFull},
		{&net.DNSError{Err: "no such host", Name: "broker", IsNotFound: true}, nil},
		{syscall.ECONNREFUSED, nil},
		{errors.New("too many open files"), nil}, // a broker's word
	} {
		if got := bridge.Shortage(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}

// TestDialShortageIsTold: the budget hears of a dial that failed for want of something here, the metric of dials too, and a broker that
// refuses is nothing of the kind.
func TestDialShortageIsTold(t *testing.T) {
	for _, c := range []struct {
		err     error
		outcome string
		told    []*reason.Reason
	}{
		{syscall.EMFILE, "short", []*reason.Reason{reason.DescriptorsFull}},
		{syscall.ECONNREFUSED, "failed", nil},
	} {
		t.Run(c.err.Error(), func(t *testing.T) {
			bubbles(t, func(t *testing.T, v mqttio.Version) {
				s := &scene{rig: newRig(t, nil), v: v}
				s.failDialWith(&net.OpError{Op: "dial", Err: os.NewSyscallError("socket", c.err)})
				s.upgrade()
				s.dev.send(s.connect())
				s.dev.rest()
				s.settled()
				if got := s.budget.short; len(got) != len(c.told) || len(got) == 1 && got[0] != c.told[0] {
					t.Errorf("the budget heard %v, want %v", got, c.told)
				}
				if n := s.dials(c.outcome); n != 1 {
					t.Errorf("%d dials counted as %s", n, c.outcome)
				}
			})
		})
	}
}

// dials returns how many dials had an outcome.
func (r *rig) dials(outcome string) uint64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "mqtt_ws_bridge_dial_seconds" && m.GetLabel()[0].GetValue() == outcome {
				return m.GetHistogram().GetSampleCount()
			}
		}
	}
	return 0
}
