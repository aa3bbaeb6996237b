package bridge

import (
	"errors"

	"mqtt-ws-bridge/mqttio"
)

// held are packets of the bridge's own for a device that cannot have them yet: it has no CONNACK, or a part of a long packet.
type held struct {
	buf  []byte // Headroom, then the packets
	ends []int
}

// maxHeld is how many bytes are held for a device. One that asks for more of the bridge's answers meanwhile is ended.
const maxHeld = 64 << 10

var errHeld = errors.New("too many forbidden packets before they could be answered")

// ownPacket is what a packet of the bridge's own is appended to.
func ownPacket() []byte { return make([]byte, mqttio.Headroom, mqttio.Headroom+16) }

// reply sends a packet, which begins after Headroom bytes, to the device: now, or as soon as the device can have it. Called by the
// pump up. It reports whether the pump goes on.
func (s *session) reply(buf []byte) bool {
	s.devMu.Lock()
	defer s.devMu.Unlock()
	h := &s.held
	if len(h.buf)+len(buf) > maxHeld {
		s.end(ReasonPublishDenied, errHeld)
		return false
	}
	if h.buf == nil {
		h.buf = ownPacket()
	}
	h.buf = append(h.buf, buf[mqttio.Headroom:]...)
	h.ends = append(h.ends, len(h.buf))
	if err := s.writeHeld(); err != nil {
		s.end(ReasonDeviceLost, err)
		return false
	}
	return true
}

// writeHeld sends what is held, if the device can have it. The caller holds devMu.
func (s *session) writeHeld() error {
	if len(s.held.ends) == 0 || s.devPart || s.devDone || !s.devOpen {
		return nil
	}
	h := s.held
	s.held = held{}
	return s.dev.WriteFrames(h.buf, h.ends)
}
