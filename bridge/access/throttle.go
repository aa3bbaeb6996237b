package access

import (
	"net/netip"
	"sync"
	"time"

	"mqtt-ws-bridge/bridge"
)

const (
	// throttled is how many networks are remembered. Beyond it some are forgotten, in no order.
	throttled = 64 << 10
	// An address may fail burst times at once, and once in each pace after that.
	burst = 10
	pace  = 6 * time.Second
	// subscriber is how many bits of an IPv6 address one subscriber has in common.
	subscriber = 64
)

// throttle slows addresses that fail to prove who they are. An IPv4 address counts by itself, an IPv6 address with its /64, which
// is what one subscriber has. Safe for concurrent use.
type throttle struct {
	mu   sync.Mutex
	debt map[netip.Prefix]time.Time // when all is forgiven; guarded by mu
}

func newThrottle() *throttle { return &throttle{debt: make(map[netip.Prefix]time.Time)} }

// blocked reports whether the address has to wait.
func (t *throttle) blocked(address string) bool {
	n, ok := bridge.Network(address, subscriber)
	if !ok {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Until(t.debt[n]) > (burst-1)*pace
}

// failed counts a failure of the address.
func (t *throttle) failed(address string) {
	n, ok := bridge.Network(address, subscriber)
	if !ok {
		return
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	until, known := t.debt[n]
	if !known && len(t.debt) >= throttled {
		t.makeRoom(now)
	}
	if until.Before(now) {
		until = now
	}
	t.debt[n] = until.Add(pace)
}

// makeRoom forgets who is forgiven, and some others if those are not enough. The caller holds mu.
func (t *throttle) makeRoom(now time.Time) {
	for n, until := range t.debt {
		if until.Before(now) {
			delete(t.debt, n)
		}
	}
	for n := range t.debt {
		if len(t.debt) < throttled*3/4 {
			return
		}
		delete(t.debt, n)
	}
}
