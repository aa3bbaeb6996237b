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
	// The two bytes of 3.1.1 are how a broker that does not know MQTT 5 says so (3.1.1, section 3.1.2.2).
	if v == V5 && !(kind == CONNACK && len(raw) == 4) {
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
		if p := c.Properties; p != nil {
			out.Reason = p.ReasonString
			if p.ReceiveMaximum != nil {
				out.ReceiveMaximum = *p.ReceiveMaximum
			}
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

// connackWords are what the codes that refuse CONNECT mean: return codes of 3.1.1 (table 3.1) and reason codes of MQTT 5 (table 3-1).
var connackWords = map[byte]string{
	1: "unacceptable protocol version", 2: "identifier rejected", 3: "server unavailable", 4: "bad user name or password", 5: "not authorized",
	0x80: "unspecified error", 0x81: "malformed packet", 0x82: "protocol error", 0x83: "implementation specific error",
	0x84: "unsupported protocol version", 0x85: "client identifier not valid", 0x86: "bad user name or password", 0x87: "not authorized",
	0x88: "server unavailable", 0x89: "server busy", 0x8A: "banned", 0x8C: "bad authentication method", 0x90: "topic name invalid",
	0x95: "packet too large", 0x97: "quota exceeded", 0x99: "payload format invalid", 0x9A: "retain not supported",
	0x9B: "QoS not supported", 0x9C: "use another server", 0x9D: "server moved", 0x9F: "connection rate exceeded",
}

// ConnackText is a CONNACK code as specifications write it, with what it means.
func ConnackText(code byte) string {
	text := fmt.Sprintf("%d", code)
	if code >= 0x80 {
		text = fmt.Sprintf("0x%02X", code)
	}
	if words := connackWords[code]; words != "" {
		text += " (" + words + ")"
	}
	return text
}
