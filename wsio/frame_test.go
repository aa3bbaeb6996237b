package wsio_test

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// Opcodes and bits as RFC 6455 section 5.2 has them, written down again: the tests are a second opinion.
const (
	continuation = 0x0
	text         = 0x1
	binaryData   = 0x2
	closeFrame   = 0x8
	ping         = 0x9
	pong         = 0xA

	fin  = 0x80
	rsv1 = 0x40
	rsv2 = 0x20
	rsv3 = 0x10
)

var key = [4]byte{0x37, 0xFA, 0x21, 0x3D} // the one of RFC 6455 section 5.7

// masked is a device's frame with the shortest length. first is the first byte: the opcode with FIN and the reserved bits.
func masked(first byte, payload string) []byte { return withKey(first, payload, key) }

func withKey(first byte, payload string, key [4]byte) []byte {
	b := append(length(first, len(payload), 0x80), key[:]...)
	return append(b, xor(payload, key)...)
}

// unmasked is a frame without a mask, as a server sends it.
func unmasked(first byte, payload string) []byte {
	return append(length(first, len(payload), 0), payload...)
}

func length(first byte, n int, maskBit byte) []byte {
	switch {
	case n < 126:
		return []byte{first, maskBit | byte(n)}
	case n < 1<<16:
		return binary.BigEndian.AppendUint16([]byte{first, maskBit | 126}, uint16(n))
	default:
		return binary.BigEndian.AppendUint64([]byte{first, maskBit | 127}, uint64(n))
	}
}

// claiming is the header of a masked frame with a length of 64 bits, whatever follows.
func claiming(first byte, n uint64) []byte {
	b := binary.BigEndian.AppendUint64([]byte{first, 0x80 | 127}, n)
	return append(b, key[:]...)
}

func xor(payload string, key [4]byte) []byte {
	out := []byte(payload)
	for i := range out {
		out[i] ^= key[i%4]
	}
	return out
}

func closing(code uint16, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, code)) + reason
}

func join(frames ...[]byte) []byte {
	var all []byte
	for _, f := range frames {
		all = append(all, f...)
	}
	return all
}

// sentFrame is a frame that the bridge sent.
type sentFrame struct {
	op      byte
	payload string
}

// parseSent reads what the bridge sent, which must be whole frames: final, unmasked, without reserved bits and with the
// shortest length (RFC 6455 sections 5.1 and 5.2, device-quirks D1 and D5).
func parseSent(b []byte) (frames []sentFrame, err error) {
	for len(b) > 0 {
		if len(b) < 2 {
			return frames, fmt.Errorf("half a header: % x", b)
		}
		first, size, n := b[0], 2, int(b[1])
		switch {
		case first&fin == 0 || first&(rsv1|rsv2|rsv3) != 0:
			return frames, fmt.Errorf("first byte %#x of a frame", first)
		case n&0x80 != 0:
			return frames, fmt.Errorf("masked frame % x", b[:2])
		case n == 126:
			size, n = 4, int(binary.BigEndian.Uint16(b[2:]))
		case n == 127:
			size, n = 10, int(binary.BigEndian.Uint64(b[2:]))
		}
		if got := len(length(first, n, 0)); got != size {
			return frames, fmt.Errorf("%d bytes of header for %d of payload", size, n)
		}
		if len(b) < size+n {
			return frames, fmt.Errorf("frame of %d bytes has %d", n, len(b)-size)
		}
		frames = append(frames, sentFrame{first & 0x0F, string(b[size : size+n])})
		b = b[size+n:]
	}
	return frames, nil
}

func mustParse(t *testing.T, b []byte) []sentFrame {
	t.Helper()
	frames, err := parseSent(b)
	if err != nil {
		t.Fatalf("the bridge sent a bad frame: %v", err)
	}
	return frames
}
