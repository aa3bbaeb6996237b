package quota

import (
	"math"
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/config/current"
	"mqtt-ws-bridge/mqttio"
)

// Share is what one session may use: a [bridge.Quota].
type Share struct {
	// Set once.
	book   *Book
	source string // address without its port
	proved bool   // the handshake has proved the identity

	session current.Value[traffic] // never empty
	address current.Value[entry]   // empty: not counted
	// Likewise, and as long as the broker has not accepted a user name.
	identity current.Value[entry]

	// Guarded by the book's mu.
	addressKey  netip.Prefix
	identityKey uint64
	known       bool // there is an identity, or a user name
	accepted    bool // by the broker
	left        bool

	queued [2]bool // by direction, each owned by its pump: the session has waited for what others owe
}

// enter counts the session for what is limited now and was not before, whether there is room or not if it is there already. The caller
// holds the book's mu.
func (s *Share) enter(r *rules, there bool) *reason.Reason {
	session := s.session.Load()
	if session == nil {
		session = new(traffic)
	}
	s.session.Store(session.limited(&r.opts.Session, r.opts.Burst))
	key, ok := bridge.Network(s.source, r.opts.AddressBits)
	if old := s.address.Load(); old != nil && key != s.addressKey {
		s.book.addresses.leave(s.addressKey, old)
		s.address.Store(nil)
	}
	if ok && r.opts.Address != (Limits{}) && s.address.Load() == nil {
		e := s.book.addresses.enter(key, there)
		if e == nil {
			return reason.AddressConnections
		}
		s.address.Store(e)
		s.addressKey = key
	}
	if s.proved || s.accepted {
		return identityReason(s.enterIdentity(r, there))
	}
	return nil
}

// enterIdentity counts the session for its identity, unless it is already. The caller holds the book's mu.
func (s *Share) enterIdentity(r *rules, there bool) verdict {
	if s.left || !s.known || r.opts.Identity == (Limits{}) || s.identity.Load() != nil {
		return good
	}
	e := s.book.identities.enter(s.identityKey, there)
	if s.identity.Store(e); e == nil {
		return full
	}
	return good
}

// Connect looks whether there is room for the user name. Nothing is counted for it yet: a stranger could use it up.
func (s *Share) Connect(username []byte) *reason.Reason {
	if s.proved || username == nil {
		return nil
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	s.identityKey, s.known = s.book.hash(string(username)), true
	return identityReason(s.book.identities.look(s.identityKey, time.Now()))
}

// Accepted counts the session for the user name that the broker has accepted.
func (s *Share) Accepted() *reason.Reason {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	if !s.known || s.proved {
		return nil
	}
	v := s.book.identities.admit(s.identityKey, time.Now())
	if v == good {
		v = s.enterIdentity(s.book.rules.Load(), false)
	}
	s.accepted = v == good
	return identityReason(v)
}

// Changed is closed when the limits are replaced.
func (s *Share) Changed() <-chan struct{} { return s.book.rules.Load().replaced }

// Use takes messages and bytes from every bucket that the session has a share in. The emptiest says how long to wait. The first time, when
// nothing was moved yet, that is until the buckets that it shares are refilled: what each session may read before it is counted
// would otherwise let those who come and go overdraw them without end.
func (s *Share) Use(d mqttio.Direction, messages, bytes int) (wait time.Duration, run int) {
	now := time.Now()
	first := !s.queued[d]
	s.queued[d] = true
	wait = s.session.Load()[d].take(now, messages, bytes)
	for _, shared := range [...]*traffic{s.book.total.Load(), trafficOf(s.address.Load()), trafficOf(s.identity.Load())} {
		if shared == nil {
			continue
		}
		wait = max(wait, shared[d].take(now, messages, bytes))
		if first {
			wait = max(wait, shared[d].refillTime(now))
		}
	}
	return wait, s.book.rules.Load().run[d]
}

// Again returns what Use would return for what was used already, with the limits of now.
func (s *Share) Again(d mqttio.Direction) (wait time.Duration, run int) {
	now := time.Now()
	for _, t := range [...]*traffic{s.session.Load(), s.book.total.Load(), trafficOf(s.address.Load()), trafficOf(s.identity.Load())} {
		if t != nil {
			wait = max(wait, t[d].refillTime(now))
		}
	}
	return wait, s.book.rules.Load().run[d]
}

func trafficOf(e *entry) *traffic {
	if e == nil {
		return nil
	}
	return e.traffic.Load()
}

// Leave takes the session off those that are counted. It may be called more than once. What was taken from the buckets stays taken.
func (s *Share) Leave() {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	s.leave()
}

// leave is Leave for who holds the book's mu.
func (s *Share) leave() {
	if s.left {
		return
	}
	s.left = true
	delete(s.book.shares, s)
	if e := s.address.Load(); e != nil {
		s.book.addresses.leave(s.addressKey, e)
	}
	if e := s.identity.Load(); e != nil {
		s.book.identities.leave(s.identityKey, e)
	}
}

// traffic has the buckets of both directions. It is not changed, but what its buckets hold is.
type traffic [2]buckets

// buckets are those of one direction.
type buckets struct{ messages, bytes *rate.Limiter } // nil: no limit

// limited returns the traffic with these limits: buckets that were there are the same, with what was taken from them.
func (t *traffic) limited(l *Limits, burst time.Duration) *traffic {
	return &traffic{mqttio.Up: t[mqttio.Up].limited(l.Up, burst), mqttio.Down: t[mqttio.Down].limited(l.Down, burst)}
}

func (b buckets) limited(r Rates, burst time.Duration) buckets {
	return buckets{bucket(b.messages, r.Messages, burst), bucket(b.bytes, r.Bytes, burst)}
}

func bucket(old *rate.Limiter, perSecond int, burst time.Duration) *rate.Limiter {
	return limiter(old, rate.Limit(perSecond), int(min(max(float64(perSecond)*burst.Seconds(), 1), math.MaxInt32)))
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
