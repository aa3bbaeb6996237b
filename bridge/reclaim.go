package bridge

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
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
	errUsesMost  = errors.New("it moved too little of its packets while others waited for memory")
	errNoConnect = errors.New("it is the oldest connection without CONNECT")
)

// reclaim takes memory back. Owned by the watch.
type reclaim struct {
	b       *Bridge
	holders []memoryUsage
}

// memoryUsage is what a session uses of a share.
type memoryUsage struct {
	s     *session
	share *share
	bytes int64
	known bool         // it has given back all before
	pumps [2]pumpUsage // that of a pump which uses nothing is zero
	own   pumpUsage    // of what the bridge remembers for the session, where that is much
}

// pumpUsage is what one pump of it uses.
type pumpUsage struct {
	bytes int64
	age   time.Duration // of the bytes, at most, without the time in which they waited for more memory
	since time.Duration // the pump used nothing
	waits bool          // for more memory
}

func (p pumpUsage) weight() int64 { return p.bytes * int64(p.age/time.Millisecond) }

// weight is what those who are ended first have most of.
func (u memoryUsage) weight() int64 {
	return u.pumps[0].weight() + u.pumps[1].weight() + u.own.weight()
}

// since is for how long the session has used memory without a pause.
func (u memoryUsage) since() time.Duration {
	return max(u.pumps[0].since, u.pumps[1].since, u.own.since)
}

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
			r.holders = append(r.holders, memoryUsage{s: s, own: pumpUsage{age: now - s.began}})
		}
	}
	if sum > limit {
		slices.SortFunc(r.holders, func(a, b memoryUsage) int { return cmp.Compare(b.own.age, a.own.age) })
		for _, h := range r.holders {
			if sum <= limit {
				break
			}
			sum -= h.s.cost
			h.s.end(reason.MemoryShort, errNoConnect)
		}
	}
	clear(r.holders)
}

// gather finds those who hold memory, and sorts them by weight.
func (r *reclaim) gather(now time.Duration, sessions []*session) {
	r.holders = r.holders[:0]
	for _, s := range sessions {
		if h := s.memory.usage(now); h.bytes > 0 {
			h.s = s
			r.holders = append(r.holders, h)
		}
	}
	slices.SortFunc(r.holders, func(a, b memoryUsage) int { return cmp.Compare(b.weight(), a.weight()) })
}

// free ends sessions that use memory of a share until so many bytes come free. With urgent it asks for less before it ends one; a nil
// share is any.
func (r *reclaim) free(m *share, bytes int64, urgent bool) {
	all := bytes > 0 // those who use memory wait for more themselves
	for _, h := range r.holders {
		if m != nil && h.share != m {
			continue
		}
		all = all && !urgent && h.waits() && !h.s.ending()
		if h.s.ending() {
			bytes -= h.bytes // it comes free anyway
		}
	}
	if all {
		r.breakTie(m)
		return
	}
	for _, h := range r.holders {
		if bytes <= 0 {
			return
		}
		if m != nil && h.share != m || h.s.ending() || !urgent && !h.yields() || urgent && h.since() < patience {
			continue
		}
		bytes -= h.bytes
		h.s.end(reason.MemoryShort, errUsesMost)
	}
}

// breakTie ends one of those who all wait for what the others have: one that has never given anything back, if there is one.
func (r *reclaim) breakTie(m *share) {
	var last *memoryUsage
	for i := range r.holders {
		if h := &r.holders[i]; h.share == m && (last == nil || last.known && !h.known) {
			last = h
		}
	}
	if last != nil {
		last.s.end(reason.MemoryShort, errUsesMost)
	}
}

// waits reports whether every part of the session that uses memory waits for more.
func (u memoryUsage) waits() bool {
	for i, p := range u.pumps {
		if p.bytes > 0 && !p.waits && !u.s.excused(i) {
			return false
		}
	}
	return u.own.bytes == 0
}

// yields reports whether the session may be ended for others who wait.
func (u memoryUsage) yields() bool {
	switch stage(u.s.stage.Load()) {
	case stageConnect:
		return u.pumps[mqttio.Up].age > connectFor
	case stageOnline:
		for i, p := range u.pumps {
			if p.bytes > 0 && !p.waits && !u.s.excused(i) && (p.slow() || p.since > stuckFor && u.s.watched.stuck[i] > stuckFor) {
				return true
			}
		}
		return u.own.bytes > 0 && u.own.slow()
	}
	return false // the broker is what takes long
}

// slow reports whether the bytes are there for too long.
func (p pumpUsage) slow() bool { return p.age > stuckFor+time.Duration(p.bytes/slowest)*time.Second }

// excused reports whether a pump is in a write to a peer that may not read because the other pump, which waits for memory, does not read
// from it.
func (s *session) excused(pump int) bool {
	if mqttio.Direction(pump) == mqttio.Up {
		return s.down.buffers.waits.Load()&1 == 1 && s.writesBeside(&s.down)
	}
	return s.up.buffers.waits.Load()&1 == 1 && s.writesBeside(&s.up)
}
