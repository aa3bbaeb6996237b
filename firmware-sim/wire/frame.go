package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Opcode is a WebSocket frame's opcode (RFC 6455 section 5.2).
type Opcode byte

// The opcodes of RFC 6455.
const (
	Continuation Opcode = 0
	Text         Opcode = 1
	Binary       Opcode = 2
	Close        Opcode = 8
	Ping         Opcode = 9
	Pong         Opcode = 10
)

// String names the opcode as RFC 6455 does.
func (o Opcode) String() string {
	switch o {
	case Continuation:
		return "continuation"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	}
	return fmt.Sprintf("reserved-%d", byte(o))
}

// Control reports whether the opcode is one of a control frame.
func (o Opcode) Control() bool { return o >= 8 }

// Header is a frame header as it stands on the wire.
type Header struct {
	Fin    bool
	RSV    byte // the three reserved bits, 0 to 7
	Op     Opcode
	Masked bool
	Mask   [4]byte
	Length uint64
	// Wide asks for (or reports) a length encoded in more bytes than needed.
	Wide bool
}

// ErrShort means that the bytes given do not hold a whole header yet.
var ErrShort = errors.New("frame header incomplete")

// AppendHeader appends h to b. A Wide length of any size is written with eight bytes.
func AppendHeader(b []byte, h Header) []byte {
	first := byte(h.Op)&15 | h.RSV&7<<4
	if h.Fin {
		first |= 0x80
	}
	var masked byte
	if h.Masked {
		masked = 0x80
	}
	switch {
	case h.Wide || h.Length > 0xFFFF:
		b = append(b, first, masked|127)
		b = binary.BigEndian.AppendUint64(b, h.Length)
	case h.Length > 125:
		b = append(b, first, masked|126)
		b = binary.BigEndian.AppendUint16(b, uint16(h.Length))
	default:
		b = append(b, first, masked|byte(h.Length))
	}
	if h.Masked {
		b = append(b, h.Mask[:]...)
	}
	return b
}

// AppendFrame appends one frame with the given payload, masking a copy of it when h.Masked is set. h.Length is taken
// from the payload.
func AppendFrame(b []byte, h Header, payload []byte) []byte {
	h.Length = uint64(len(payload))
	b = AppendHeader(b, h)
	start := len(b)
	b = append(b, payload...)
	if h.Masked {
		Mask(b[start:], h.Mask, 0)
	}
	return b
}

// Mask applies (or takes off) the masking key in place; offset is the position of b[0] in the frame's payload.
func Mask(b []byte, key [4]byte, offset int) {
	if key == [4]byte{} {
		return
	}
	for i := range b {
		b[i] ^= key[(offset+i)&3]
	}
}

// ParseHeader reads a header from the beginning of b and returns its size in bytes, or ErrShort.
func ParseHeader(b []byte) (Header, int, error) {
	if len(b) < 2 {
		return Header{}, 0, ErrShort
	}
	h := Header{Fin: b[0]&0x80 != 0, RSV: b[0] >> 4 & 7, Op: Opcode(b[0] & 15), Masked: b[1]&0x80 != 0}
	n := 2
	switch short := b[1] & 0x7F; short {
	case 126:
		if len(b) < 4 {
			return Header{}, 0, ErrShort
		}
		h.Length = uint64(binary.BigEndian.Uint16(b[2:]))
		h.Wide = h.Length < 126
		n = 4
	case 127:
		if len(b) < 10 {
			return Header{}, 0, ErrShort
		}
		h.Length = binary.BigEndian.Uint64(b[2:])
		h.Wide = h.Length <= 0xFFFF
		n = 10
	default:
		h.Length = uint64(short)
	}
	if h.Masked {
		if len(b) < n+4 {
			return Header{}, 0, ErrShort
		}
		copy(h.Mask[:], b[n:])
		n += 4
	}
	return h, n, nil
}

// String describes the header on one line, for traces and reports.
func (h Header) String() string {
	s := fmt.Sprintf("%s %d B", h.Op, h.Length)
	if !h.Fin {
		s += " FIN=0"
	}
	if h.RSV != 0 {
		s += fmt.Sprintf(" RSV=%03b", h.RSV)
	}
	if h.Masked {
		s += " masked"
	}
	if h.Wide {
		s += " non-minimal length"
	}
	return s
}
