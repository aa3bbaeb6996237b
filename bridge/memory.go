package bridge

import (
	"sync"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/bridge/leg"
)

// A session costs memory in two ways. What it has in any case, its goroutines, connections and smallest buffers, is counted
// when it begins: [Budget.Room] bounds the sum. What it takes beyond that for packets is counted here as it is taken, in a share
// with a hard limit; a session that gets nothing reads nothing until there is some. See docs/decisions/0016-memory.md.

// What a session has in any case, in bytes.
const (
	// CostPlain is that of one between plain sockets.
	CostPlain = 12 << 10
	// CostTLS is that of one whose device has TLS: keys, and half a record in and out.
	CostTLS = 32 << 10
)

// gathered is what a device's connection may need beside a run to write it.
const gathered = 16 << 10

// cost is what a session with this device has in any case.
func cost(dev Device) int64 {
	if dev.TLS() != nil {
		return CostTLS
	}
	return CostPlain
}

// share is memory that sessions have in common, and those who wait for some of it.
type share struct {
	limit int64 // 0: any
	used  atomic.Int64

	waits atomic.Int32 // len(queue), to be asked without the lock
	mu    sync.Mutex
	queue []*wait // guarded by mu, in the order in which they are woken
}

// wait is a pump that reads nothing for want of memory.
type wait struct {
	need  int64
	since time.Duration
	known bool          // it has given back what it took before
	wake  chan struct{} // of one: to be woken twice is as good as once
}

// fits reports whether n bytes more may be taken beside used. A quarter of what is free is the most for one, so that large packets
// are stopped before small ones are.
func (m *share) fits(used, n int64) bool {
	return m.limit == 0 || n <= (m.limit-used)/4 || used == 0 && n <= m.limit // or it would wait for ever
}

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

func (m *share) give(n int64) {
	m.used.Add(-n)
	if m.waits.Load() > 0 {
		m.serve()
	}
}

// serve wakes those who wait and would get what they need now, all of them together.
func (m *share) serve() {
	m.mu.Lock()
	defer m.mu.Unlock()
	used := m.used.Load()
	for _, w := range m.queue {
		if m.fits(used, w.need) {
			used += w.need
			w.rouse()
		}
	}
}

func (w *wait) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// before reports whether w is to be woken before other: who has given memory back before, and then who waits for longer.
func (w *wait) before(other *wait) bool {
	if w.known != other.known {
		return w.known
	}
	return w.since < other.since
}

// join queues w.
func (m *share) join(w *wait) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := len(m.queue)
	for at > 0 && w.before(m.queue[at-1]) {
		at--
	}
	m.queue = append(m.queue, nil)
	copy(m.queue[at+1:], m.queue[at:])
	m.queue[at] = w
	m.waits.Store(int32(len(m.queue)))
}

func (m *share) leave(w *wait) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.queue {
		if m.queue[i] == w {
			m.queue = append(m.queue[:i], m.queue[i+1:]...)
			break
		}
	}
	m.waits.Store(int32(len(m.queue)))
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

// memory is what all sessions of a bridge hold.
type memory struct {
	proven   share // by sessions that a broker has accepted
	unproven share // by all others
	silent   int64 // what sessions without CONNECT may have in any case; 0: any
}

// MemoryLimits bound what sessions hold together, in bytes. 0: any.
type MemoryLimits struct {
	// Sessions is what sessions may have in any case, of [CostPlain] or [CostTLS] each.
	Sessions int64
	// Packets is what they may hold of packets beyond that.
	Packets int64
}

// unprovenPart is the part of each limit that is for sessions which have not proved themselves: of what they may have in any case for
// those that have not said CONNECT, of what they hold of packets for those that no broker has accepted.
const unprovenPart = 4

func newMemory(l MemoryLimits) *memory {
	m := &memory{silent: l.Sessions / unprovenPart}
	m.unproven.limit = l.Packets / unprovenPart
	m.proven.limit = l.Packets - m.unproven.limit
	return m
}

// holder is what one session holds of a share.
type holder struct {
	memory *memory
	now    func() time.Duration // of the bridge
	read   [2]*leg.Leg          // the ends, which count the bytes that were read from them

	mu       sync.Mutex
	share    *share        // guarded by mu, as all below
	accepted bool          // share is to be the one of those who are proven
	bytes    int64         // of packets that are passed on
	own      int64         // of what the bridge itself remembers for the session
	since    time.Duration // when bytes was 0 last
	renewed  time.Duration // what is there now was read since then
	passed   uint64        // bytes that had been read then
	known    bool          // bytes was 0 again after it was not
}

func (h *holder) take(n int64, spare bool) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.move()
	if !h.share.take(n, spare) {
		return false
	}
	if h.bytes == 0 {
		h.since = h.now()
		h.renewed, h.passed = h.since, h.allRead()
	}
	h.bytes += n
	return true
}

func (h *holder) give(n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bytes -= n
	h.share.give(n)
	h.known = h.known || h.bytes == 0
	h.move()
}

// accept hears that a broker has accepted the session.
func (h *holder) accept() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.accepted = true
	h.move()
}

// move goes over to the other share after accept, as soon as that has room for what is held.
func (h *holder) move() {
	proven := &h.memory.proven
	if !h.accepted || h.share == proven {
		return
	}
	all := h.bytes + h.own
	if all > 0 && !proven.take(all, false) {
		return
	}
	h.share.give(all)
	h.share = proven
}

// littleOwn is how much of its own a session may remember without being among those that hold most.
const littleOwn = 8 << 10

// allRead returns how many bytes the session has read.
func (h *holder) allRead() uint64 { return h.read[0].Bytes() + h.read[1].Bytes() }

// holding returns how much memory of which share the session has, and for how long. The buffer of a busy session is never empty, but what
// it contains changes: once the session has read more than that, all of it has been passed on. This tells nothing of what the bridge
// remembers for a session.
func (h *holder) holding(now time.Duration) holding {
	h.mu.Lock()
	defer h.mu.Unlock()
	bytes := h.bytes
	if h.own > littleOwn {
		bytes += h.own
	} else if all := h.allRead(); all-h.passed > uint64(bytes) {
		h.renewed, h.passed = now, all
	}
	return holding{share: h.share, bytes: bytes, age: now - h.renewed, since: now - h.since}
}

// Remember counts bytes that the bridge remembers for the session; below 0, that it has forgotten. It reports whether there was room.
func (h *holder) Remember(n int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case n > 0 && !h.share.take(n, false):
		return false
	case n < 0:
		h.share.give(-n)
	}
	h.own += n
	return true
}

// release gives back everything. Nothing may be counted any more.
func (h *holder) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.share.give(h.bytes + h.own)
	h.bytes, h.own = 0, 0
}

// buffers is what one pump's stream counts its buffers with. Owned by the pump, but for wait.
type buffers struct {
	*holder
	need  int64                // what it did not get last
	since time.Duration        // when it began to need it; 0: it needs nothing
	wait  atomic.Pointer[wait] // nil unless the pump waits
}

// Take counts n bytes, if they may be had.
func (b *buffers) Take(n int, spare bool) bool {
	b.need = int64(n)
	ok := b.take(b.need, spare)
	if ok {
		b.since = 0
	}
	return ok
}

// Give returns n bytes.
func (b *buffers) Give(n int) { b.give(int64(n)) }

// Tight reports whether more than half is in use.
func (b *buffers) Tight() bool {
	b.mu.Lock()
	m := b.share
	b.mu.Unlock()
	return m.limit > 0 && m.used.Load() > m.limit/2
}

// awaitMemory waits until the pump, whose stream got too little memory, may get it. Nothing is read meanwhile: that is how the sender
// hears of it. It reports whether the session goes on.
func (s *session) awaitMemory(p *pump) bool {
	s.driver.Block() // or the loop would find the same bytes again and again
	began := s.b.now()
	p.usage.throttled.Add(1)
	defer func() {
		p.usage.throttled.Add(1)
		p.usage.time += s.b.now() - began
	}()
	b := &p.buffers
	if b.since == 0 {
		b.since = began
	}
	w := &wait{need: b.need, since: b.since, wake: make(chan struct{}, 1)}
	b.wait.Store(w) // first: who has the session move to the other share after this wakes it
	b.mu.Lock()
	m := b.share
	w.known = b.known
	b.mu.Unlock()
	m.join(w)
	if s.ending() || m.fits(m.used.Load(), w.need) { // neither may have seen w
		w.rouse()
	}
	<-w.wake
	m.leave(w)
	b.wait.Store(nil)
	return !s.ending()
}

// rouse ends the waiting of both pumps. Called when the session ends.
func (s *session) rouse() {
	for _, p := range []*pump{&s.up, &s.down} {
		if w := p.buffers.wait.Load(); w != nil {
			w.rouse()
		}
	}
}
