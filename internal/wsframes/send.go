package wsframes

import (
	"encoding/binary"
	"slices"
)

// Opcodes and bits of the first byte, RFC 6455 section 5.2.
const (
	Continuation = 0x0
	Text         = 0x1
	Binary       = 0x2
	Close        = 0x8
	Ping         = 0x9
	Pong         = 0xA

	FIN  = 0x80
	RSV1 = 0x40
	RSV2 = 0x20
	RSV3 = 0x10
)

// Mask is the bit of the second byte: a mask follows the length.
const Mask = 0x80

// Key is the masking key of [Masked], the one of RFC 6455 section 5.7.
var Key = [4]byte{0x37, 0xFA, 0x21, 0x3D}

// Masked is a device's frame with the shortest length. first is the first byte: the opcode with FIN and the reserved bits.
func Masked[T ~string | ~[]byte](first byte, payload T) []byte {
	return MaskedWith(first, payload, Key)
}

// Readable is a device's frame whose key is zero, which RFC 6455 allows and leaves the payload readable.
func Readable[T ~string | ~[]byte](first byte, payload T) []byte {
	return MaskedWith(first, payload, [4]byte{})
}

// MaskedWith is a device's frame with this key.
func MaskedWith[T ~string | ~[]byte](first byte, payload T, key [4]byte) []byte {
	b := append(Header(first, len(payload), Mask), key[:]...)
	return append(b, XOR(payload, key)...)
}

// XOR is a payload under a key.
func XOR[T ~string | ~[]byte](payload T, key [4]byte) []byte {
	out := append([]byte(nil), payload...)
	for i := range out {
		out[i] ^= key[i%4]
	}
	return out
}

// Unmasked is a frame without a mask, as a server sends it.
func Unmasked[T ~string | ~[]byte](first byte, payload T) []byte {
	return append(Header(first, len(payload), 0), payload...)
}

// Header is a header without its key, with n bytes of payload in the shortest form. mask is [Mask] or 0.
func Header(first byte, n int, mask byte) []byte {
	switch {
	case n < 126:
		return []byte{first, mask | byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{first, mask | 126}, uint16(n))
	default:
		return binary.BigEndian.AppendUint64([]byte{first, mask | 127}, uint64(n))
	}
}

// Claiming is the header of a masked frame with a length of 64 bits, whatever follows.
func Claiming(first byte, n uint64) []byte {
	b := binary.BigEndian.AppendUint64([]byte{first, Mask | 127}, n)
	return append(b, Key[:]...)
}

// Closing is the payload of a close frame.
func Closing(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

// Join puts frames behind each other.
func Join(frames ...[]byte) []byte { return slices.Concat(frames...) }

// Run is a buffer of consecutive packets behind some bytes of headroom, and where each ends.
func Run(headroom int, packets ...string) (buf []byte, ends []int) {
	buf = make([]byte, headroom)
	for _, p := range packets {
		buf = append(buf, p...)
		ends = append(ends, len(buf))
	}
	return buf, ends
}
