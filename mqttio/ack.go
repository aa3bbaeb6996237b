package mqttio

import "encoding/binary"

// Ack is a view of a PUBACK, PUBREC, PUBREL or PUBCOMP packet.
type Ack struct {
	PacketID   uint16
	Code       byte // MQTT 5 only: 0 is success, and what is meant if it is not sent
	Properties Properties
}

// ParseAck reads a whole PUBACK, PUBREC, PUBREL or PUBCOMP packet, whose header is h. It checks only that the parts lie
// within the packet. It returns ErrShort if pkt ends inside the packet.
func ParseAck(h Header, pkt []byte, v Version) (Ack, error) {
	b, err := body(h, pkt)
	if err != nil {
		return Ack{}, err
	}
	if len(b) < 2 || len(b) > 2 && v != V5 {
		return Ack{}, errPacketLength
	}
	a := Ack{PacketID: binary.BigEndian.Uint16(b)}
	a.Code, a.Properties, err = codeAndProperties(b[2:])
	return a, err
}

// codeAndProperties reads what ends acknowledgements, DISCONNECT and AUTH in MQTT 5: a reason code and properties, of
// which the properties or both may be left out.
func codeAndProperties(b []byte) (code byte, p Properties, err error) {
	if len(b) == 0 {
		return 0, nil, nil
	}
	if len(b) == 1 {
		return b[0], nil, nil
	}
	p, rest, err := properties(b[1:])
	if err == nil && len(rest) > 0 {
		err = errTrailing
	}
	return b[0], p, err
}

// checkCodeAndProperties checks the same of a packet of type t up, whose codes rule says what it may have.
func checkCodeAndProperties(b []byte, t Type) (code byte, found uint64, err error) {
	if len(b) == 0 {
		return 0, 0, nil
	}
	if !codes[t].have(b[0]) {
		return b[0], 0, codes[t].err
	}
	if len(b) == 1 {
		return b[0], 0, nil
	}
	found, rest, err := checkBlock(b[1:], t)
	if err == nil && len(rest) > 0 {
		err = errTrailing
	}
	return b[0], found, err
}

// A codeRule is the set of reason codes a packet type may have up: those below 0x40, and those from 0x80 on.
type codeRule struct {
	low, high uint64
	err       error
}

func (r *codeRule) have(code byte) bool {
	if code >= 0x80 {
		return r.high>>(code-0x80)&1 != 0
	}
	return r.low>>code&1 != 0
}

const (
	lowReceived  = 1<<0x00 | 1<<0x10
	highReceived = 1<<0x00 | 1<<0x03 | 1<<0x07 | 1<<0x10 | 1<<0x11 | 1<<0x17 | 1<<0x19
	highReleased = 1 << 0x12
	// All that stand in table 3-10, also those that only a broker has cause to send: what ends the connection anyway
	// is not worth a quarrel.
	lowDisconnect  = 1<<0x00 | 1<<0x04
	highDisconnect = 1<<0x00 | 1<<0x01 | 1<<0x02 | 1<<0x03 | 1<<0x07 | 1<<0x09 | 1<<0x0B | 1<<0x0C | 1<<0x0D | 1<<0x0E |
		1<<0x0F | 1<<0x10 | 1<<0x13 | 1<<0x14 | 1<<0x15 | 1<<0x16 | 1<<0x17 | 1<<0x18 | 1<<0x19 | 1<<0x1A | 1<<0x1B |
		1<<0x1C | 1<<0x1D | 1<<0x1E | 1<<0x1F | 1<<0x20 | 1<<0x21 | 1<<0x22
	lowAuth = 1<<0x18 | 1<<0x19
)

var codes = [16]codeRule{
	TypePuback:     {lowReceived, highReceived, errCodePuback},
	TypePubrec:     {lowReceived, highReceived, errCodePubrec},
	TypePubrel:     {1, highReleased, errCodePubrel},
	TypePubcomp:    {1, highReleased, errCodePubcomp},
	TypeDisconnect: {lowDisconnect, highDisconnect, errCodeDisconnect},
	TypeAuth:       {lowAuth, 0, errCodeAuth},
}

func checkAck(h Header, pkt []byte, v Version, d Direction) error {
	if d == Down {
		_, err := ParseAck(h, pkt, v)
		return err
	}
	b := pkt[h.Len:]
	if b[0]|b[1] == 0 {
		return errAckPacketID
	}
	_, _, err := checkCodeAndProperties(b[2:], h.Type())
	return err
}
