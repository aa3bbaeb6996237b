package null

import (
	"encoding/binary"
	"errors"
)

const (
	wholeSize = 32 << 10 // a packet up to this size is shown whole
	headSize  = 1 << 10  // of a larger one this much
)

// stream finds packets in a run of bytes.
type stream struct {
	rest []byte // the beginning of a packet
	skip int    // bytes of a large packet that are still to come
}

// feed shows each packet in b, which may begin and end within one.
func (s *stream) feed(b []byte, show func(packet []byte, size int) error) error {
	if s.skip > 0 {
		n := min(s.skip, len(b))
		s.skip -= n
		b = b[n:]
	}
	if len(s.rest) > 0 {
		s.rest = append(s.rest, b...)
		b = s.rest
	}
	for len(b) > 0 {
		size, err := packetSize(b)
		if err != nil {
			return err
		}
		need := size
		if size > wholeSize {
			need = headSize
		}
		if size == 0 || len(b) < need {
			break
		}
		if err := show(b[:need], size); err != nil {
			return err
		}
		n := min(size, len(b))
		s.skip = size - n
		b = b[n:]
	}
	s.rest = append(s.rest[:0], b...)
	if len(s.rest) == 0 {
		s.rest = nil // an idle connection has none
	}
	return nil
}

// packetSize is the size of the packet that b begins with, 0 if b is too short to tell.
func packetSize(b []byte) (int, error) {
	value := 0
	for i := 1; i < len(b) && i <= 4; i++ {
		value |= int(b[i]&0x7F) << (7 * (i - 1))
		if b[i]&0x80 == 0 {
			return 1 + i + value, nil
		}
	}
	if len(b) > 4 {
		return 0, errors.New("malformed remaining length")
	}
	return 0, nil
}

// body is a packet without its fixed header.
func body(packet []byte) []byte {
	i := 1
	for packet[i]&0x80 != 0 {
		i++
	}
	return packet[i+1:]
}

// publish is a QoS 0 PUBLISH with a payload of that size.
func publish(topic string, size int) []byte {
	b := []byte{typePublish}
	rest := 2 + len(topic) + size
	for rest > 0x7F {
		b = append(b, byte(rest)|0x80)
		rest >>= 7
	}
	b = binary.BigEndian.AppendUint16(append(b, byte(rest)), uint16(len(topic)))
	return append(append(b, topic...), make([]byte, size)...)
}
