package bridge

import (
	"errors"
	"sync"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// brokerQueue lets the pump down say something to the broker, though the other pump is what writes there. It never waits for
// that one, which may wait for the broker, and the broker for us to read.
type brokerQueue struct {
	// writing is held across writes to the broker: it keeps packets whole.
	writing sync.Mutex
	part    bool // the broker has a part of a long packet; guarded by writing

	mu      sync.Mutex
	answers ownPackets // packets for the broker that wait for acknowledgements before them; guarded by mu, as is policedDown.order.told
}

var errAnswers = errors.New("too many messages that the device may not have before they could be answered")

// writeToBroker writes packets of the device to the broker, and the answers that wait for it. Called by the pump up.
func (s *session) writeToBroker(packets []byte) bool {
	t, order := &s.policed.toBroker, &s.policed.down.order
	t.writing.Lock()
	t.part = s.midPacket()
	ok := s.writeNow(packets)
	t.writing.Unlock()
	t.mu.Lock()
	order.told = order.seen
	t.mu.Unlock()
	return ok && s.writeAnswers()
}

// answerBroker sends a packet of the bridge's own to the broker: now, or as soon as it can have it. Called by the pump down.
func (s *session) answerBroker(answer withheldAnswer) bool {
	if len(answer.pkt)-mqttio.Headroom > s.policed.most(mqttio.MaxPacketSize) { // [MQTT-3.2.2-15]
		s.end(reason.BrokerPacketSize, nil)
		return false
	}
	t := &s.policed.toBroker
	t.mu.Lock()
	ok := t.answers.add(answer.pkt, answer.kind, answer.after)
	room := t.answers.count(s.memory)
	t.mu.Unlock()
	if !ok {
		s.end(reason.BrokerMalformed, errAnswers)
		return false
	}
	if !room {
		s.end(reason.MemoryShort, errAnswers)
		return false
	}
	return s.writeAnswers()
}

// writeAnswers sends the answers that may go to the broker, unless the other pump is writing: that one looks again when it has.
func (s *session) writeAnswers() bool {
	t := &s.policed.toBroker
	for s.answersReady() && t.writing.TryLock() {
		ok := true
		goes := !t.part && !s.leaving.Load() && !s.ending() // nothing follows a DISCONNECT [MQTT-3.14.4-2]
		if goes {
			ok = s.writeNow(s.takeAnswers())
		}
		t.writing.Unlock()
		if !ok || !goes {
			return ok
		}
	}
	return true
}

func (s *session) answersReady() bool {
	t := &s.policed.toBroker
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.answers.ready(&s.policed.down.order.told)
}

// takeAnswers copies what may go: more may come while it is written.
func (s *session) takeAnswers() []byte {
	t := &s.policed.toBroker
	t.mu.Lock()
	defer t.mu.Unlock()
	run, _ := t.answers.take(&s.policed.down.order.told)
	copied := append([]byte(nil), run[mqttio.Headroom:]...)
	t.answers.count(s.memory)
	return copied
}
