package bridge

import (
	"errors"
	"sync"

	"mqtt-ws-bridge/mqttio"
)

// brokerTurn lets the pump down say something to the broker, though the other pump is what writes there. It never waits for
// that one, which may wait for the broker, and the broker for us to read.
type brokerTurn struct {
	// writing is held across writes to the broker: it keeps packets whole.
	writing sync.Mutex
	part    bool // the broker has a part of a long packet; guarded by writing

	mu   sync.Mutex
	owed held // packets for the broker that wait for their turn; guarded by mu, as is policedDown.order.told
}

var errOwed = errors.New("too many messages that the device may not have before they could be answered")

// writeInTurn writes packets of the device to the broker, and what is owed to it. Called by the pump up.
func (s *session) writeInTurn(packets []byte) bool {
	t, order := &s.policed.turn, &s.policed.down.order
	t.writing.Lock()
	t.part = s.midPacket()
	ok := s.writeNow(packets)
	t.writing.Unlock()
	t.mu.Lock()
	order.told = order.seen
	t.mu.Unlock()
	return ok && s.writeOwed()
}

// answerBroker sends a packet of the bridge's own to the broker: now, or as soon as it can have it. Called by the pump down.
func (s *session) answerBroker(answer withheldAnswer) bool {
	if len(answer.pkt)-mqttio.Headroom > s.policed.most(mqttio.MaxPacketSize) { // [MQTT-3.2.2-15]
		s.end(ReasonBrokerPacketSize, nil)
		return false
	}
	t := &s.policed.turn
	t.mu.Lock()
	ok := t.owed.add(answer.pkt, answer.kind, answer.after)
	room := t.owed.count(s.memory)
	t.mu.Unlock()
	if !ok {
		s.end(ReasonBrokerMalformed, errOwed)
		return false
	}
	if !room {
		s.end(ReasonMemoryShort, errOwed)
		return false
	}
	return s.writeOwed()
}

// writeOwed sends what is owed to the broker, unless the other pump is writing: that one looks again when it has.
func (s *session) writeOwed() bool {
	t := &s.policed.turn
	for s.owing() && t.writing.TryLock() {
		ok := true
		goes := !t.part && !s.leaving.Load() && !s.ending() // nothing follows a DISCONNECT [MQTT-3.14.4-2]
		if goes {
			ok = s.writeNow(s.takeOwed())
		}
		t.writing.Unlock()
		if !ok || !goes {
			return ok
		}
	}
	return true
}

func (s *session) owing() bool {
	t := &s.policed.turn
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.owed.ready(&s.policed.down.order.told)
}

// takeOwed copies what may go: more may be owed while it is written.
func (s *session) takeOwed() []byte {
	t := &s.policed.turn
	t.mu.Lock()
	defer t.mu.Unlock()
	run, _ := t.owed.take(&s.policed.down.order.told)
	copied := append([]byte(nil), run[mqttio.Headroom:]...)
	t.owed.count(s.memory)
	return copied
}
