package quota

// Replace puts other limits into use. What was counted stays counted: buckets keep their level, though no more than they can hold now, and
// sessions count for limits that were not there before. Sessions beyond a lower number of connections go on; those that wait for a bucket
// wait anew, by its new rate. Only what begins to be limited begins with full buckets, as do networks of IPv6 with another AddressBits.
//
// Sessions that have no share, since nothing was limited when they entered, are not counted.
func (b *Book) Replace(o Options) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, next := b.rules.Load(), newRules(o)
	if old.opts == o {
		return
	}
	b.addresses.limit(o.Address, o.Burst)
	b.identities.limit(o.Identity, o.Burst)
	b.connects.Store(connectLimiter(b.connects.Load(), o.Total.ConnectRate))
	b.total.Store(b.total.Load().limited(&o.Total, o.Burst))
	b.rules.Store(next)
	for s := range b.shares {
		_ = s.enter(next, true)
	}
	close(old.replaced)
}
