package access

import (
	"context"
	"errors"
	"net/netip"
	"slices"
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
	// waiting is how many attempts of one address may wait until others of it have been checked.
	waiting = 256
)

var (
	errThrottled = errors.New("too many failed attempts")
	// ErrBusy says that a proof could not be checked in the time there was, since too many others are.
	ErrBusy = errors.New("too many proofs of identity are being checked")
)

// throttle slows addresses that fail to prove who they are. An IPv4 address counts by itself, an IPv6 address with its /64, which
// is what one subscriber has. Safe for concurrent use.
//
// An attempt takes its share of the allowance before it is checked, and gets it back unless it fails: checks are slow, and a thousand
// that begin at once would all begin before the first has failed. Attempts that would fit the allowance if those under way succeed
// wait for them. So what an address owes is never more than the whole allowance, which takes a minute to come back.
type throttle struct {
	mu    sync.Mutex
	known map[netip.Prefix]*attempts // guarded by mu
}

// attempts are those of one network. Guarded by the throttle's mu.
type attempts struct {
	forgiven time.Time    // when all failures are; each is another pace
	checking int          // attempts under way
	waiting  []chan error // the oldest first; each gets nil, which begins an attempt, or errThrottled. Buffers of one: nobody waits to tell
}

func newThrottle() *throttle { return &throttle{known: make(map[netip.Prefix]*attempts)} }

// begin takes an attempt from the allowance of the address, and waits until ctx ends for others that are under way. If the error is nil
// the attempt must be ended with done. Otherwise it is errThrottled or [ErrBusy].
func (t *throttle) begin(ctx context.Context, address string) error {
	n, ok := bridge.Network(address, subscriber)
	if !ok {
		return nil
	}
	now := time.Now()
	t.mu.Lock()
	a := t.known[n]
	if a == nil {
		if len(t.known) >= throttled {
			t.makeRoom(now)
		}
		a = new(attempts)
		t.known[n] = a
	}
	switch {
	case a.blocked(now):
		t.mu.Unlock()
		return errThrottled
	case len(a.waiting) == 0 && a.fits(now):
		a.checking++
		t.mu.Unlock()
		return nil
	case len(a.waiting) >= waiting:
		t.mu.Unlock()
		return ErrBusy
	}
	outcome := make(chan error, 1)
	a.waiting = append(a.waiting, outcome)
	t.mu.Unlock()
	select {
	case err := <-outcome:
		return err
	case <-ctx.Done():
		t.giveUp(n, a, outcome)
		return ErrBusy
	}
}

// giveUp ends the wait of an attempt.
func (t *throttle) giveUp(n netip.Prefix, a *attempts, outcome chan error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(a.waiting, outcome); i >= 0 {
		a.waiting = slices.Delete(a.waiting, i, i+1)
		return
	}
	if <-outcome == nil { // it came too late
		t.ended(n, a, time.Now())
	}
}

// done ends an attempt.
func (t *throttle) done(address string, failed bool) {
	n, ok := bridge.Network(address, subscriber)
	if !ok {
		return
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.known[n]
	if failed {
		if a.forgiven.Before(now) {
			a.forgiven = now
		}
		a.forgiven = a.forgiven.Add(pace)
	}
	t.ended(n, a, now)
}

// ended takes an attempt off those under way, and lets those begin that waited for it. The caller holds mu.
func (t *throttle) ended(n netip.Prefix, a *attempts, now time.Time) {
	a.checking--
	for len(a.waiting) > 0 {
		switch {
		case a.blocked(now):
			a.waiting[0] <- errThrottled
		case a.fits(now):
			a.checking++
			a.waiting[0] <- nil
		default:
			return
		}
		a.waiting = slices.Delete(a.waiting, 0, 1)
	}
	a.waiting = nil
	if a.idle(now) {
		delete(t.known, n)
	}
}

// blocked reports whether the address has to wait until failures are forgiven.
func (a *attempts) blocked(now time.Time) bool { return a.forgiven.Sub(now) > (burst-1)*pace }

// fits reports whether the allowance is enough for one attempt more if all those under way fail.
func (a *attempts) fits(now time.Time) bool {
	owed := max(a.forgiven.Sub(now), 0)
	return owed+time.Duration(a.checking)*pace <= (burst-1)*pace
}

// idle reports whether there is nothing to remember.
func (a *attempts) idle(now time.Time) bool {
	return a.checking == 0 && len(a.waiting) == 0 && !a.forgiven.After(now)
}

// makeRoom forgets who is forgiven, and some others if those are not enough, but nobody whose attempts are under way: of these there are
// no more than handshakes. The caller holds mu.
func (t *throttle) makeRoom(now time.Time) {
	for n, a := range t.known {
		if a.idle(now) {
			delete(t.known, n)
		}
	}
	for n, a := range t.known {
		if len(t.known) < throttled*3/4 {
			return
		}
		if a.checking == 0 && len(a.waiting) == 0 {
			delete(t.known, n)
		}
	}
}
