package listener

import (
	"container/heap"
	"net"
	"net/netip"
	"sync"
	"time"

	"mqtt-ws-bridge/wsio/refusal"
)

// GateOptions bound the connections that are not a WebSocket yet.
type GateOptions struct {
	// Handshakes is how many there may be, over all listeners. Must be above zero.
	Handshakes int
	// PerAddress is how many of them one address may have; 0: no limit but Handshakes.
	PerAddress int
	// AddressBits is how many bits of IPv6 addresses count: those that have them in common count as one. 0: 64.
	AddressBits int
	// Grace is for how long a connection is left alone when its address has no more than a fair share. 0: for ever.
	Grace time.Duration
}

// sharedGrace is the same for a connection of a machine that speaks for many devices, while it has not said for which: that comes first.
const sharedGrace = 250 * time.Millisecond

// Gate counts the connections that are not a WebSocket yet, from accept on and by address, and keeps them below a limit.
//
// When all slots are taken, the address that has the most of them gives one up, so that one address cannot shut out the others. A
// connection of a machine that speaks for many devices, such as a proxy that has not named the device yet, or of a unix socket,
// counts as an address of its own. docs/decisions/0013-fair-handshakes.md has the reasons. One gate serves all listeners of a
// process; its work for a connection grows with the logarithm of the number of addresses.
type Gate struct {
	opts GateOptions

	mu     sync.Mutex
	used   int                     // guarded by mu
	groups groupHeap               // guarded by mu; the one to give up a slot is first
	byKey  map[netip.Prefix]*group // guarded by mu; the same
	shared group                   // guarded by mu; connections that count as an address of their own each
	freed  chan struct{}           // guarded by mu; closed when a slot comes free; nil while nobody waits
}

// NewGate returns a gate with all slots free.
func NewGate(opts GateOptions) *Gate {
	if opts.AddressBits == 0 {
		opts.AddressBits = 64
	}
	return &Gate{opts: opts, byKey: make(map[netip.Prefix]*group)}
}

// LimitAddresses changes PerAddress and AddressBits from now on. Connections that are there keep their slots.
func (g *Gate) LimitAddresses(perAddress, bits int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.opts.PerAddress, g.opts.AddressBits = perAddress, bits
}

// entry is a connection in the gate's books, with or without a slot. The fields are guarded by the gate's mu.
type entry struct {
	conn       *Pending
	device     net.Addr  // as far as it is known
	since      time.Time // when it got the slot
	group      *group    // nil: it has no slot
	prev, next *entry    // in its group, by age
}

// group has the entries of one address.
type group struct {
	key    netip.Prefix
	oldest *entry
	newest *entry
	n      int
	index  int // in the heap
}

// verdict is what the gate makes of a connection.
type verdict struct {
	cause  refusal.Cause // "": there is a slot, or there will be one
	victim *entry        // who has lost its slot to it; the connection itself if there is none for it
	device net.Addr      // of the victim
	freed  chan struct{} // not nil: ask again when it is closed,
	wait   time.Duration // or after this time
}

// enter asks for a slot. shared says that the address stands for many devices.
func (g *Gate) enter(e *entry, device net.Addr, shared bool) verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.device = device
	key := g.key(device, shared)
	v := g.judge(e, key)
	if v.freed == nil && v.victim != e {
		g.add(e, key)
	}
	return v
}

// move counts a connection for another address than before, once its device is known.
func (g *Gate) move(e *entry, device net.Addr) (v verdict) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e.group == nil { // it was dropped
		return v
	}
	key := g.key(device, false)
	g.remove(e)
	if e.device = device; g.opts.PerAddress > 0 && g.size(key) >= g.opts.PerAddress {
		v = g.give(g.byKey[key].oldest, refusal.CauseAddressConnections)
	}
	g.add(e, key)
	g.wake() // somebody may be above a fair share now
	return v
}

// leave gives the slot back. It may be called more than once.
func (g *Gate) leave(e *entry) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if e.group != nil {
		g.remove(e)
		g.wake()
	}
}

// judge finds a slot for a connection of the address. The caller holds mu.
func (g *Gate) judge(e *entry, key netip.Prefix) verdict {
	own := g.size(key) + 1
	if g.opts.PerAddress > 0 && own > g.opts.PerAddress {
		return g.give(g.byKey[key].oldest, refusal.CauseAddressConnections)
	}
	if g.used < g.opts.Handshakes {
		return verdict{}
	}
	addresses := len(g.groups) + g.shared.n
	if own == 1 {
		addresses++
	}
	share := (g.opts.Handshakes + addresses - 1) / addresses
	var most group
	if len(g.groups) > 0 {
		most = *g.groups[0]
	}
	switch {
	case own > share && own > most.n:
		// The newcomer's own address has the most. If each newcomer took the slot of an older one, nobody of a crowd behind one
		// address, each with a handshake of some milliseconds to calculate, would get to the end of it.
		if oldest := g.byKey[key].oldest; g.wait(oldest, g.opts.Grace) == 0 {
			return g.give(oldest, refusal.CauseHandshakesFull)
		}
		return verdict{cause: refusal.CauseHandshakesFull, victim: e, device: e.device}
	case most.n > share:
		return g.give(most.oldest, refusal.CauseHandshakesFull)
	}
	return g.judgeByAge(most.oldest)
}

// judgeByAge finds a slot where no address has more than its share. The caller holds mu.
func (g *Gate) judgeByAge(oldest *entry) verdict {
	v := verdict{wait: forever}
	if g.shared.n > 0 {
		if v.wait = g.wait(g.shared.oldest, sharedGrace); v.wait == 0 {
			return g.give(g.shared.oldest, refusal.CauseHandshakesFull)
		}
	}
	if oldest != nil && g.opts.Grace > 0 {
		if v.wait = min(v.wait, g.wait(oldest, g.opts.Grace)); v.wait == 0 {
			return g.give(oldest, refusal.CauseHandshakesFull)
		}
	}
	if g.freed == nil {
		g.freed = make(chan struct{})
	}
	v.freed = g.freed
	return v
}

const forever = 1<<63 - 1

// wait is how much of its grace a connection still has.
func (g *Gate) wait(e *entry, grace time.Duration) time.Duration {
	if grace == 0 {
		return forever
	}
	return max(time.Until(e.since.Add(grace)), 0)
}

// give takes a slot away. The caller holds mu.
func (g *Gate) give(victim *entry, cause refusal.Cause) verdict {
	v := verdict{cause: cause, victim: victim, device: victim.device}
	g.remove(victim)
	return v
}

// key is what an address counts as; one that is not valid is of the connection alone.
func (g *Gate) key(device net.Addr, shared bool) netip.Prefix {
	tcp, ok := device.(*net.TCPAddr)
	if !ok || shared {
		return netip.Prefix{}
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	bits := g.opts.AddressBits
	if ip.Is4() {
		bits = 32
	}
	key, _ := ip.Prefix(bits)
	return key
}

// size is how many connections count for the key. The caller holds mu.
func (g *Gate) size(key netip.Prefix) int {
	if gr := g.byKey[key]; gr != nil {
		return gr.n
	}
	return 0
}

// add gives a slot. The caller holds mu.
func (g *Gate) add(e *entry, key netip.Prefix) {
	e.since = time.Now()
	g.used++
	if !key.IsValid() {
		e.group = &g.shared
		g.shared.insert(e)
		return
	}
	gr := g.byKey[key]
	if gr == nil {
		gr = &group{key: key}
		g.byKey[key] = gr
	}
	gr.insert(e)
	if e.group = gr; gr.n == 1 {
		heap.Push(&g.groups, gr)
	} else {
		heap.Fix(&g.groups, gr.index)
	}
}

// remove takes the slot of an entry that has one. The caller holds mu.
func (g *Gate) remove(e *entry) {
	gr := e.group
	gr.unlink(e)
	e.group = nil
	g.used--
	switch {
	case gr == &g.shared:
	case gr.n > 0:
		heap.Fix(&g.groups, gr.index)
	default:
		heap.Remove(&g.groups, gr.index)
		delete(g.byKey, gr.key)
	}
}

// wake has those who wait ask again. The caller holds mu.
func (g *Gate) wake() {
	if g.freed != nil {
		close(g.freed)
		g.freed = nil
	}
}

// insert puts an entry behind the others.
func (gr *group) insert(e *entry) {
	if e.prev = gr.newest; e.prev == nil {
		gr.oldest = e
	} else {
		e.prev.next = e
	}
	gr.newest = e
	gr.n++
}

func (gr *group) unlink(e *entry) {
	if e.prev == nil {
		gr.oldest = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		gr.newest = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
	gr.n--
}

// groupHeap has the group with the most entries first, of several the one with the oldest.
type groupHeap []*group

func (h groupHeap) Len() int { return len(h) }

func (h groupHeap) Less(i, j int) bool {
	if h[i].n != h[j].n {
		return h[i].n > h[j].n
	}
	return h[i].oldest.since.Before(h[j].oldest.since)
}

func (h groupHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for package heap.
func (h *groupHeap) Push(x any) {
	gr := x.(*group)
	gr.index = len(*h)
	*h = append(*h, gr)
}

// Pop is for package heap.
func (h *groupHeap) Pop() any {
	last := (*h)[len(*h)-1]
	(*h)[len(*h)-1] = nil
	*h = (*h)[:len(*h)-1]
	return last
}
