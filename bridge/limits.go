package bridge

// limits are those of this moment. They are not to be changed.
func (b *Bridge) limits() *Limits { return b.bounds.Load() }

// SetLimits changes the limits from now on, except Dials, which stays. What a session takes over from them at its begin or
// with CONNECT, the sizes, the keep alive and what it may subscribe to, it keeps; how long either end may take, and how often it is pinged,
// changes for all. Sessions beyond a lower number of them go on.
func (b *Bridge) SetLimits(l Limits) {
	l.Dials = b.limits().Dials
	b.bounds.Store(&l)
}

// SetDenial changes what [Options].Denial says. Close applies to the sessions that begin from now on, ExpiryWithoutWill to every session that
// ends from now on.
func (b *Bridge) SetDenial(d Denial) { b.denial.Store(&d) }

// SetLog changes what [Options].LogRate and LogConnects say.
func (b *Bridge) SetLog(rate int, connects bool) {
	b.events.SetRate(rate)
	b.logConnects.Store(connects)
}
