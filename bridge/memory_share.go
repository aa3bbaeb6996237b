package bridge

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/mqttio"
)

// largestStream is what the largest stream of a session may use.
var largestStream = int64((&mqttio.Stream{Copies: 1, Beside: gathered}).MostMemory())

// share is memory that sessions have in common, and those who wait for some of it.
type share struct {
	now     func() time.Duration // of the bridge
	limit   int64                // 0: any
	reserve int64                // part of limit that only the first of those who wait may use
	used    atomic.Int64

	waits   atomic.Int32 // len(queue), to be asked without the lock
	mu      sync.Mutex
	queue   []*wait       // guarded by mu, as below; in the order of before
	newUses bool          // a session that has never given memory back uses the reserve
	newFrom time.Duration // when the next of these may
}

// wait is a pump that reads nothing for want of memory.
type wait struct {
	need, most int64 // bytes: what it lacks, and what it may need at most until it has passed on what it has
	since      time.Duration
	known      bool          // its session has given back what it took before
	wake       chan struct{} // of one: to be woken twice is as good as once
	// Guarded by the share's mu.
	granted int64 // bytes of the share that are the pump's
	reserve bool  // out of the reserve
}

func (m *share) set(limit int64, now func() time.Duration) {
	m.limit, m.reserve, m.now = limit, min(largestStream, limit/2), now
}

// fits reports whether n bytes more may be taken beside used. A quarter of what is free is the most for one, so that large packets
// are stopped before small ones are.
func (m *share) fits(used, n int64) bool { return m.limit == 0 || n <= (m.limit-m.reserve-used)/4 }

func (m *share) take(n int64, spare bool) bool {
	for {
		used := m.used.Load()
		if !m.fits(used, n) || spare && m.limit > 0 && used+n > m.limit/2 {
			return false
		}
		if m.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// takeReserve takes n bytes whatever is left free then.
func (m *share) takeReserve(n int64) bool {
	for {
		used := m.used.Load()
		if used+n > m.limit {
			return false
		}
		if m.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

// spares reports whether others would have all of the reserve after n bytes were given back.
func (m *share) spares(n int64) bool { return m.used.Load()-n <= m.limit-m.reserve }

func (m *share) give(n int64) {
	m.used.Add(-n)
	if m.waits.Load() > 0 {
		m.serve()
	}
}

// serve grants memory to those who wait. The first of them may use the reserve, and gets all that it may need until it has passed on what
// it reads: whoever uses the reserve does not wait for more, and so gives it back.
func (m *share) serve() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.queue) > 0 && m.serveFirst(m.first()) {
	}
	for i := 0; i < len(m.queue); {
		if w := m.queue[i]; m.take(w.need, false) {
			m.grant(i, w.need)
			continue
		}
		i++
	}
}

// serveFirst reports whether the one at i, the first in order, got memory.
func (m *share) serveFirst(i int) bool {
	w := m.queue[i]
	switch {
	case m.take(w.need, false):
		m.grant(i, w.need)
	case m.takeReserve(w.most):
		w.reserve = true
		m.newUses = m.newUses || !w.known
		m.grant(i, w.most)
	case m.used.Load() == 0 && m.takeReserve(w.need): // of a limit below what the largest stream may use
		m.grant(i, w.need)
	default:
		return false
	}
	return true
}

func (m *share) grant(i int, n int64) {
	w := m.queue[i]
	w.granted = n
	m.remove(i)
	w.rouse()
}

// newPart is the part of the time in which sessions that have never given memory back may use the reserve while others wait that have.
// None at all would keep new sessions waiting for as long as old ones are busy, and more would let one that sends half a packet keep all
// others waiting until it is ended for that.
const newPart = 8

// first returns where the one is that gets memory first.
func (m *share) first() int {
	if !m.queue[0].known || m.newUses || m.now() < m.newFrom {
		return 0
	}
	for i, w := range m.queue {
		if !w.known {
			return i // the one that waits for longest of these
		}
	}
	return 0
}

// reserveUsed hears that what was granted to a session at a time out of the reserve is back.
func (m *share) reserveUsed(from time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	m.newUses, m.newFrom = false, now+(newPart-1)*(now-from)
}

func (m *share) remove(i int) {
	m.queue = slices.Delete(m.queue, i, i+1)
	m.waits.Store(int32(len(m.queue)))
}

func (w *wait) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// before orders those who wait: first who has given memory back before, and then who waits for longer.
func (w *wait) before(other *wait) bool {
	if w.known != other.known {
		return w.known
	}
	return w.since < other.since
}

// join queues w, and serves it if what it needs has come free meanwhile.
func (m *share) join(w *wait) {
	m.mu.Lock()
	at := len(m.queue)
	for at > 0 && w.before(m.queue[at-1]) {
		at--
	}
	m.queue = slices.Insert(m.queue, at, w)
	m.waits.Store(int32(len(m.queue))) // before serve looks at used: whoever gives memory back looks at waits after that
	m.mu.Unlock()
	m.serve()
}

// leave takes w out of the queue and returns what it was granted.
func (m *share) leave(w *wait) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if i := slices.Index(m.queue, w); i >= 0 {
		m.remove(i)
	}
	return w.granted
}

// waited returns for how long the first has waited and what all need.
func (m *share) waited(now time.Duration) (longest time.Duration, need int64) {
	if m.waits.Load() == 0 {
		return 0, 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.queue {
		longest, need = max(longest, now-w.since), need+w.need
	}
	return longest, need
}
