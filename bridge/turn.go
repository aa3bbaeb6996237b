package bridge

import (
	"errors"
	"sync"
)

// brokerTurn lets the pump down say something to the broker, though the other pump is what writes there. It never waits for
// that one, which may wait for the broker, and the broker for us to read.
type brokerTurn struct {
	// writing is held across writes to the broker: it keeps packets whole.
	writing sync.Mutex
	part    bool // the broker has a part of a long packet; guarded by writing

	mu   sync.Mutex
	owed []byte // packets for the broker that wait for their turn; guarded by mu
}

// maxOwed is how many bytes may wait for their turn.
const maxOwed = 64 << 10

var errOwed = errors.New("too many messages that the device may not have before they could be answered")

// writeInTurn writes packets of the device to the broker, and what is owed to it. Called by the pump up.
func (s *session) writeInTurn(packets []byte) bool {
	t := &s.policed.turn
	t.writing.Lock()
	t.part = s.up.stream.MidPacket() && !s.policed.dropping
	ok := s.writeNow(packets)
	t.writing.Unlock()
	return ok && s.writeOwed()
}

// answerBroker sends a packet of the bridge's own to the broker: now, or as soon as it can have it. Called by the pump down.
func (s *session) answerBroker(pkt []byte) bool {
	t := &s.policed.turn
	t.mu.Lock()
	full := len(t.owed)+len(pkt) > maxOwed
	if !full {
		t.owed = append(t.owed, pkt...)
	}
	t.mu.Unlock()
	if full {
		s.end(ReasonBrokerMalformed, errOwed)
		return false
	}
	return s.writeOwed()
}

// writeOwed sends what is owed to the broker, unless the other pump is writing: that one looks again when it has.
func (s *session) writeOwed() bool {
	t := &s.policed.turn
	for t.owing() && t.writing.TryLock() {
		ok, part := true, t.part
		if !part && !s.leaving.Load() && !s.ending() { // nothing follows a DISCONNECT [MQTT-3.14.4-2]
			ok = s.writeNow(t.take())
		}
		t.writing.Unlock()
		if !ok || part || s.leaving.Load() || s.ending() {
			return ok
		}
	}
	return true
}

func (t *brokerTurn) owing() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.owed) > 0
}

func (t *brokerTurn) take() (owed []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	owed, t.owed = t.owed, nil
	return owed
}
