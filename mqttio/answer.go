package mqttio

import (
	"encoding/binary"
	"errors"
)

// AppendAck appends an acknowledgement of type t, such as PUBACK, to dst. In 3.x there is no code to send; in MQTT 5 code 0 is
// not sent either, since leaving it out means the same.
func AppendAck(dst []byte, t Type, v Version, id uint16, code byte) []byte {
	first := byte(t) << 4
	if t == TypePubrel {
		first |= 2 // [MQTT-3.6.1-1]
	}
	if v != V5 || code == 0 {
		return append(dst, first, 2, byte(id>>8), byte(id))
	}
	return append(dst, first, 3, byte(id>>8), byte(id), code)
}

// AppendSuback appends a SUBACK with these codes to dst, one for each topic filter of the SUBSCRIBE.
func AppendSuback(dst []byte, v Version, id uint16, codes []byte) []byte {
	n := 2 + len(codes)
	if v == V5 {
		n++
	}
	dst = appendVarint(append(dst, byte(TypeSuback)<<4), n)
	dst = binary.BigEndian.AppendUint16(dst, id)
	if v == V5 {
		dst = append(dst, 0) // no properties
	}
	return append(dst, codes...)
}

// CodeOfBroker stands in a list of codes where the broker's own is wanted. No SUBACK has such a code.
const CodeOfBroker = 0xFF

// ErrSubackCodes says that a SUBACK does not have a code for each topic filter that was sent.
var ErrSubackCodes = errors.New("SUBACK does not answer every topic filter [MQTT-3.8.4-6]")

// AppendMerged appends the SUBACK packet pkt, whose header is h, to dst, with codes in place of its own: wherever these hold
// CodeOfBroker the next of pkt's is taken. It is the answer to a SUBSCRIBE of which AppendSubscribe sent a part.
func AppendMerged(dst []byte, h Header, pkt []byte, v Version, codes []byte) ([]byte, error) {
	s, err := ParseSuback(h, pkt, v)
	if err != nil {
		return dst, err
	}
	head := pkt[h.Len : h.Size()-len(s.Codes)]
	out := appendVarint(append(dst, h.First), len(head)+len(codes))
	out = append(out, head...)
	theirs := s.Codes
	for _, code := range codes {
		if code == CodeOfBroker {
			if len(theirs) == 0 {
				return dst, ErrSubackCodes
			}
			code, theirs = theirs[0], theirs[1:]
		}
		out = append(out, code)
	}
	if len(theirs) > 0 {
		return dst, ErrSubackCodes
	}
	return out, nil
}
