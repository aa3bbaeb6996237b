package bridge

import (
	"errors"
	"unsafe"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// ownPackets are packets of the bridge's own for one end that cannot have them yet. They go in their order.
type ownPackets struct {
	buf   []byte // at least Headroom, then the packets; those before at are gone
	at    int
	marks []mark

	counted int64 // of it, in the session's memory
}

// uncounted is how much of it is part of what every session has.
const uncounted = 512

// count has m count what is waiting. It reports whether there was room.
func (h *ownPackets) count(m *holder) bool {
	n := max(0, int64(cap(h.buf)+cap(h.marks)*int(unsafe.Sizeof(mark{})))-uncounted)
	if n == h.counted {
		return true
	}
	if !m.remember(n - h.counted) {
		return false
	}
	h.counted = n
	return true
}

// mark is where a packet ends, and how many acknowledgements of its kind from the other end come before it.
type mark struct {
	end   int
	kind  ackKind
	after uint64
}

// ackKind is PUBACK or PUBREC: acknowledgements that have an order among themselves [MQTT-4.6.0-2] [MQTT-4.6.0-3].
type ackKind int

const (
	kindPuback ackKind = iota
	kindPubrec
)

// kindOf is the kind of acknowledgement that a message gets first.
func kindOf(qos byte) ackKind { return ackKind(qos - 1) }

// ackCounts counts acknowledgements, or the messages that get them.
type ackCounts [2]uint64

// ackOrder is what is known of the messages that went one way in a session with a policy. The bridge answers for those that did not
// go on, and its answers must not overtake those of the other end for messages before them.
type ackOrder struct {
	passed ackCounts // messages that went on; owned by the pump that moves them
	seen   ackCounts // acknowledgements that came back; owned by the other pump
	told   ackCounts // those of them that were written; guarded by the lock of the end that they are for
}

func (o *ackOrder) pass(qos byte) {
	if qos > 0 {
		o.passed[kindOf(qos)]++
	}
}

// see counts a packet of the other direction if it is an acknowledgement.
func (o *ackOrder) see(t mqttio.Type) {
	switch t {
	case mqttio.TypePuback:
		o.seen[kindPuback]++
	case mqttio.TypePubrec:
		o.seen[kindPubrec]++
	}
}

// maxOwnPackets is how many bytes wait for one end.
const maxOwnPackets = 64 << 10

var errOwnPackets = errors.New("too many forbidden packets before they could be answered")

// ownPacket is what a packet of the bridge's own is appended to.
func ownPacket() []byte { return make([]byte, mqttio.Headroom, mqttio.Headroom+16) }

// add holds a packet, which begins after Headroom bytes. It reports whether there was room.
func (h *ownPackets) add(buf []byte, kind ackKind, after uint64) bool {
	if h.buf == nil {
		h.buf, h.at = ownPacket(), mqttio.Headroom
	}
	if gone := h.at - mqttio.Headroom; gone > len(h.buf)/2 {
		h.buf = append(h.buf[:mqttio.Headroom], h.buf[h.at:]...)
		h.at = mqttio.Headroom
		for i := range h.marks {
			h.marks[i].end -= gone
		}
	}
	if len(h.buf)+len(buf) > maxOwnPackets {
		return false
	}
	h.buf = append(h.buf, buf[mqttio.Headroom:]...)
	h.marks = append(h.marks, mark{len(h.buf), kind, after})
	return true
}

// ready reports whether a packet may go.
func (h *ownPackets) ready(told *ackCounts) bool {
	return len(h.marks) > 0 && told[h.marks[0].kind] >= h.marks[0].after
}

// take returns the packets that may go, as a run. It is good until the next add.
func (h *ownPackets) take(told *ackCounts) (run []byte, ends []int) {
	start := h.at - mqttio.Headroom // what stood there is gone
	for h.ready(told) {
		h.at = h.marks[0].end
		ends = append(ends, h.at-start)
		h.marks = h.marks[1:]
	}
	run = h.buf[start:h.at]
	if len(h.marks) == 0 {
		*h = ownPackets{counted: h.counted}
	}
	return run, ends
}

// replyTogether is how many bytes of replies are gathered for one write.
const replyTogether = 4 << 10

// reply sends a packet, which begins after Headroom bytes, to the device: when what was read is looked at, or as soon after that as the
// device can have it. Called by the pump up. It reports whether the pump goes on.
func (s *session) reply(buf []byte) bool { return s.replyAfter(buf, kindPuback, 0) }

// replyAfter is reply for an acknowledgement that has so many of the broker's before it.
func (s *session) replyAfter(buf []byte, kind ackKind, after uint64) bool {
	if s.tooLarge(buf) {
		s.end(reason.AnswerTooLarge, nil)
		return false
	}
	s.devMu.Lock()
	ok := s.own.add(buf, kind, after)
	room := s.own.count(s.memory)
	s.devMu.Unlock()
	if !ok {
		s.end(reason.PublishDenied, errOwnPackets)
		return false
	}
	if !room {
		s.end(reason.MemoryShort, errOwnPackets)
		return false
	}
	if s.unsent += len(buf); s.unsent >= replyTogether {
		return s.sendReplies()
	}
	return true
}

// sendReplies sends what reply has gathered. Called by the pump up.
func (s *session) sendReplies() bool {
	if s.unsent == 0 {
		return true
	}
	s.unsent = 0
	s.devMu.Lock()
	defer s.devMu.Unlock()
	if err := s.writeOwn(); err != nil {
		s.end(reason.DeviceLost, err)
		return false
	}
	return true
}

// writeOwn sends of what waits what the device can have. The caller holds devMu.
func (s *session) writeOwn() error {
	if len(s.own.marks) == 0 || s.devPart || s.devDone || !s.devOpen {
		return nil
	}
	told := new(ackCounts)
	if s.policed != nil {
		told = &s.policed.up.told
	}
	if !s.own.ready(told) {
		return nil
	}
	run, ends := s.own.take(told)
	s.own.count(s.memory)
	return s.dev.WriteFrames(run, ends)
}
