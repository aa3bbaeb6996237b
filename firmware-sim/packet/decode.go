package packet

import (
	"bytes"
	"fmt"

	v5 "github.com/eclipse/paho.golang/packets"
	v3 "github.com/eclipse/paho.mqtt.golang/packets"
)

// Decode reads one whole packet as a device receives it. The packet's payload may share memory with raw.
func (v Version) Decode(raw []byte) (Packet, error) {
	if len(raw) == 0 {
		return Packet{}, ErrMalformed
	}
	kind := raw[0] >> 4
	if v == V5 {
		return decode5(raw)
	}
	p, err := v3.ReadPacket(bytes.NewReader(raw))
	if err != nil {
		return Packet{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	out := Packet{Type: kind}
	switch p := p.(type) {
	case *v3.ConnackPacket:
		out.Code, out.SessionPresent = p.ReturnCode, p.SessionPresent
	case *v3.PublishPacket:
		out.Message = Message{Topic: p.TopicName, Payload: p.Payload, ID: p.MessageID, QoS: p.Qos, Retain: p.Retain, Dup: p.Dup}
	case *v3.SubackPacket:
		out.ID, out.Codes = p.MessageID, p.ReturnCodes
	default:
		out.ID = p.Details().MessageID
	}
	return out, nil
}

func decode5(raw []byte) (Packet, error) {
	p, err := v5.ReadPacket(bytes.NewReader(raw))
	if err != nil {
		return Packet{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	out := Packet{Type: raw[0] >> 4}
	switch c := p.Content.(type) {
	case *v5.Connack:
		out.Code, out.SessionPresent = c.ReasonCode, c.SessionPresent
		if c.Properties != nil && c.Properties.ReceiveMaximum != nil {
			out.ReceiveMaximum = *c.Properties.ReceiveMaximum
		}
	case *v5.Publish:
		out.Message = Message{Topic: c.Topic, Payload: c.Payload, ID: c.PacketID, QoS: c.QoS, Retain: c.Retain, Dup: c.Duplicate}
	case *v5.Suback:
		out.ID, out.Codes = c.PacketID, c.Reasons
	case *v5.Disconnect:
		out.Code = c.ReasonCode
	case *v5.Puback:
		out.ID, out.Code = c.PacketID, c.ReasonCode
	case *v5.Pubrec:
		out.ID, out.Code = c.PacketID, c.ReasonCode
	default:
		out.ID = p.PacketID()
	}
	return out, nil
}
