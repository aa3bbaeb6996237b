package device

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"mqtt-ws-bridge/firmware-sim/packet"
)

// state is the MQTT session that outlives a connection: messages under way and packet identifiers.
type state struct {
	// one token per message under way; replaced by limit while nobody publishes
	slots chan struct{}

	mu       sync.Mutex
	nextID   uint16
	pending  []*pending // in order of publication
	incoming map[uint16]bool
	held     []uint64 // numbers of messages that a library has in a session of its own
}

// pending is a QoS 1 or 2 message that the broker has not finished with.
type pending struct {
	message  packet.Message
	seq      uint64
	released bool // PUBREC came, PUBREL is out
}

func (st *state) init(inflight int) { st.slots = make(chan struct{}, inflight) }

// limit makes room for most messages under way, and for no more than the broker's Receive Maximum, 0 for none said
// (MQTT-3.3.4-9). Call it before anything is published on a connection.
func (st *state) limit(most, receiveMaximum int) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if receiveMaximum > 0 {
		most = max(min(most, receiveMaximum), len(st.pending))
	}
	if most == cap(st.slots) {
		return
	}
	st.slots = make(chan struct{}, most)
	for range st.pending {
		st.slots <- struct{}{}
	}
}

// add numbers m and keeps it until it is done. It waits for a free slot, and reports false when ctx ended first.
func (st *state) add(ctx context.Context, m *packet.Message, seq uint64) bool {
	select {
	case st.slots <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	m.ID = st.freeID()
	st.pending = append(st.pending, &pending{message: *m, seq: seq})
	return true
}

// hold keeps the number of a message that somebody else resends.
func (st *state) hold(seq uint64) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.held) < math.MaxUint16 {
		st.held = append(st.held, seq)
	}
}

// freeID returns an identifier that nothing under way uses; with mu held.
func (st *state) freeID() uint16 {
	for {
		st.nextID++
		if st.nextID != 0 && st.find(st.nextID) < 0 {
			return st.nextID
		}
	}
}

func (st *state) find(id uint16) int {
	for i, p := range st.pending {
		if p.message.ID == id {
			return i
		}
	}
	return -1
}

// subscribeID takes an identifier for a SUBSCRIBE.
func (st *state) subscribeID() uint16 {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.freeID()
}

// done forgets the message with that identifier and returns its number.
func (st *state) done(id uint16) (uint64, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	i := st.find(id)
	if i < 0 {
		return 0, false
	}
	seq := st.pending[i].seq
	st.pending = append(st.pending[:i], st.pending[i+1:]...)
	<-st.slots
	return seq, true
}

// release marks that PUBREC arrived.
func (st *state) release(id uint16) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if i := st.find(id); i >= 0 {
		st.pending[i].released = true
	}
}

// unfinished returns a copy of what is under way, in order.
func (st *state) unfinished() []pending {
	st.mu.Lock()
	defer st.mu.Unlock()
	out := make([]pending, len(st.pending))
	for i, p := range st.pending {
		out[i] = *p
	}
	return out
}

// numbers returns the numbers of what is under way.
func (st *state) numbers() []uint64 {
	st.mu.Lock()
	defer st.mu.Unlock()
	out := slices.Clone(st.held)
	for _, p := range st.pending {
		if p.seq != 0 {
			out = append(out, p.seq)
		}
	}
	return out
}

// forget drops everything, as both sides do when the session is gone.
func (st *state) forget() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for range st.pending {
		<-st.slots
	}
	st.pending, st.incoming, st.held = nil, nil, nil
}

// first reports whether an incoming QoS 2 message is new.
func (st *state) first(id uint16) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.incoming[id] {
		return false
	}
	if st.incoming == nil {
		st.incoming = make(map[uint16]bool)
	}
	st.incoming[id] = true
	return true
}

func (st *state) finished(id uint16) {
	st.mu.Lock()
	defer st.mu.Unlock()
	delete(st.incoming, id)
}

// settle waits until all slots are free at once, or until none has become free for the time given.
func (st *state) settle(ctx context.Context, quiet time.Duration) {
	taken := 0
	defer func() { st.giveBack(taken) }()
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	for taken < cap(st.slots) {
		select {
		case st.slots <- struct{}{}:
			taken++
			timer.Reset(quiet)
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (st *state) giveBack(n int) {
	for range n {
		<-st.slots
	}
}
