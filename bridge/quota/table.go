package quota

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"mqtt-ws-bridge/config/current"
)

// remembered is how many entries without sessions a table has. Beyond that some are forgotten.
const remembered = 64 << 10

// table has what addresses, or identities, use. Safe for concurrent use.
type table[K comparable] struct {
	mu      sync.Mutex
	limits  Limits // guarded by mu, as all below; none: nothing more is counted
	burst   time.Duration
	entries map[K]*entry
	idle    int // of them, those without sessions
}

// entry is one of them.
type entry struct {
	sessions int                    // guarded by the table's mu
	connects *rate.Limiter          // nil: no limit; guarded by the table's mu
	traffic  current.Value[traffic] // empty until there is a session
}

func newTable[K comparable](l Limits, burst time.Duration) *table[K] {
	return &table[K]{limits: l, burst: burst, entries: make(map[K]*entry)}
}

// limit puts other limits into use, for the entries that are there too.
func (t *table[K]) limit(l Limits, burst time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.limits == l && t.burst == burst {
		return
	}
	t.limits, t.burst = l, burst
	for _, e := range t.entries {
		e.connects = connectLimiter(e.connects, l.ConnectRate)
		if now := e.traffic.Load(); now != nil {
			e.traffic.Store(now.limited(&l, burst))
		}
	}
}

// verdict is what becomes of a connection.
type verdict int

const (
	good  verdict = iota
	full          // too many sessions
	often         // too many connections lately
)

// admit counts a connection, unless it is refused for the number of connections.
func (t *table[K]) admit(key K, now time.Time) verdict {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[key]
	if e != nil && t.full(e) {
		return full
	}
	if t.limits.ConnectRate == 0 {
		return good // nothing to remember of it
	}
	if e == nil {
		e = t.add(key, now)
		t.idle++
	}
	if !e.connects.AllowN(now, 1) {
		return often
	}
	return good
}

// look says what admit would say, and counts nothing.
func (t *table[K]) look(key K, now time.Time) verdict {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e := t.entries[key]; {
	case e == nil:
		return good
	case t.full(e):
		return full
	case e.connects != nil && e.connects.TokensAt(now) < 1:
		return often
	}
	return good
}

func (t *table[K]) full(e *entry) bool {
	return t.limits.Connections > 0 && e.sessions >= t.limits.Connections
}

// enter counts a session, for which leave has to be called. Nil: there is no room for it, and it is not counted. One that is there needs none.
func (t *table[K]) enter(key K, there bool) *entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.entries[key]
	if e != nil && t.full(e) && !there {
		return nil
	}
	if e == nil {
		e = t.add(key, time.Now())
	} else if e.sessions == 0 {
		t.idle--
	}
	if e.traffic.Load() == nil {
		e.traffic.Store(new(traffic).limited(&t.limits, t.burst))
	}
	e.sessions++
	return e
}

// leave takes back an enter.
func (t *table[K]) leave(key K, e *entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.sessions--; e.sessions > 0 {
		return
	}
	now := time.Now()
	if e.rested(now) {
		delete(t.entries, key)
		return
	}
	t.makeRoom(now)
	t.idle++
}

// add makes an entry, which the caller counts as idle if it is to stay without sessions. The caller holds mu.
func (t *table[K]) add(key K, now time.Time) *entry {
	t.makeRoom(now)
	e := &entry{connects: connectLimiter(nil, t.limits.ConnectRate)}
	t.entries[key] = e
	return e
}

// makeRoom forgets entries without sessions when there are too many: those that nothing has to be remembered of, and some others if
// that is not enough. The caller holds mu.
func (t *table[K]) makeRoom(now time.Time) {
	if t.idle < remembered {
		return
	}
	for key, e := range t.entries {
		if e.sessions == 0 && e.rested(now) {
			delete(t.entries, key)
			t.idle--
		}
	}
	for key, e := range t.entries {
		if t.idle < remembered*3/4 {
			return
		}
		if e.sessions == 0 {
			delete(t.entries, key)
			t.idle--
		}
	}
}

// rested reports whether a new entry would be as good.
func (e *entry) rested(now time.Time) bool {
	traffic := e.traffic.Load()
	return isFull(e.connects, now) && (traffic == nil || traffic.rested(now))
}

func isFull(l *rate.Limiter, now time.Time) bool {
	return l == nil || l.TokensAt(now) >= float64(l.Burst())
}
