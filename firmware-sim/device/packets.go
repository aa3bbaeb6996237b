package device

import (
	"fmt"

	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/profile"
)

// packet handles one whole packet from the broker.
func (s *session) packet(raw []byte) error {
	if limit := s.d.profile.Receiver.MQTTBuffer; limit > 0 && len(raw) > limit {
		s.fault(profile.PacketTooBig, fmt.Sprintf("packet of %d B, %d fit", len(raw), limit))
		return nil
	}
	p, err := s.d.version().Decode(raw)
	if err != nil {
		return s.fatal(profile.BrokenStream, fmt.Sprintf("%.24x: %v", raw, err))
	}
	switch p.Type {
	case packet.CONNACK, packet.SUBACK:
		select {
		case s.acks <- p:
		default:
			return s.fatal(profile.BrokenStream, "acknowledgements that nobody asked for")
		}
	case packet.PINGRESP:
		s.awaiting.Store(false)
	case packet.PUBLISH:
		return s.publish(p.Message)
	case packet.DISCONNECT:
		return fmt.Errorf("DISCONNECT from the broker with code %d", p.Code)
	default:
		return s.acknowledged(p)
	}
	return nil
}

// publish delivers a message and acknowledges it.
func (s *session) publish(m packet.Message) error {
	fresh := m.QoS < 2 || s.d.state.first(m.ID)
	if fresh {
		s.d.counters.Received.Add(1)
		s.d.does.Message(s, m)
	}
	switch m.QoS {
	case 1:
		return s.send(packet.Ack(packet.PUBACK, m.ID))
	case 2:
		return s.send(packet.Ack(packet.PUBREC, m.ID))
	}
	return nil
}

// acknowledged moves a message of ours on.
func (s *session) acknowledged(p packet.Packet) error {
	switch p.Type {
	case packet.PUBREC:
		if p.Code >= 0x80 {
			s.d.state.done(p.ID)
			return nil
		}
		s.d.state.release(p.ID)
		return s.send(packet.Ack(packet.PUBREL, p.ID))
	case packet.PUBREL:
		s.d.state.finished(p.ID)
		return s.send(packet.Ack(packet.PUBCOMP, p.ID))
	case packet.PUBACK, packet.PUBCOMP:
		if seq, ok := s.d.state.done(p.ID); ok && seq != 0 && p.Code < 0x80 && s.d.observer != nil {
			s.d.observer.Acked(s.d.id.Index, seq)
		}
	}
	return nil
}
