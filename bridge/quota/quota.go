package quota

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/config/current"
	"mqtt-ws-bridge/mqttio"
)

// Limits bound something. In all of them 0 means no limit.
type Limits struct {
	Connections int // at a time; not of one session, nor of all
	ConnectRate int // connections in a minute, which may come at once; not of one session
	Up, Down    Rates
}

// Rates bound one direction.
type Rates struct {
	Messages int // in a second
	Bytes    int // of packets, in a second
}

// Options make a [Book].
type Options struct {
	Session, Identity, Address, Total Limits
	// Burst is for how long what is not used of the rates of messages and bytes can be saved up.
	Burst time.Duration
	// AddressBits is how many bits of IPv6 addresses count: those that have them in common count as one.
	AddressBits int
}

// Book counts what devices use. Its limits may be replaced. It is safe for concurrent use.
type Book struct {
	// Set once.
	seed       maphash.Seed
	addresses  *table[netip.Prefix]
	identities *table[uint64] // by hash

	rules    current.Value[rules]        // never empty
	connects current.Value[rate.Limiter] // empty: no limit
	total    current.Value[traffic]      // never empty

	mu     sync.Mutex          // of who enters, leaves or replaces the limits
	shares map[*Share]struct{} // guarded by mu
}

// rules are limits and what follows from them.
type rules struct {
	opts     Options
	limited  bool
	run      [2]int        // how many packets may be moved at a time, by direction; 0: any
	replaced chan struct{} // closed when there are others
}

// New returns a book in which nothing is used.
func New(o Options) *Book {
	b := &Book{
		seed: maphash.MakeSeed(), shares: make(map[*Share]struct{}),
		addresses: newTable[netip.Prefix](o.Address, o.Burst), identities: newTable[uint64](o.Identity, o.Burst),
	}
	b.rules.Store(newRules(o))
	b.connects.Store(connectLimiter(nil, o.Total.ConnectRate))
	b.total.Store(new(traffic).limited(&o.Total, o.Burst))
	return b
}

func newRules(o Options) *rules {
	return &rules{
		opts: o, replaced: make(chan struct{}),
		limited: o.Session != (Limits{}) || o.Identity != (Limits{}) || o.Address != (Limits{}) || o.Total != (Limits{}),
		run: [2]int{
			mqttio.Up:   run(o.Session.Up, o.Identity.Up, o.Address.Up, o.Total.Up),
			mqttio.Down: run(o.Session.Down, o.Identity.Down, o.Address.Down, o.Total.Down),
		},
	}
}

// pace is how often a session at its limit of messages moves some.
const pace = 100 * time.Millisecond

// run is how many packets may be moved at a time, so that they go out evenly.
func run(all ...Rates) int {
	least := 0
	for _, r := range all {
		if r.Messages > 0 && (least == 0 || r.Messages < least) {
			least = r.Messages
		}
	}
	if least == 0 {
		return 0
	}
	return max(int(time.Duration(least)*pace/time.Second), 1)
}

// connectLimiter allows so many connections in a minute; nil: any number. It is the old one, with what was used of it, if there is one.
func connectLimiter(old *rate.Limiter, perMinute int) *rate.Limiter {
	return limiter(old, rate.Limit(perMinute)/60, perMinute)
}

// limiter returns nil for no limit, and otherwise the old limiter, if there is one, with another limit and burst: the tokens that it has
// stay, as many as the burst can hold.
func limiter(old *rate.Limiter, limit rate.Limit, burst int) *rate.Limiter {
	if limit == 0 {
		return nil
	}
	if old == nil {
		return rate.NewLimiter(limit, burst)
	}
	now := time.Now()
	if full := isFull(old, now); full {
		return rate.NewLimiter(limit, burst) // nothing was used
	}
	old.SetLimitAt(now, limit)
	old.SetBurstAt(now, burst)
	return old
}

// Admit counts a connection that asks to be let in, from an address without its port. It says why it is refused, or nil.
func (b *Book) Admit(address string) *reason.Reason {
	if key, ok := bridge.Network(address, b.rules.Load().opts.AddressBits); ok {
		switch b.addresses.admit(key, time.Now()) {
		case full:
			return reason.AddressConnections
		case often:
			return reason.AddressRate
		}
	}
	return nil
}

// AdmitIdentity counts the same connection, which nothing else speaks against, for the identity that its handshake has proved, "" if nothing,
// and for all together: strangers without a proof take nothing from the total. It says why it is refused, or nil.
func (b *Book) AdmitIdentity(identity string) *reason.Reason {
	if identity != "" {
		if why := identityReason(b.identities.admit(b.hash(identity), time.Now())); why != nil {
			return why
		}
	}
	if connects := b.connects.Load(); connects != nil && !connects.Allow() {
		return reason.ConnectRate
	}
	return nil
}

func identityReason(v verdict) *reason.Reason {
	switch v {
	case full:
		return reason.IdentityConnections
	case often:
		return reason.IdentityRate
	}
	return nil
}

// Enter counts a session until its share is left. identity is what it has proved, "" if nothing: then it is the user name that a broker
// accepts. The reason says why it cannot be had after all, or is nil: a session that is refused is not counted. The share may be left either
// way. Where nothing is limited, nothing is counted and the share is nil.
func (b *Book) Enter(address, identity string) (*Share, *reason.Reason) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.rules.Load()
	if !r.limited {
		return nil, nil
	}
	s := &Share{book: b, source: address}
	if identity != "" {
		s.identityKey, s.known, s.proved = b.hash(identity), true, true
	}
	b.shares[s] = struct{}{}
	why := s.enter(r, false)
	if why != nil {
		s.leave()
	}
	return s, why
}

func (b *Book) hash(identity string) uint64 { return maphash.String(b.seed, identity) }
