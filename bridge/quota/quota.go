package quota

import (
	"hash/maphash"
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"mqtt-ws-bridge/bridge"
	"mqtt-ws-bridge/bridge/reason"
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

// Book counts what devices use. It is safe for concurrent use.
type Book struct {
	opts       Options
	addresses  *table[netip.Prefix] // nil: not counted
	identities *table[uint64]       // by hash; nil: not counted
	seed       maphash.Seed
	connects   *rate.Limiter // nil: no limit
	total      traffic
	run        [2]int // how many packets may be moved at a time, by direction; 0: any
}

// New returns a book in which nothing is used, or nil if nothing is limited.
func New(o Options) *Book {
	if o.Session == (Limits{}) && o.Identity == (Limits{}) && o.Address == (Limits{}) && o.Total == (Limits{}) {
		return nil
	}
	return &Book{
		opts: o, addresses: newTable[netip.Prefix](o.Address, o.Burst), identities: newTable[uint64](o.Identity, o.Burst),
		seed: maphash.MakeSeed(), connects: connectLimiter(o.Total.ConnectRate), total: newTraffic(&o.Total, o.Burst),
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

// connectLimiter allows so many connections in a minute; nil: any number.
func connectLimiter(perMinute int) *rate.Limiter {
	if perMinute == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perMinute)/60, perMinute)
}

// Admit counts a connection that asks to be let in, from an address without its port. It says why it is refused, or nil.
func (b *Book) Admit(address string) *reason.Reason {
	if key, ok := b.network(address); ok {
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
	if b.identities != nil && identity != "" {
		if why := identityReason(b.identities.admit(b.hash(identity), time.Now())); why != nil {
			return why
		}
	}
	if b.connects != nil && !b.connects.Allow() {
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
// accepts. The reason says why it cannot be had after all, or is nil: a session that is refused is not counted. The share may be left
// either way.
func (b *Book) Enter(address, identity string) (*Share, *reason.Reason) {
	s := &Share{book: b, session: newTraffic(&b.opts.Session, b.opts.Burst)}
	var why *reason.Reason
	if key, ok := b.network(address); ok {
		s.address, s.addressKey = b.addresses.enter(key), key
		if s.address == nil {
			why = reason.AddressConnections
		}
	}
	if b.identities != nil && identity != "" && why == nil {
		s.identityKey, s.proved = b.hash(identity), true
		e := b.identities.enter(s.identityKey)
		if s.identity.Store(e); e == nil {
			why = reason.IdentityConnections
		}
	}
	if why != nil {
		s.Leave()
	}
	return s, why
}

func (b *Book) network(address string) (netip.Prefix, bool) {
	if b.addresses == nil {
		return netip.Prefix{}, false
	}
	return bridge.Network(address, b.opts.AddressBits)
}

func (b *Book) hash(identity string) uint64 { return maphash.String(b.seed, identity) }
