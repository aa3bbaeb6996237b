package bridge

import (
	"sync"
	"sync/atomic"
	"time"

	"mqtt-ws-bridge/bridge/leg"
)

// sessionMemory is what one session uses of a share.
type sessionMemory struct {
	memory *memory
	now    func() time.Duration // of the bridge
	pumps  [2]*buffers

	mu       sync.Mutex
	share    *share        // guarded by mu, as all below
	accepted bool          // share is to be the one of those who are proven
	bytes    int64         // of packets that are passed on: what the pumps have
	own      int64         // of what the bridge itself remembers for the session
	ownSince time.Duration // when that was little last
	known    bool          // bytes was 0 again after it was not
}

// buffers is what one pump's stream counts its buffers with. Owned by the pump, but for what is said below.
type buffers struct {
	*sessionMemory
	most  int64                // what the stream may use
	need  int64                // what it did not get last
	since time.Duration        // when it began to need it; 0: it needs nothing
	wait  atomic.Pointer[wait] // nil unless the pump waits. Read by others
	waits atomic.Uint32        // odd while the pump waits. Read by others

	// Guarded by mu of sessionMemory.
	read    *leg.Leg      // counts the bytes that the pump has read
	bytes   int64         // counted
	ready   int64         // of these, granted and not taken yet
	reserve bool          // it uses the share's reserve: what is ready again stays so, until all of it is
	granted time.Duration // when it got that
	isNew   bool          // the session had never given memory back then
	began   time.Duration // when bytes was 0 last
	renewed time.Duration // what is there now was read since then, without the time of waiting for memory
	passed  uint64        // bytes that had been read then
	waiting time.Duration // since when the pump waits; 0: it does not
}

func newSessionMemory(s *session) *sessionMemory {
	return &sessionMemory{memory: s.b.memory, share: &s.b.memory.unproven, now: s.b.now, pumps: [2]*buffers{&s.up.buffers, &s.down.buffers}}
}

// countMemory has the streams of a new session count their buffers.
func (s *session) countMemory() {
	s.up.buffers.read, s.down.buffers.read = &s.toDevice, &s.toBroker
	for _, p := range []*pump{&s.up, &s.down} {
		p.buffers.sessionMemory, p.buffers.most = s.memory, int64(p.stream.MostMemory())
		p.stream.Memory = &p.buffers
	}
}

// Take counts n bytes, if they may be had.
func (b *buffers) Take(n int, spare bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.move()
	b.need = int64(n)
	if b.need <= b.ready {
		b.ready -= b.need
		if !b.reserve {
			b.drop(b.ready)
		}
	} else if b.reserve || b.ready > 0 || !b.share.take(b.need, spare) {
		return false
	} else {
		b.add(b.need)
	}
	b.since = 0
	return true
}

// add counts n bytes of the share. The caller holds mu.
func (b *buffers) add(n int64) {
	if b.bytes == 0 {
		b.began = b.now()
		b.renewed, b.passed = b.began, b.read.Bytes()
	}
	b.bytes += n
	b.sessionMemory.bytes += n
}

// drop gives back n bytes that are ready. The caller holds mu.
func (b *buffers) drop(n int64) {
	b.ready -= n
	b.bytes -= n
	b.sessionMemory.bytes -= n
	b.share.give(n)
	b.known = b.known || b.sessionMemory.bytes == 0
}

// Give returns n bytes.
func (b *buffers) Give(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ready += int64(n)
	if b.reserve && b.ready < b.bytes && !b.share.spares(b.ready) {
		return // it would wait for more, with a part of the reserve
	}
	b.drop(b.ready)
	b.leaveReserve()
	b.move()
}

// leaveReserve hears that the pump does not use the reserve any more, if it did. The caller holds mu.
func (b *buffers) leaveReserve() {
	if b.reserve && b.isNew {
		b.share.reserveUsed(b.granted)
	}
	b.reserve = false
}

// Tight reports whether more than half is in use.
func (b *buffers) Tight() bool {
	m := b.in()
	return m.limit > 0 && m.used.Load() > m.limit/2
}

// Awaited reports whether others wait for memory.
func (b *buffers) Awaited() bool { return b.in().waits.Load() > 0 }

// in is the share that the session uses.
func (h *sessionMemory) in() *share {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.share
}

// accept hears that a broker has accepted the session.
func (h *sessionMemory) accept() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.accepted = true
	h.move()
}

// move goes over to the other share after accept, as soon as that has room for what is used. The caller holds mu.
func (h *sessionMemory) move() {
	proven := &h.memory.proven
	if !h.accepted || h.share == proven {
		return
	}
	all := h.bytes + h.own
	if all > 0 && !proven.take(all, false) {
		return
	}
	for _, b := range h.pumps {
		b.leaveReserve()
	}
	h.share.give(all)
	h.share = proven
}

// littleOwn is how much of its own a session may remember without being among those that use most.
const littleOwn = 8 << 10

// Remember counts bytes that the bridge remembers for the session; below 0, that it has forgotten. It reports whether there was room.
func (h *sessionMemory) Remember(n int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case n > 0 && !h.share.take(n, false):
		return false
	case n < 0:
		h.share.give(-n)
	}
	if h.own <= littleOwn {
		h.ownSince = h.now()
	}
	h.own += n
	return true
}

// release gives back everything. Nothing may be counted any more.
func (h *sessionMemory) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range h.pumps {
		b.leaveReserve()
	}
	h.share.give(h.bytes + h.own)
	h.bytes, h.own = 0, 0
}

// usage returns what the session uses of which share. The times are at now.
func (h *sessionMemory) usage(now time.Duration) memoryUsage {
	h.mu.Lock()
	defer h.mu.Unlock()
	u := memoryUsage{share: h.share, bytes: h.bytes, known: h.known}
	for i, b := range h.pumps {
		if b.bytes > 0 {
			u.pumps[i] = b.usage(now)
		}
	}
	if h.own > littleOwn {
		u.bytes += h.own
		u.own = pumpUsage{bytes: h.own, age: now - h.ownSince, since: now - h.ownSince}
	}
	return u
}

// usage tells for how long the pump has what it uses. The buffer of a busy session is never empty, but what it contains changes: once the pump
// has read more than that, all of it has been passed on. The time of waiting does not count. The caller holds mu.
func (b *buffers) usage(now time.Duration) pumpUsage {
	until := now
	if b.waiting > 0 {
		until = b.waiting
	}
	if all := b.read.Bytes(); all-b.passed > uint64(b.bytes) {
		b.renewed, b.passed = until, all
	}
	return pumpUsage{bytes: b.bytes, age: until - b.renewed, since: now - b.began, waits: b.waiting > 0}
}

// beginWait queues the pump for what it needs.
func (b *buffers) beginWait(now time.Duration) (*share, *wait) {
	if b.since == 0 {
		b.since = now
	}
	w := &wait{need: b.need, since: b.since, wake: make(chan struct{}, 1)}
	b.wait.Store(w) // before the share is looked at: who has the session move to another one after this wakes it
	b.waits.Add(1)
	b.mu.Lock()
	m := b.share
	b.waiting = now
	w.known = b.known
	w.most = max(b.need, b.most-b.bytes)
	b.mu.Unlock()
	m.join(w)
	return m, w
}

// endWait takes what the pump was granted. stalled says that the session's other pump is in a write to the peer that was not read from.
func (b *buffers) endWait(m *share, w *wait, now time.Duration, stalled bool) {
	granted := m.leave(w)
	b.wait.Store(nil)
	b.waits.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.renewed += now - b.waiting
	b.waiting = 0
	if stalled {
		for _, other := range b.pumps {
			if other != b {
				other.renewed, other.passed = now, other.read.Bytes()
			}
		}
	}
	switch {
	case granted == 0:
	case m == b.share:
		b.add(granted)
		b.ready += granted
		b.reserve, b.granted, b.isNew = w.reserve, now, !w.known
	default:
		m.give(granted)
		if w.reserve && !w.known {
			m.reserveUsed(now)
		}
	}
}

// awaitMemory waits until the pump, whose stream got too little memory, may get it. Nothing is read meanwhile: that is how the sender
// hears of it. It reports whether the session goes on.
func (s *session) awaitMemory(p *pump) bool {
	s.driver.Block() // or the loop would find the same bytes again and again
	began := s.b.now()
	p.usage.throttled.Add(1)
	m, w := p.buffers.beginWait(began)
	if s.ending() { // whoever ended it may not have seen w
		w.rouse()
	}
	<-w.wake
	now := s.b.now()
	p.buffers.endWait(m, w, now, s.writesBeside(p))
	p.usage.throttled.Add(1)
	p.usage.time += now - began
	return !s.ending()
}

// writesBeside reports whether the other pump than p is writing: to the peer that p reads from, which may not read before it has written.
func (s *session) writesBeside(p *pump) bool {
	if p == &s.up {
		return s.toDevice.Progress()&1 == 1
	}
	return s.toBroker.Progress()&1 == 1
}

// rouse ends the waiting of both pumps. Called when the session ends, or may use another share.
func (s *session) rouse() {
	for _, p := range []*pump{&s.up, &s.down} {
		if w := p.buffers.wait.Load(); w != nil {
			w.rouse()
		}
	}
}
