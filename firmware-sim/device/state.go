package device

import (
	"context"
	"sync"

	"mqtt-ws-bridge/firmware-sim/packet"
)

// state is the MQTT session that outlives a connection: messages under way and packet identifiers.
type state struct {
	slots chan struct{} // one token per message under way

	mu       sync.Mutex
	nextID   uint16
	pending  []*pending // in order of publication
	incoming map[uint16]bool
}

// pending is a QoS 1 or 2 message that the broker has not finished with.
type pending struct {
	message  packet.Message
	seq      uint64
	released bool // PUBREC came, PUBREL is out
}

func (st *state) init(inflight int) { st.slots = make(chan struct{}, inflight) }

// add numbers m and keeps it until it is done. It waits for a free slot.
func (st *state) add(ctx context.Context, m *packet.Message, seq uint64) error {
	select {
	case st.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	m.ID = st.freeID()
	st.pending = append(st.pending, &pending{message: *m, seq: seq})
	return nil
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

// forget drops everything, as both sides do when the session is gone.
func (st *state) forget() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for range st.pending {
		<-st.slots
	}
	st.pending, st.incoming = nil, nil
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

// settle waits until all slots are free at once.
func (st *state) settle(ctx context.Context) {
	taken := 0
	for taken < cap(st.slots) {
		select {
		case st.slots <- struct{}{}:
			taken++
		case <-ctx.Done():
			st.giveBack(taken)
			return
		}
	}
	st.giveBack(taken)
}

func (st *state) giveBack(n int) {
	for range n {
		<-st.slots
	}
}
