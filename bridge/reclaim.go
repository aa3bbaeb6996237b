package bridge

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"mqtt-ws-bridge/bridge/reason"
)

// When pumps wait for memory in vain, the watch ends those who have it and do not move: first who holds most bytes for longest.

const (
	// patience is how long somebody waits before others are ended for it.
	patience = time.Second
	// stuckFor is how long a session that holds memory others wait for may move nothing.
	stuckFor = 5 * time.Second
	// slowest is how many bytes per second a session that holds memory others wait for has to move on average.
	slowest = 1 << 10
	// connectFor is how long a session may hold memory others wait for while it has not said CONNECT.
	connectFor = 2 * time.Second
)

var (
	errHoldsMost  = errors.New("it moved too little of what it held while others waited")
	errSaysNought = errors.New("it waited for longest of those without CONNECT")
)

// reclaim takes memory back. Owned by the watch.
type reclaim struct {
	b       *Bridge
	holders []holding
}

// holding is a session that holds memory.
type holding struct {
	s     *session
	share *share
	bytes int64
	age   time.Duration // of the bytes, at most
	since time.Duration // it had none
}

// weight is what those who are ended first have most of.
func (h holding) weight() int64 { return h.bytes * int64(h.age/time.Millisecond) }

// look ends sessions if there is need. sessions were checked at now.
func (r *reclaim) look(now time.Duration, sessions []*session) {
	m := r.b.memory
	r.shed(now, sessions)
	unproven, proven, over := m.unproven.wanted(now), m.proven.wanted(now), r.b.budget.Over()
	if unproven > 0 || proven > 0 || over > 0 {
		r.gather(now, sessions)
		r.free(&m.unproven, unproven, false)
		r.free(&m.proven, proven, false)
		r.free(nil, over, true)
		clear(r.holders) // an ended session is not kept alive by the slice
	}
}

// wanted returns how many bytes are to be got back: none unless somebody waits for long.
func (m *share) wanted(now time.Duration) int64 {
	longest, need := m.waited(now)
	if longest < patience {
		return 0
	}
	return min(need, m.limit)
}

// shed ends the eldest sessions without CONNECT, if all those have more than their part.
func (r *reclaim) shed(now time.Duration, sessions []*session) {
	limit := r.b.memory.silent
	if limit == 0 || r.b.cost.Load() <= limit {
		return
	}
	sum := int64(0)
	r.holders = r.holders[:0]
	for _, s := range sessions {
		if stage(s.stage.Load()) == stageConnect && !s.ending() {
			sum += s.cost
			r.holders = append(r.holders, holding{s: s, age: now - s.began})
		}
	}
	if sum > limit {
		slices.SortFunc(r.holders, func(a, b holding) int { return cmp.Compare(b.age, a.age) })
		for _, h := range r.holders {
			if sum <= limit {
				break
			}
			sum -= h.s.cost
			h.s.end(reason.MemoryShort, errSaysNought)
		}
	}
	clear(r.holders)
}

// gather finds those who hold memory, and sorts them by weight.
func (r *reclaim) gather(now time.Duration, sessions []*session) {
	r.holders = r.holders[:0]
	for _, s := range sessions {
		if h := s.memory.holding(now); h.bytes > 0 {
			h.s = s
			r.holders = append(r.holders, h)
		}
	}
	slices.SortFunc(r.holders, func(a, b holding) int { return cmp.Compare(b.weight(), a.weight()) })
}

// free ends sessions that hold memory of a share until so many bytes come free. With urgent it asks for less before it ends one; a nil
// share is any.
func (r *reclaim) free(m *share, bytes int64, urgent bool) {
	for _, h := range r.holders {
		if h.s.ending() && (m == nil || h.share == m) {
			bytes -= h.bytes // it comes free anyway
		}
	}
	for _, h := range r.holders {
		if bytes <= 0 {
			return
		}
		if m != nil && h.share != m || h.s.ending() || !urgent && !h.yields() || urgent && h.since < patience {
			continue
		}
		bytes -= h.bytes
		h.s.end(reason.MemoryShort, errHoldsMost)
	}
}

// yields reports whether the session may be ended for others who wait.
func (h holding) yields() bool {
	switch stage(h.s.stage.Load()) {
	case stageConnect:
		return h.age > connectFor
	case stageOnline:
		return h.since > stuckFor && h.s.watched.stuck > stuckFor ||
			h.age > stuckFor+time.Duration(h.bytes/slowest)*time.Second
	}
	return false // the broker is what takes long
}
