package mqttio

// MaxPacketSize is the largest size of an MQTT packet: the largest Remaining Length and the fixed header before it.
const MaxPacketSize = 268435455 + 5

// Type is an MQTT Control Packet type, the upper half of a packet's first byte.
type Type byte

// The packet types, MQTT 5 table 2-1. TypeAuth exists in MQTT 5 only; 0 is reserved in all versions.
const (
	TypeConnect Type = iota + 1
	TypeConnack
	TypePublish
	TypePuback
	TypePubrec
	TypePubrel
	TypePubcomp
	TypeSubscribe
	TypeSuback
	TypeUnsubscribe
	TypeUnsuback
	TypePingreq
	TypePingresp
	TypeDisconnect
	TypeAuth
)

var typeNames = [16]string{
	"RESERVED", "CONNECT", "CONNACK", "PUBLISH", "PUBACK", "PUBREC", "PUBREL", "PUBCOMP",
	"SUBSCRIBE", "SUBACK", "UNSUBSCRIBE", "UNSUBACK", "PINGREQ", "PINGRESP", "DISCONNECT", "AUTH",
}

// String returns the name as the specifications write it, such as "CONNECT".
func (t Type) String() string { return typeNames[t&15] }

// Header is the fixed header of a packet. The zero Header is not a packet.
type Header struct {
	First     byte // packet type and flags
	Remaining int  // bytes that follow the fixed header
	Len       int  // bytes of the fixed header itself, 2 to 5
}

// Type returns the packet type.
func (h Header) Type() Type { return Type(h.First >> 4) }

// Flags returns the lower half of the first byte.
func (h Header) Flags() byte { return h.First & 15 }

// Size returns the size of the whole packet in bytes.
func (h Header) Size() int { return h.Len + h.Remaining }

// QoS returns the quality of service of a PUBLISH, 0 to 3, where 3 is not allowed and refused by CheckHeader.
func (h Header) QoS() byte { return h.First >> 1 & 3 }

// Retain reports the RETAIN flag of a PUBLISH.
func (h Header) Retain() bool { return h.First&1 != 0 }

// Dup reports the DUP flag of a PUBLISH.
func (h Header) Dup() bool { return h.First&8 != 0 }

// ParseHeader reads the fixed header at the start of b. It returns ErrShort if b ends inside it, and an *Error if the
// Remaining Length does not end with its fourth byte. It checks nothing else: CheckHeader does.
//
// A Remaining Length in more bytes than it needs (0x80 0x00 for 0) is read as what it says. All implementations read it
// alike, so no two of them disagree about where a packet ends. MQTT 5 forbids it [MQTT-1.5.5-1], and CheckHeader
// refuses it there; MQTT 3.1.1 has no such rule.
func ParseHeader(b []byte) (Header, error) {
	if len(b) > 1 && b[1] < 0x80 {
		return Header{b[0], int(b[1]), 2}, nil
	}
	return parseLongHeader(b)
}

func parseLongHeader(b []byte) (Header, error) {
	if len(b) == 0 {
		return Header{}, ErrShort
	}
	remaining, n := varint(b[1:])
	switch {
	case n > 0:
		return Header{b[0], remaining, 1 + n}, nil
	case n == 0:
		return Header{}, ErrShort
	}
	return Header{}, errRemainingLength
}

// varint reads a Variable Byte Integer at the start of b, MQTT 5 section 1.5.5. It returns the value and the bytes it
// takes, 0 if b ends inside it, and -1 if it does not end with its fourth byte.
func varint(b []byte) (value, n int) {
	for i, c := range b {
		if i == 4 {
			return 0, -1
		}
		value |= int(c&0x7f) << (7 * i)
		if c < 0x80 {
			return value, i + 1
		}
	}
	if len(b) >= 4 {
		return 0, -1
	}
	return 0, 0
}

// varintLen returns how many bytes the shortest encoding of n takes.
func varintLen(n int) int {
	switch {
	case n < 1<<7:
		return 1
	case n < 1<<14:
		return 2
	case n < 1<<21:
		return 3
	}
	return 4
}
