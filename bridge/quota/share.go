package quota

import (
	"math"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// Share is what one session may use: a [bridge.Quota].
type Share struct {
	// Set once.
	book       *Book
	session    traffic
	address    *entry // nil: not counted
	addressKey netip.Prefix
	proved     bool // the handshake has proved the identity

	// Set by Connect at the latest.
	identityKey uint64
	named       bool // there is a user name

	identity atomic.Pointer[entry] // nil: not counted, or not yet
	left     atomic.Bool

	queued [2]bool // by direction, each owned by its pump: the session has waited for what others owe
}

// Connect looks whether there is room for the user name. Nothing is counted for it yet: a stranger could use it up.
func (s *Share) Connect(username []byte) *reason.Reason {
	if s.book.identities == nil || s.proved || username == nil {
		return nil
	}
	s.identityKey, s.named = s.book.hash(string(username)), true
	return identityReason(s.book.identities.look(s.identityKey, time.Now()))
}

// Accepted counts the session for the user name that the broker has accepted.
func (s *Share) Accepted() *reason.Reason {
	if !s.named {
		return nil
	}
	v := s.book.identities.admit(s.identityKey, time.Now())
	if v == good {
		e := s.book.identities.enter(s.identityKey)
		if s.identity.Store(e); e == nil {
			v = full
		}
	}
	return identityReason(v)
}

// Use takes messages and bytes from every bucket that the session has a share in. The emptiest says how long to wait. The first time, when
// nothing was moved yet, that is until the buckets that it shares are refilled: what each session may read before it is counted
// would otherwise let those who come and go overdraw them without end.
func (s *Share) Use(d mqttio.Direction, messages, bytes int) (wait time.Duration, run int) {
	now := time.Now()
	first := !s.queued[d]
	s.queued[d] = true
	wait = s.session[d].take(now, messages, bytes)
	for _, shared := range [...]*traffic{&s.book.total, trafficOf(s.address), trafficOf(s.identity.Load())} {
		if shared == nil {
			continue
		}
		wait = max(wait, shared[d].take(now, messages, bytes))
		if first {
			wait = max(wait, shared[d].refillTime(now))
		}
	}
	return wait, s.book.run[d]
}

func trafficOf(e *entry) *traffic {
	if e == nil {
		return nil
	}
	return &e.traffic
}

// Leave takes the session off those that are counted. It may be called more than once. What was taken from the buckets stays taken.
func (s *Share) Leave() {
	if s.left.Swap(true) {
		return
	}
	if s.address != nil {
		s.book.addresses.leave(s.addressKey, s.address)
	}
	if e := s.identity.Load(); e != nil {
		s.book.identities.leave(s.identityKey, e)
	}
}

// traffic has the buckets of both directions.
type traffic [2]buckets

// buckets are those of one direction.
type buckets struct{ messages, bytes *rate.Limiter } // nil: no limit

func newTraffic(l *Limits, burst time.Duration) traffic {
	return traffic{mqttio.Up: newBuckets(l.Up, burst), mqttio.Down: newBuckets(l.Down, burst)}
}

func newBuckets(r Rates, burst time.Duration) buckets {
	return buckets{bucket(r.Messages, burst), bucket(r.Bytes, burst)}
}

func bucket(perSecond int, burst time.Duration) *rate.Limiter {
	if perSecond == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), int(min(max(float64(perSecond)*burst.Seconds(), 1), math.MaxInt32)))
}

func (b *buckets) take(now time.Time, messages, bytes int) time.Duration {
	return max(take(b.messages, now, messages), take(b.bytes, now, bytes))
}

// take takes n tokens, though there may be fewer, and returns how long it is until there are.
func take(l *rate.Limiter, now time.Time, n int) (wait time.Duration) {
	if l == nil {
		return 0
	}
	for burst := l.Burst(); n > 0; n -= burst { // no more at once than the bucket holds
		r := l.ReserveN(now, min(n, burst))
		wait = r.DelayFrom(now)
	}
	return wait
}

// refillTime is how long it is until no bucket is overdrawn.
func (b *buckets) refillTime(now time.Time) time.Duration {
	return max(refillTime(b.messages, now), refillTime(b.bytes, now))
}

func refillTime(l *rate.Limiter, now time.Time) time.Duration {
	if l == nil {
		return 0
	}
	return time.Duration(max(-l.TokensAt(now), 0) / float64(l.Limit()) * float64(time.Second))
}

func (t *traffic) rested(now time.Time) bool {
	for i := range t {
		if !isFull(t[i].messages, now) || !isFull(t[i].bytes, now) {
			return false
		}
	}
	return true
}
