package bridge

import (
	"errors"
	"time"

	"mqtt-ws-bridge/bridge/leg"
	"mqtt-ws-bridge/bridge/reason"
	"mqtt-ws-bridge/mqttio"
)

// closeBrokerWrite ends the direction to the broker. It reads everything the device sent, then the end: a device that sent
// no DISCONNECT has its will published.
func (s *session) closeBrokerWrite() {
	if s.broker.Conn == nil {
		return
	}
	_ = s.toBroker.Farewell(s.leaveForDevice) // the broker may have gone
	if s.toBroker.CloseWrite() != nil {
		s.broker.Close()
	}
}

// goodbyeSaid reports whether sayGoodbye has begun.
func (s *session) goodbyeSaid() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.farewell
}

// sayGoodbye tells the device why the session ends, in the words that it understands now, and closes its connection.
func (s *session) sayGoodbye() {
	c := s.cause.Load()
	if c == nil { // both pumps ended without a cause: that cannot be
		c = &cause{reason.Internal, errors.New("session without a cause")}
		s.cause.Store(c)
	}
	s.mu.Lock()
	s.farewell = true
	s.mu.Unlock()
	if c.reason.Close == 0 {
		s.dev.Close()
		return
	}
	_ = s.dev.SetWriteDeadline(time.Now().Add(goodbyeTime)) // Interrupt's may have passed while the broker's was awaited
	s.sayPacket(c)
	_ = s.dev.CloseWith(c.reason.Close, c.reason.String(), goodbyeTime) // the device may have gone meanwhile
}

// sayPacket sends CONNACK or DISCONNECT, where the device awaits or understands it.
func (s *session) sayPacket(c *cause) {
	_ = s.toDevice.Farewell(func() []byte { // it may have had CONNACK meanwhile
		buf := s.farewellPacket(c, c.reason.String())
		if !s.toDevice.Takes(buf) { // [MQTT-3.2.2-19] [MQTT-3.14.2-3]
			buf = s.farewellPacket(c, "")
		}
		if !s.toDevice.Takes(buf) {
			return nil
		}
		return buf
	}) // the device may have gone; inside a long packet nothing can be said but the close frame
}

// leaveForDevice is DISCONNECT where no will is due for a device that did not say it, and otherwise nothing. Here it is decided whether the
// broker publishes a will: without a DISCONNECT it does. Called when the pump up has ended.
func (s *session) leaveForDevice() []byte {
	if c := s.cause.Load(); c == nil || !s.endsQuietly(c.reason) {
		return nil
	}
	return append(leg.NewPacket(), byte(mqttio.TypeDisconnect)<<4, 0)
}

// endsQuietly reports whether no will is due when the session of a device that the broker has heard of ends for this reason.
func (s *session) endsQuietly(r *reason.Reason) bool {
	switch r {
	case reason.Expired, reason.Revoked:
		return s.b.denial.Load().ExpiryWithoutWill
	case reason.IdentityConnections, reason.IdentityRate: // the device was refused: it never was there
		return true
	}
	return false
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
			if errors.Is(c.err, errOldForm) {
				code = mqttio.CodeVersion // [MQTT-3.1.2-2]
			}
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
