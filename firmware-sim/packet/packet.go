// Package packet builds and reads the MQTT packets that devices exchange, in MQTT 3.1, 3.1.1 and 5, on top of Eclipse
// Paho's packet libraries: paho.mqtt.golang/packets for the 3.x versions, paho.golang/packets for 5. It knows bytes and
// packets, no connection and no session.
package packet

import (
	"bytes"
	"errors"
	"fmt"

	v5 "github.com/eclipse/paho.golang/packets"
	v3 "github.com/eclipse/paho.mqtt.golang/packets"
)

// Version is the protocol level byte of CONNECT.
type Version byte

// The versions in use.
const (
	V31  Version = 3
	V311 Version = 4
	V5   Version = 5
)

// String is the version as people write it.
func (v Version) String() string {
	switch v {
	case V31:
		return "3.1"
	case V311:
		return "3.1.1"
	case V5:
		return "5"
	}
	return fmt.Sprintf("level %d", byte(v))
}

// ParseVersion reads "3.1", "3.1.1" (or "4") and "5".
func ParseVersion(s string) (Version, error) {
	switch s {
	case "3.1", "3":
		return V31, nil
	case "3.1.1", "4":
		return V311, nil
	case "5", "5.0":
		return V5, nil
	}
	return 0, fmt.Errorf("MQTT version %q: want 3.1, 3.1.1 or 5", s)
}

// Packet types, the high four bits of the first byte.
const (
	CONNECT    byte = 1
	CONNACK    byte = 2
	PUBLISH    byte = 3
	PUBACK     byte = 4
	PUBREC     byte = 5
	PUBREL     byte = 6
	PUBCOMP    byte = 7
	SUBSCRIBE  byte = 8
	SUBACK     byte = 9
	PINGREQ    byte = 12
	PINGRESP   byte = 13
	DISCONNECT byte = 14
)

// Message is an application message. ID is its packet identifier, 0 for QoS 0.
type Message struct {
	Topic   string
	Payload []byte
	ID      uint16
	QoS     byte
	Retain  bool
	Dup     bool
}

// Connect is what a device says of itself.
type Connect struct {
	ClientID, Username string
	Password           []byte
	Clean              bool
	KeepAlive          uint16
	SessionExpiry      uint32 // seconds, MQTT 5 only
	ReceiveMaximum     uint16 // MQTT 5 only; 0 says nothing
	Will               *Message
}

// Packet is a received packet, reduced to what devices look at.
type Packet struct {
	Message        // of PUBLISH; ID of all that carry one
	Type           byte
	Code           byte   // CONNACK, PUBACK.., DISCONNECT
	Codes          []byte // SUBACK
	SessionPresent bool
	Reason         string // Reason String of CONNACK in MQTT 5
	ReceiveMaximum uint16 // CONNACK of MQTT 5; 0 when it does not say
}

// ErrMalformed means that bytes are not the beginning of an MQTT packet.
var ErrMalformed = errors.New("malformed MQTT packet")

// Size returns the length of the packet at the beginning of b, 0 when b does not tell yet.
// It fails on a Remaining Length of more than four bytes.
func Size(b []byte) (int, error) {
	length, shift := 0, 0
	for i := 1; i < len(b); i++ {
		length |= int(b[i]&0x7F) << shift
		if b[i]&0x80 == 0 {
			return i + 1 + length, nil
		}
		if i == 4 {
			return 0, fmt.Errorf("%w: Remaining Length of more than four bytes", ErrMalformed)
		}
		shift += 7
	}
	return 0, nil
}

// Pingreq encodes a PINGREQ, the same in every version.
func Pingreq() []byte { return []byte{PINGREQ << 4, 0} }

// Connect encodes a CONNECT packet.
func (v Version) Connect(c Connect) []byte {
	if v == V5 {
		return v.connect5(c)
	}
	p := v3.NewControlPacket(v3.Connect).(*v3.ConnectPacket)
	p.ProtocolName, p.ProtocolVersion = "MQTT", byte(v)
	if v == V31 {
		p.ProtocolName = "MQIsdp"
	}
	p.ClientIdentifier, p.CleanSession, p.Keepalive = c.ClientID, c.Clean, c.KeepAlive
	p.Username, p.UsernameFlag = c.Username, c.Username != ""
	p.Password, p.PasswordFlag = c.Password, len(c.Password) > 0
	if w := c.Will; w != nil {
		p.WillFlag, p.WillTopic, p.WillMessage, p.WillQos, p.WillRetain = true, w.Topic, w.Payload, w.QoS, w.Retain
	}
	return encode3(p)
}

func (v Version) connect5(c Connect) []byte {
	p := &v5.Connect{
		ProtocolName: "MQTT", ProtocolVersion: 5, ClientID: c.ClientID, CleanStart: c.Clean, KeepAlive: c.KeepAlive,
		Username: c.Username, UsernameFlag: c.Username != "", Password: c.Password, PasswordFlag: len(c.Password) > 0,
		Properties: &v5.Properties{}, WillProperties: &v5.Properties{},
	}
	if c.SessionExpiry > 0 {
		p.Properties.SessionExpiryInterval = &c.SessionExpiry
	}
	if c.ReceiveMaximum > 0 {
		p.Properties.ReceiveMaximum = &c.ReceiveMaximum
	}
	if w := c.Will; w != nil {
		p.WillFlag, p.WillTopic, p.WillMessage, p.WillQOS, p.WillRetain = true, w.Topic, w.Payload, w.QoS, w.Retain
	}
	return encode5(v5.CONNECT, p)
}

// Publish encodes a PUBLISH packet.
func (v Version) Publish(m Message) []byte {
	if v == V5 {
		return encode5(v5.PUBLISH, &v5.Publish{Topic: m.Topic, Payload: m.Payload, PacketID: m.ID, QoS: m.QoS,
			Retain: m.Retain, Duplicate: m.Dup, Properties: &v5.Properties{}})
	}
	p := v3.NewControlPacket(v3.Publish).(*v3.PublishPacket)
	p.TopicName, p.Payload, p.MessageID, p.Qos, p.Retain, p.Dup = m.Topic, m.Payload, m.ID, m.QoS, m.Retain, m.Dup
	return encode3(p)
}

// Subscribe encodes a SUBSCRIBE packet for filters, all at the same QoS.
func (v Version) Subscribe(id uint16, qos byte, filters ...string) []byte {
	if v == V5 {
		p := &v5.Subscribe{PacketID: id, Properties: &v5.Properties{}}
		for _, f := range filters {
			p.Subscriptions = append(p.Subscriptions, v5.SubOptions{Topic: f, QoS: qos})
		}
		return encode5(v5.SUBSCRIBE, p)
	}
	p := v3.NewControlPacket(v3.Subscribe).(*v3.SubscribePacket)
	p.MessageID = id
	for _, f := range filters {
		p.Topics, p.Qoss = append(p.Topics, f), append(p.Qoss, qos)
	}
	return encode3(p)
}

// Ack encodes PUBACK, PUBREC, PUBREL or PUBCOMP with reason success, in the two-byte form that all versions share.
func Ack(kind byte, id uint16) []byte {
	first := kind << 4
	if kind == PUBREL {
		first |= 2
	}
	return []byte{first, 2, byte(id >> 8), byte(id)}
}

// Disconnect encodes a normal DISCONNECT, two bytes in every version.
func Disconnect() []byte { return []byte{DISCONNECT << 4, 0} }

func encode3(p v3.ControlPacket) []byte {
	var b bytes.Buffer
	_ = p.Write(&b) // a bytes.Buffer does not fail
	return b.Bytes()
}

func encode5(kind byte, content v5.Packet) []byte {
	var b bytes.Buffer
	p := v5.ControlPacket{Content: content, FixedHeader: v5.FixedHeader{Type: kind}}
	if kind == v5.SUBSCRIBE {
		p.Flags = 2
	}
	_, _ = p.WriteTo(&b)
	return b.Bytes()
}
