package frame

import (
	"encoding/binary"
	"math/bits"
)

// unmask copies src to dst, XORed with mask, and returns the mask for the byte after the last (RFC 6455 section 5.3).
// Both have the same length. dst may overlap src if it starts at or before it, which is how a payload moves forward over
// the frame header in front of it.
func unmask(dst, src []byte, mask uint32) uint32 {
	wide := uint64(mask)<<32 | uint64(mask)
	for len(src) >= 32 && len(dst) >= 32 {
		// All four words are read before the first is written: dst may lie less than 32 bytes before src.
		a := binary.LittleEndian.Uint64(src)
		b := binary.LittleEndian.Uint64(src[8:])
		c := binary.LittleEndian.Uint64(src[16:])
		d := binary.LittleEndian.Uint64(src[24:])
		binary.LittleEndian.PutUint64(dst, a^wide)
		binary.LittleEndian.PutUint64(dst[8:], b^wide)
		binary.LittleEndian.PutUint64(dst[16:], c^wide)
		binary.LittleEndian.PutUint64(dst[24:], d^wide)
		src, dst = src[32:], dst[32:]
	}
	for len(src) >= 8 && len(dst) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^wide)
		src, dst = src[8:], dst[8:]
	}
	for i := range src {
		dst[i] = src[i] ^ byte(mask)
		mask = bits.RotateLeft32(mask, -8)
	}
	return mask
}
