package bridge

import (
	"errors"
	"time"

	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// closeBrokerWrite ends the direction to the broker. It reads everything the device sent, then the end: a device that sent
// no DISCONNECT has its will published.
func (s *session) closeBrokerWrite() {
	s.leaveForDevice()
	type halfCloser interface{ CloseWrite() error }
	if h, ok := s.broker.Conn.(halfCloser); ok && h.CloseWrite() == nil {
		return
	}
	s.broker.Close()
}

// goodbyeSaid reports whether sayGoodbye has begun.
func (s *session) goodbyeSaid() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.farewell
}

// sayGoodbye tells the device why the session ends, in the words that it understands now, and closes its connection.
func (s *session) sayGoodbye() {
	s.mu.Lock()
	s.farewell = true
	s.mu.Unlock()
	c := s.cause.Load()
	if c == nil { // both pumps ended without a cause: that cannot be
		c = &cause{reason.Internal, errors.New("session without a cause")}
		s.cause.Store(c)
	}
	if c.reason.Close == 0 {
		s.dev.Close()
		return
	}
	_ = s.dev.SetWriteDeadline(time.Now().Add(goodbyeTime)) // interrupt's may have passed while the broker's was awaited
	s.sayPacket(c)
	_ = s.dev.CloseWith(c.reason.Close, c.reason.String(), goodbyeTime) // the device may have gone meanwhile
}

// sayPacket sends CONNACK or DISCONNECT, where the device awaits or understands it.
func (s *session) sayPacket(c *cause) {
	s.devMu.Lock()
	defer s.devMu.Unlock()
	s.devDone = true
	buf := s.farewellPacket(c, c.reason.String())
	if s.tooLarge(buf) {
		buf = s.farewellPacket(c, "")
	}
	if len(buf) == mqttio.Headroom || s.tooLarge(buf) || s.devPart { // inside a long packet nothing can be said but the close frame
		return
	}
	_ = s.dev.WriteFrames(buf, []int{len(buf)})
}

// tooLarge reports whether the device would not take a packet of the bridge's own [MQTT-3.1.2-24] [MQTT-3.2.2-19] [MQTT-3.14.2-3].
func (s *session) tooLarge(buf []byte) bool {
	limit := s.connect.maxPacket
	return limit > 0 && uint64(len(buf)-mqttio.Headroom) > uint64(limit)
}

// farewellPacket makes CONNACK or DISCONNECT, after Headroom bytes; nothing follows them where there is nothing to say.
func (s *session) farewellPacket(c *cause, text string) []byte {
	version := s.connect.version
	buf := make([]byte, mqttio.Headroom, mqttio.Headroom+128)
	switch stage(s.stage.Load()) {
	case stageOnline:
		if c.reason.Disconnect == 0 || version != mqttio.V5 {
			return buf
		}
		return mqttio.AppendDisconnect(buf, packetCode(c, c.reason.Disconnect), text)
	default:
		code := c.reason.Connack3
		if version == mqttio.V5 {
			code = packetCode(c, c.reason.Connack5)
		}
		if code == 0 || version == 0 {
			return buf
		}
		return mqttio.AppendConnack(buf, version, code, text)
	}
}

// packetCode is the code of the packet error that ended the session, which says more than the table, or the table's.
func packetCode(c *cause, code byte) byte {
	var e *mqttio.Error
	if code != 0 && errors.As(c.err, &e) && e.Code != 0 && c.reason != reason.BrokerMalformed {
		return e.Code
	}
	return code
}
