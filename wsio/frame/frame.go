package frame

import (
	"encoding/binary"
)

type opcode byte

// Opcodes, RFC 6455 section 5.2.
const (
	opContinuation opcode = 0x0
	opText         opcode = 0x1
	opBinary       opcode = 0x2
	opClose        opcode = 0x8
	opPing         opcode = 0x9
	opPong         opcode = 0xA
)

func (o opcode) control() bool { return o&0x8 != 0 }

const (
	bitFIN      = 0x80
	bitsRSV     = 0x70
	bitMASK     = 0x80
	bitsLength  = 0x7F
	lengthIs16  = 126
	lengthIs64  = 127
	maxControl  = 125     // RFC 6455 section 5.5
	maxHeader   = 14      // two bytes, eight of length, four of mask
	maxFrameLen = 1 << 29 // two MQTT packets of the largest size: nobody sends more in one frame
	// Headroom is how many bytes before its first frame's payload [Conn.WriteFrames] needs for itself.
	Headroom = 10
)

// header is the header of one frame.
type header struct {
	fin    bool
	masked bool
	op     opcode
	length uint64
	mask   uint32 // in the order of the wire, as a little-endian word
}

// parseHeader reads the frame header at the start of b. A size of 0 means that more bytes are needed.
//
// A device may use more length bytes than necessary (device-quirks U5, seen in arduinoWebSockets): the length is
// what it says all the same.
func parseHeader(b []byte) (h header, size int, err error) {
	if len(b) < 2 {
		return h, 0, nil
	}
	if b[0]&bitsRSV != 0 {
		return h, 0, errReservedBits
	}
	h.fin = b[0]&bitFIN != 0
	h.op = opcode(b[0] & 0x0F)
	h.masked = b[1]&bitMASK != 0
	h.length = uint64(b[1] & bitsLength)
	size = 2
	switch h.length {
	case lengthIs16:
		size = 4
		if len(b) < size {
			return h, 0, nil
		}
		h.length = uint64(binary.BigEndian.Uint16(b[2:]))
	case lengthIs64:
		size = 10
		if len(b) < size {
			return h, 0, nil
		}
		h.length = binary.BigEndian.Uint64(b[2:])
	}
	if h.masked {
		size += 4
		if len(b) < size {
			return h, 0, nil
		}
		h.mask = binary.LittleEndian.Uint32(b[size-4:])
	}
	return h, size, nil
}

// headerSize is the size of the unmasked header of a frame with n bytes of payload.
func headerSize(n int) int {
	switch {
	case n < lengthIs16:
		return 2
	case n <= 0xFFFF:
		return 4
	default:
		return 10
	}
}

// putHeader writes the unmasked header of a final frame with n bytes of payload to the start of b, in the shortest
// form (RFC 6455 section 5.2), and returns its size.
func putHeader(b []byte, op opcode, n int) int {
	b[0] = bitFIN | byte(op)
	switch {
	case n < lengthIs16:
		b[1] = byte(n)
		return 2
	case n <= 0xFFFF:
		b[1] = lengthIs16
		binary.BigEndian.PutUint16(b[2:], uint16(n))
		return 4
	default:
		b[1] = lengthIs64
		binary.BigEndian.PutUint64(b[2:], uint64(n))
		return 10
	}
}
