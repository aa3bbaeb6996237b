package load

import (
	"encoding/binary"
	"errors"

	"mqtt-ws-bridge/firmware-sim/packet"
	"mqtt-ws-bridge/firmware-sim/wire"
)

// scanner counts packets in a stream of frames (or bare packets) without copying their bodies.
type scanner struct {
	ws      bool
	counts  [16]int64 // per packet type
	bytes   int64
	acked   []uint16 // identifiers of PUBACKs since the caller last emptied it, when gather is set
	gather  bool
	refused bool
	pong    []byte // answer owed to a ping; nil for none

	frame   [14]byte // header bytes of a frame so far
	have    int
	left    uint64 // payload bytes of the frame still to come
	op      wire.Opcode
	control []byte

	head     [5]byte // fixed header bytes of a packet so far
	headHave int
	body     int     // bytes of the packet still to come
	first    [4]byte // of its body
	firsts   int
}

var errFrame = errors.New("the endpoint sent a frame that is masked, fragmented or not binary")

// feed takes the next bytes of the stream.
func (s *scanner) feed(b []byte) error {
	s.bytes += int64(len(b))
	if !s.ws {
		return s.packets(b)
	}
	for len(b) > 0 {
		if s.left == 0 {
			n, err := s.header(b)
			if err != nil {
				return err
			}
			b = b[n:]
			continue
		}
		n := min(uint64(len(b)), s.left)
		part := b[:n]
		b, s.left = b[n:], s.left-n
		if s.op.Control() {
			s.control = append(s.control, part...)
			if s.left == 0 {
				s.finishControl()
			}
			continue
		}
		if err := s.packets(part); err != nil {
			return err
		}
	}
	return nil
}

// header adds bytes to the frame header and returns how many it took.
func (s *scanner) header(b []byte) (int, error) {
	for i, c := range b {
		s.frame[s.have] = c
		s.have++
		h, _, err := wire.ParseHeader(s.frame[:s.have])
		if err != nil {
			continue
		}
		s.have = 0
		if h.Masked || h.Op == wire.Text || h.RSV != 0 {
			return 0, errFrame
		}
		if h.Op == wire.Close {
			return 0, errors.New("the endpoint closed the WebSocket")
		}
		s.op, s.left, s.control = h.Op, h.Length, nil
		if h.Op.Control() && h.Length == 0 {
			s.finishControl()
		}
		return i + 1, nil
	}
	return len(b), nil
}

func (s *scanner) finishControl() {
	if s.op == wire.Ping {
		s.pong = append([]byte{}, s.control...)
	}
	s.control = nil
}

// packets counts packets in a run of MQTT bytes.
func (s *scanner) packets(b []byte) error {
	for len(b) > 0 {
		if s.body > 0 {
			n := min(len(b), s.body)
			for i := 0; i < n && s.firsts < len(s.first); i++ {
				s.first[s.firsts] = b[i]
				s.firsts++
			}
			s.body -= n
			b = b[n:]
			if s.body == 0 {
				s.done()
			}
			continue
		}
		if s.headHave == len(s.head) {
			return packet.ErrMalformed
		}
		s.head[s.headHave] = b[0]
		s.headHave++
		b = b[1:]
		size, err := packet.Size(s.head[:s.headHave])
		if err != nil {
			return err
		}
		if size == 0 {
			continue
		}
		s.body, s.firsts = size-s.headHave, 0
		if s.body == 0 {
			s.done()
		}
	}
	return nil
}

func (s *scanner) done() {
	kind := s.head[0] >> 4
	s.headHave = 0
	s.counts[kind]++
	switch kind {
	case packet.CONNACK:
		s.refused = s.refused || s.first[1] != 0
	case packet.SUBACK:
		s.refused = s.refused || s.first[2] >= 0x80
	case packet.PUBACK:
		if s.gather {
			s.acked = append(s.acked, binary.BigEndian.Uint16(s.first[:]))
		}
	}
}
